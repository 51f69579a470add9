package idempotency

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kafkaupstream/kafkaupstream/test/await"
)

var outcomes = map[Outcome]string{Unavailable: "unavailable", First: "first", Replay: "replay", Mismatch: "mismatch",
	InFlight: "in flight", Interrupted: "interrupted", Full: "full"}

func (o Outcome) String() string { return outcomes[o] }

// clock stands until it is moved.
type clock struct{ ns atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.ns.Store(1_700_000_000_000_000_000)
	return c
}

func (c *clock) now() time.Time           { return time.Unix(0, c.ns.Load()) }
func (c *clock) advance(by time.Duration) { c.ns.Add(int64(by)) }

// open makes a store that is ready.
func open(t testing.TB, opts Options) *Store {
	t.Helper()
	s := openLater(t, opts)
	<-s.Ready()
	return s
}

// openLater makes a store that may wait for its directory.
func openLater(t testing.TB, opts Options) *Store {
	t.Helper()
	s, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { end(s) })
	return s
}

// openFaulty makes a store whose disk fails as faults says.
func openFaulty(t testing.TB, opts Options, x *faults) *Store {
	t.Helper()
	s := newStore(opts)
	s.intercept = func(f file) file { return &faultyFile{f, x} }
	go s.run()
	t.Cleanup(func() { end(s) })
	<-s.Ready()
	return s
}

const hour = time.Hour

var request = FingerprintOf([]byte("POST"), []byte("/orders"), []byte("{}"))

// keyOf is a key of a scope that is its own holder.
func keyOf(scope, key string) Key { return Key{Holder: scope, Scope: scope, Key: key} }

// end closes a store without waiting for what is under way.
func end(s *Store) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s.Close(ctx)
}

// begin begins a key of the scope "orders", and wants an outcome.
func begin(t testing.TB, s *Store, key string, want Outcome) *Ticket {
	t.Helper()
	outcome, ticket := s.Begin(context.Background(), keyOf("orders", key), request, hour)
	if outcome != want {
		t.Fatalf("%s: %v, want %v", key, outcome, want)
	}
	return ticket
}

func finish(t testing.TB, ticket *Ticket, reply string) {
	t.Helper()
	if err := ticket.Finish([]byte(reply)); err != nil {
		t.Fatal(err)
	}
}

// done does a request for the first time.
func done(t testing.TB, s *Store, key, reply string) {
	t.Helper()
	finish(t, begin(t, s, key, First), reply)
}

func replay(t testing.TB, s *Store, key, reply string) {
	t.Helper()
	if got := string(begin(t, s, key, Replay).Reply()); got != reply {
		t.Errorf("%s: reply %q, want %q", key, got, reply)
	}
}

func logged(log *await.Log) *slog.Logger { return slog.New(slog.NewTextHandler(log, nil)) }

// journalPath returns the path of the only journal.
func journalPath(t testing.TB, dir string) string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*"+journalSuffix))
	if err != nil || len(paths) != 1 {
		t.Fatalf("journals %q, %v", paths, err)
	}
	return paths[0]
}

// dirText returns all that is in a directory, names and contents.
func dirText(t testing.TB, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString(e.Name())
		b.Write(content)
	}
	return b.String()
}

// faults are put between a journal and the disk.
type faults struct {
	write, sync atomic.Bool  // fail
	fails       atomic.Int64 // so many Syncs fail
	syncs       atomic.Int64
	hold        atomic.Pointer[chan struct{}] // Sync waits until it is closed
	held        atomic.Int64                  // how many do or did
}

var errDisk = errors.New("no space left on device (injected)")

type faultyFile struct {
	file
	faults *faults
}

func (f *faultyFile) Write(b []byte) (int, error) {
	if f.faults.write.Load() {
		n, _ := f.file.Write(b[:len(b)/2])
		return n, errDisk
	}
	return f.file.Write(b)
}

func (f *faultyFile) Sync() error {
	f.faults.syncs.Add(1)
	if hold := f.faults.hold.Load(); hold != nil {
		f.faults.held.Add(1)
		<-*hold
	}
	if f.faults.sync.Load() || f.faults.fails.Add(-1) >= 0 {
		return errDisk
	}
	return f.file.Sync()
}
