package spool

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/test/await"
)

func open(t testing.TB, dir string, opts Options) *Spool {
	t.Helper()
	s, err := Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func openOwned(t testing.TB, dir string, opts Options) *Spool {
	t.Helper()
	s := open(t, dir, opts)
	if ok, err := s.TryLock(); !ok || err != nil {
		t.Fatalf("the lock: %v, %v", ok, err)
	}
	return s
}

func stream(t testing.TB, s *Spool, id string) *Stream {
	t.Helper()
	st, err := s.Stream(id, []byte(`{"a":1}`))
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func logged(log *await.Log) *slog.Logger { return slog.New(slog.NewTextHandler(log, nil)) }

func entry(value string) *Entry {
	return &Entry{Record: record.Record{Topic: "orders", Partition: record.AnyPartition, Value: []byte(value)}}
}

// Append is AppendAll of one entry.
func (w *writer) Append(e *Entry) (Position, error) {
	a := w.AppendAll([]Entry{*e})[0]
	return a.Position, a.Err
}

func mustAppend(t testing.TB, st *Stream, values ...string) []Position {
	t.Helper()
	var positions []Position
	for _, v := range values {
		p, err := st.Append(entry(v))
		if err != nil {
			t.Fatal(err)
		}
		positions = append(positions, p)
	}
	return positions
}

func mustResolve(t testing.TB, st *Stream, positions ...Position) {
	t.Helper()
	for _, p := range positions {
		if err := st.Resolve(p, Acked); err != nil {
			t.Fatal(err)
		}
	}
}

func mustLoad(t testing.TB, st *Stream) {
	t.Helper()
	if _, err := st.Load(); err != nil {
		t.Fatal(err)
	}
}

// all reads a stream to its end, a few records at a time.
func all(t testing.TB, st *Stream) []Entry {
	t.Helper()
	var entries []Entry
	var after Position
	for {
		next, err := st.Next(after, 3, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if next == nil {
			return entries
		}
		entries = append(entries, next...)
		after = next[len(next)-1].Position
	}
}

// values reads a stream to its end and joins the values.
func values(t testing.TB, st *Stream) string {
	t.Helper()
	var vs []string
	for _, e := range all(t, st) {
		vs = append(vs, string(e.Record.Value))
	}
	return strings.Join(vs, " ")
}

func segmentPaths(t testing.TB, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*"+segmentSuffix))
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// sameRecord reports whether two entries are equal but for their positions.
func sameRecord(a, b Entry) bool {
	a.Position, b.Position = Position{}, Position{}
	return reflect.DeepEqual(a, b)
}

// variety has a record of each kind, and units.
func variety() []Entry {
	at := time.Unix(1700000000, 123456789).UTC()
	return []Entry{
		{Kept: at, Record: record.Record{Topic: "a", Partition: -1, Value: []byte("plain")}},
		{Kept: at, Record: record.Record{Topic: "b", Key: []byte{}, Value: []byte{}, Timestamp: at.Add(time.Hour)}},
		{Kept: at, Record: record.Record{Topic: "", Partition: 7, Key: []byte("key"),
			Headers: []record.Header{{Key: "null"}, {Key: "empty", Value: []byte{}}, {Value: []byte("x")}}}},
		{Kept: at, Reason: "too large", Record: record.Record{Topic: "d", Value: bytes.Repeat([]byte{0}, 90)}},
		{Kept: at, Unit: UnitID{0: 1}, Record: record.Record{Topic: "u", Key: []byte("alone")}},
		{Kept: at, Unit: UnitID{15: 2}, Reason: "refused", Record: record.Record{Topic: "u", Value: []byte("first")}, Rest: []record.Record{
			{Topic: "u", Partition: 1, Key: []byte("k"), Headers: []record.Header{{Key: "h", Value: []byte("v")}}},
			{Topic: "v", Value: []byte{}, Timestamp: at},
		}},
		{Kept: at, First: Position{segment: segmentID{1700000000123456789, 0xabcdef01}, index: 7}, Reason: "moved", Record: record.Record{Topic: "m"}},
		{Kept: at, First: Position{segment: segmentID{0, 1}}, Unit: UnitID{3}, Record: record.Record{Topic: "m"}, Rest: []record.Record{{Topic: "n"}}},
		{Kept: at, Record: record.Record{Topic: "e", Value: []byte("last"), Timestamp: time.Unix(-5, 1).UTC()}},
	}
}

// faults are put between segments and the disk.
type faults struct {
	syncs                 atomic.Int64
	read, write           atomic.Bool // fail
	sync, truncate        atomic.Bool
	short                 atomic.Bool // write half, and say so by an error
	afterWrites, written  atomic.Int64
	failNth               atomic.Int64 // the write that fails alone; 0: none
	syncStarted, syncGoOn chan struct{}
	holdSync              atomic.Bool
}

var errDisk = errors.New("no space left on device (injected)")

func (x *faults) intercept(f file) file { return &faultyFile{f, x} }

type faultyFile struct {
	file
	faults *faults
}

func (f *faultyFile) WriteAt(b []byte, off int64) (int, error) {
	x := f.faults
	n := x.written.Add(1)
	switch limit := x.afterWrites.Load(); {
	case x.short.Load():
		written, _ := f.file.WriteAt(b[:len(b)/2], off)
		return written, errDisk
	case x.write.Load(), limit > 0 && n > limit, n == x.failNth.Load():
		return 0, errDisk
	}
	return f.file.WriteAt(b, off)
}

func (f *faultyFile) ReadAt(b []byte, off int64) (int, error) {
	if f.faults.read.Load() {
		return 0, errDisk
	}
	return f.file.ReadAt(b, off)
}

func (f *faultyFile) Sync() error {
	f.faults.syncs.Add(1)
	if f.faults.holdSync.Load() {
		f.faults.syncStarted <- struct{}{}
		<-f.faults.syncGoOn
	}
	if f.faults.sync.Load() {
		return errDisk
	}
	return f.file.Sync()
}

func (f *faultyFile) Truncate(n int64) error {
	if f.faults.truncate.Load() {
		return errDisk
	}
	return f.file.Truncate(n)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
