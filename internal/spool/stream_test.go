package spool

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestNextReturnsWhatIsPendingAfterAPosition(t *testing.T) {
	s := openOwned(t, t.TempDir(), Options{SegmentBytes: 300})
	st := stream(t, s, "s")
	p := mustAppend(t, st, "0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
	mustResolve(t, st, p[5], p[0], p[8], p[1])
	parsed, _ := ParseReceipt(p[3].Receipt())
	cases := []struct {
		says     string
		after    Position
		n, bytes int
		want     string
	}{
		{"from the start", Position{}, 100, 1 << 20, "2 3 4 6 7 9"},
		{"after a pending one", p[3], 100, 1 << 20, "4 6 7 9"},
		{"after a resolved one", p[5], 100, 1 << 20, "6 7 9"},
		{"after one whose segment is gone", p[0], 100, 1 << 20, "2 3 4 6 7 9"},
		{"after a receipt", parsed, 100, 1 << 20, "4 6 7 9"},
		{"as many as are wanted", p[3], 2, 1 << 20, "4 6"},
		{"as many as have room", p[3], 100, 2*minPayload + 2*len("orders") + 2, "4 6"},
		{"one in any case", p[3], 100, 0, "4"},
		{"none behind the last", p[9], 100, 1 << 20, ""},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			got, err := st.Next(c.after, c.n, c.bytes)
			var vs []string
			for _, e := range got {
				vs = append(vs, string(e.Record.Value))
			}
			if strings.Join(vs, " ") != c.want || err != nil || c.want == "" && got != nil {
				t.Errorf("got %q, %v", vs, err)
			}
		})
	}
}

func TestResolvedSegmentsAreDeleted(t *testing.T) {
	s := openOwned(t, t.TempDir(), Options{SegmentBytes: 200})
	st := stream(t, s, "s")
	p := mustAppend(t, st, "0", "1", "2", "3", "4")
	count := func() int { return len(segmentPaths(t, st.dir)) }
	if count() != 3 {
		t.Fatalf("%d segments", count())
	}
	mustResolve(t, st, p[3], p[3])
	if count() != 3 || st.Pending() != 4 {
		t.Errorf("with one resolved twice: %d segments, %d pending", count(), st.Pending())
	}
	mustResolve(t, st, p[2])
	if count() != 2 || st.Pending() != 3 {
		t.Errorf("with the middle resolved: %d segments, %d pending", count(), st.Pending())
	}
	mustResolve(t, st, p[4])
	if count() != 2 {
		t.Errorf("the active segment is deleted while others are pending, or not: %d", count())
	}
	mustResolve(t, st, p[0], p[1])
	if count() != 0 || st.Pending() != 0 || s.Bytes() != 0 {
		t.Errorf("%d segments, %d pending, %d bytes", count(), st.Pending(), s.Bytes())
	}
	mustResolve(t, st, p[1])
	if next := mustAppend(t, st, "5"); !p[4].Before(next[0]) || st.Pending() != 1 {
		t.Errorf("the next record is at %v", next)
	}
	if stats, err := st.Stats(); err != nil || stats.LastResolved != p[1].Receipt() || stats.Pending != 1 || stats.Bytes != s.Bytes() {
		t.Errorf("stats %+v, %v", stats, err)
	}
}

func TestStatesSurvive(t *testing.T) {
	dir := t.TempDir()
	s := openOwned(t, dir, Options{})
	st := stream(t, s, "s")
	p := mustAppend(t, st, "a", "b", "c", "d", "e", "f")
	for i, state := range []State{Acked, Dropped, Dead, Replayed} {
		if err := st.Resolve(p[i], state); err != nil {
			t.Fatal(err)
		}
	}
	if st.Resolve(p[4], Pending) == nil || st.Resolve(p[4], 1) == nil || st.Resolve(Position{}, Acked) == nil {
		t.Error("what is no state or position is taken")
	}
	s.Close()
	s = openOwned(t, dir, Options{})
	st = stream(t, s, "s")
	mustLoad(t, st)
	mustLoad(t, st)
	if got := values(t, st); got != "e f" || st.Pending() != 2 {
		t.Errorf("got %q, %d pending", got, st.Pending())
	}
	parsed, err := ParseReceipt(p[4].Receipt())
	if err != nil {
		t.Fatal(err)
	}
	mustResolve(t, st, parsed)
	if got := values(t, st); got != "f" || st.Pending() != 1 {
		t.Errorf("after resolving by a receipt: %q, %d pending", got, st.Pending())
	}
}

func TestStateThatCannotBeWrittenIsRemembered(t *testing.T) {
	var x faults
	dir := t.TempDir()
	s := openOwned(t, dir, Options{})
	s.intercept = x.intercept
	st := stream(t, s, "s")
	p := mustAppend(t, st, "a", "b", "c", "d")
	x.write.Store(true)
	for range 2 {
		if err := st.Resolve(p[0], Acked); !errors.Is(err, errDisk) {
			t.Fatalf("error %v", err)
		}
	}
	if got := values(t, st); got != "b c d" || st.Pending() != 3 {
		t.Errorf("got %q, %d pending", got, st.Pending())
	}
	x.write.Store(false)
	mustResolve(t, st, p[1])
	content, err := os.ReadFile(segmentPaths(t, st.dir)[0])
	if err != nil || !bytes.HasPrefix(content[p[0].at-1+stateOffset:], []byte("ACKD")) {
		t.Errorf("when the disk works again, the next mark does not write the last one too: %v", err)
	}
	s.Close()
	s = openOwned(t, dir, Options{})
	st = stream(t, s, "s")
	mustLoad(t, st)
	if got := values(t, st); got != "c d" {
		t.Errorf("after opening it again: %q", got)
	}
}

// unopenable makes opening a segment fail, as it does where the process has no file descriptor left, until back
// is called.
func unopenable(t *testing.T, st *Stream) (back func()) {
	t.Helper()
	path := segmentPaths(t, st.dir)[0]
	must(t, os.Rename(path, path+".away"), os.Symlink(path, path))
	return func() { must(t, os.Rename(path+".away", path)) }
}

func TestStateIsRememberedWhereTheRecordCannotBeRead(t *testing.T) {
	cases := []struct {
		says string
		fail func(t *testing.T, st *Stream, x *faults) (mend func())
	}{
		{"its segment cannot be opened", func(t *testing.T, st *Stream, _ *faults) func() { return unopenable(t, st) }},
		{"its segment cannot be read", func(_ *testing.T, _ *Stream, x *faults) func() {
			x.read.Store(true)
			return func() { x.read.Store(false) }
		}},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			var x faults
			dir := t.TempDir()
			s := openOwned(t, dir, Options{})
			s.intercept = x.intercept
			st := stream(t, s, "s")
			p := mustAppend(t, st, "a", "b", "c")
			mend := c.fail(t, st, &x)
			for range 2 {
				if err := st.Resolve(p[0], Acked); err == nil {
					t.Fatal("a record is marked that cannot be reached")
				}
			}
			mend()
			if got := values(t, st); got != "b c" || st.Pending() != 2 {
				t.Errorf("got %q, %d pending", got, st.Pending())
			}
			content, err := os.ReadFile(segmentPaths(t, st.dir)[0])
			if err != nil || !bytes.HasPrefix(content[p[0].at-1+stateOffset:], []byte("ACKD")) {
				t.Errorf("when the disk works again, the mark is not written: %v", err)
			}
			mustResolve(t, st, p[1])
			if st.Pending() != 1 {
				t.Errorf("%d pending", st.Pending())
			}
		})
	}
}

func TestRecordThatIsResolvedTwiceCountsOnceWhereItCannotBeRead(t *testing.T) {
	var x faults
	s := openOwned(t, t.TempDir(), Options{})
	s.intercept = x.intercept
	st := stream(t, s, "s")
	p := mustAppend(t, st, "a", "b")
	mustResolve(t, st, p[0])
	x.read.Store(true)
	if err := st.Resolve(p[0], Acked); err == nil {
		t.Error("a record is marked that cannot be reached")
	}
	x.read.Store(false)
	if got := values(t, st); got != "b" || st.Pending() != 1 {
		t.Errorf("got %q, %d pending", got, st.Pending())
	}
}

func TestMarkThatCouldNotBeWrittenCountsOnceInADamagedSegment(t *testing.T) {
	var x faults
	s := openOwned(t, t.TempDir(), Options{})
	s.intercept = x.intercept
	st := stream(t, s, "s")
	p := mustAppend(t, st, "a", "b", "c", "d")
	x.read.Store(true)
	if err := st.Resolve(p[0], Acked); err == nil {
		t.Error("a record is marked that cannot be reached")
	}
	x.read.Store(false)
	x.write.Store(true) // so that it stays so
	f, err := os.OpenFile(segmentPaths(t, st.dir)[0], os.O_RDWR, 0)
	must(t, err)
	_, err = f.WriteAt([]byte{0}, p[1].at-1+headerSize)
	must(t, err, f.Close())
	if got := values(t, st); got != "c d" {
		t.Errorf("got %q", got)
	}
	x.write.Store(false)
	if got := values(t, st); got != "c d" || st.Pending() != 2 {
		t.Errorf("got %q, %d pending", got, st.Pending())
	}
}

func TestRemoveIfEmpty(t *testing.T) {
	s := openOwned(t, t.TempDir(), Options{})
	st := stream(t, s, "s")
	kept := func(says string) {
		t.Helper()
		if err := st.RemoveIfEmpty(); err != nil || !exists(filepath.Join(st.dir, connectionName)) {
			t.Errorf("%s: %v", says, err)
		}
	}
	p := mustAppend(t, st, "a")
	kept("with a record")
	dead := mustAppend(t, st.Dead(), "dead")
	mustResolve(t, st, p...)
	kept("with a dead letter")
	mustResolve(t, st.Dead(), dead...)
	if err := st.Suspend([]byte(`{"why":"x"}`)); err != nil {
		t.Fatal(err)
	}
	kept("suspended")
	if err := st.Resume(); err != nil {
		t.Fatal(err)
	}
	if err := st.RemoveIfEmpty(); err != nil || exists(st.dir) {
		t.Errorf("it stays: %v", err)
	}
	if err := st.RemoveIfEmpty(); err != nil {
		t.Errorf("again: %v", err)
	}
	mustAppend(t, st.Dead(), "b")
	mustAppend(t, st, "b")
	if b, err := os.ReadFile(filepath.Join(st.dir, connectionName)); string(b) != `{"a":1}` || err != nil {
		t.Errorf("the metadata is not made again: %q, %v", b, err)
	}
}

func TestSuspendedSurvives(t *testing.T) {
	dir := t.TempDir()
	s := openOwned(t, dir, Options{})
	st := stream(t, s, "s")
	if _, ok := st.Suspended(); ok {
		t.Error("suspended from the start")
	}
	if err := st.Suspend([]byte("why")); err != nil {
		t.Fatal(err)
	}
	s.Close()
	s = openOwned(t, dir, Options{})
	st, err := s.Stream("s", nil)
	if err != nil {
		t.Fatal(err)
	}
	if info, ok := st.Suspended(); !ok || string(info) != "why" || string(st.Metadata()) != `{"a":1}` {
		t.Errorf("%q, %v", info, ok)
	}
	if err := st.Resume(); err != nil {
		t.Fatal(err)
	}
	if _, ok := st.Suspended(); ok || exists(filepath.Join(st.dir, suspendedName)) {
		t.Error("still suspended")
	}
}

func TestStreamsHaveSafeNames(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	for _, id := range []string{"", ".", "..", "a/b", "A", "a.b", "a\n", strings.Repeat("a", 65)} {
		if _, err := s.Stream(id, []byte("{}")); !errors.Is(err, ErrInvalid) {
			t.Errorf("%q: %v", id, err)
		}
	}
	if _, err := s.Stream("none", nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without metadata: %v", err)
	}
	a, b := stream(t, s, "a"), stream(t, s, "a")
	if a != b {
		t.Error("one name, two streams")
	}
}

func TestReceiptsAreStrict(t *testing.T) {
	p := Position{segment: testID, index: 7}
	if got, err := ParseReceipt(p.Receipt()); err != nil || got != p {
		t.Errorf("%v, %v", got, err)
	}
	for _, r := range []string{"", "-", "x", testID.String(), testID.String() + "-", testID.String() + "-07", testID.String() + "-+7",
		testID.String() + "-4294967296", strings.ToUpper(p.Receipt()), " " + p.Receipt(), "ffffffffffffffff-00000000-1"} {
		if _, err := ParseReceipt(r); !errors.Is(err, ErrInvalid) {
			t.Errorf("%q: %v", r, err)
		}
	}
}

func TestFilesAreForTheOwnerOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "spool")
	s := openOwned(t, dir, Options{})
	st := stream(t, s, "s")
	mustAppend(t, st, "a")
	mustAppend(t, st.Dead(), "a")
	if err := st.Suspend(nil); err != nil {
		t.Fatal(err)
	}
	seen := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		want := fs.FileMode(0o600)
		if d.IsDir() {
			want = 0o700
		}
		if seen++; err == nil && info.Mode().Perm() != want {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil || seen != 8 {
		t.Errorf("%d files, %v", seen, err)
	}
}

func TestUnknownEntriesAreIgnored(t *testing.T) {
	dir := t.TempDir()
	s := openOwned(t, dir, Options{})
	st := stream(t, s, "s")
	p := mustAppend(t, st, "a")
	for _, name := range []string{"x.seg", "s/x.seg", "s/0000000000000001-0000000G.seg", "UPPER"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	mustLoad(t, st)
	if foreign, err := st.Foreign(); foreign || err != nil {
		t.Errorf("foreign %v, %v", foreign, err)
	}
	if ids, err := s.StreamIDs(); len(ids) != 1 || err != nil {
		t.Errorf("streams %q, %v", ids, err)
	}
	mustResolve(t, st, p...)
	if err := st.RemoveIfEmpty(); err != nil || !exists(filepath.Join(st.dir, connectionName)) {
		t.Errorf("a directory with other files is removed: %v", err)
	}
}

func TestMillionRecordsNeedLittleMemory(t *testing.T) {
	const n = 1_000_000
	dir := t.TempDir()
	s := openOwned(t, dir, Options{})
	st := stream(t, s, "s")
	for i := range n {
		if _, err := st.Write(entry(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	s = openOwned(t, dir, Options{})
	st = stream(t, s, "s")
	mustLoad(t, st)
	var last Position
	for seen := 0; seen < n/4; {
		entries, err := st.Next(last, 5000, 1<<20)
		if err != nil || string(entries[0].Record.Value) != fmt.Sprint(seen) {
			t.Fatalf("%d: %v", seen, err)
		}
		for i, e := range entries {
			if i%2 == 0 {
				mustResolve(t, st, e.Position)
			}
		}
		seen += len(entries)
		last = entries[len(entries)-1].Position
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 2<<20 {
		t.Errorf("%d bytes of heap for %d records", grown, st.Pending())
	} else {
		t.Logf("%d bytes of heap for %d records of %d bytes", grown, st.Pending(), s.Bytes())
	}
}

func TestOwnerAloneReadsAndRemoves(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	st := stream(t, s, "s")
	p := mustAppend(t, st, "a")
	_, next := st.Next(Position{}, 1, 1)
	_, load := st.Load()
	for _, err := range []error{next, load, st.RemoveIfEmpty()} {
		if !errors.Is(err, ErrNotOwner) {
			t.Errorf("error %v", err)
		}
	}
	if err := st.Resolve(p[0], Acked); err != nil || st.Pending() != 0 {
		t.Errorf("its own record cannot be resolved: %v, %d pending", err, st.Pending())
	}
}

func TestDeadLetterHasItsPlaceInAFullSpool(t *testing.T) {
	s := openOwned(t, t.TempDir(), Options{MaxBytes: 200})
	st := stream(t, s, "s")
	mustAppend(t, st, "a")
	if _, err := st.Append(entry(strings.Repeat("x", 200))); !errors.Is(err, ErrFull) {
		t.Fatal(err)
	}
	if _, err := st.Dead().Append(entry(strings.Repeat("x", 200))); err != nil {
		t.Error(err)
	}
	if _, err := st.Append(entry("b")); !errors.Is(err, ErrFull) {
		t.Errorf("a dead letter is not counted: %v", err)
	}
}

func TestEntriesOwnTheirMemory(t *testing.T) {
	s := openOwned(t, t.TempDir(), Options{})
	st := stream(t, s, "s")
	mustAppend(t, st, "a", "b")
	first, err := st.Next(Position{}, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	first[0].Record.Value[0] = 'z'
	values(t, st)
	if again, err := st.Next(Position{}, 1, 1); err != nil || !bytes.Equal(again[0].Record.Value, []byte("a")) || string(first[0].Record.Value) != "z" {
		t.Errorf("%v, %v", again, err)
	}
}

func TestSegmentsComeAfterThoseOfAClockAhead(t *testing.T) {
	s := openOwned(t, t.TempDir(), Options{})
	st := stream(t, s, "s")
	ahead := segmentID{time.Now().Add(time.Hour).UnixNano(), 1}
	content, _ := image(ahead, []Entry{*entry("ahead")})
	if err := errors.Join(os.Mkdir(st.dir, 0o700), os.WriteFile(st.path(ahead), content, 0o600)); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, st, "a")
	mustLoad(t, st)
	mustResolve(t, st, all(t, st)[0].Position)
	mustAppend(t, st, "b")
	if got := values(t, st); got != "a b" {
		t.Errorf("got %q", got)
	}
}

func TestMetadataIsMadeAgainByAProcessThatHadWrittenIt(t *testing.T) {
	dir := t.TempDir()
	owner, guest := openOwned(t, dir, Options{}), open(t, dir, Options{})
	st, guestStream := stream(t, owner, "s"), stream(t, guest, "s")
	if err := errors.Join(guestStream.Suspend(nil), guestStream.Resume(), st.RemoveIfEmpty()); err != nil || exists(st.dir) {
		t.Fatalf("not removed: %v", err)
	}
	mustAppend(t, guestStream, "a")
	if !exists(filepath.Join(st.dir, connectionName)) {
		t.Error("a segment without its connection")
	}
}

func TestRecordIsFoundByItsReceiptWhateverItsState(t *testing.T) {
	var x faults
	s := openOwned(t, t.TempDir(), Options{})
	s.intercept = x.intercept
	st := stream(t, s, "s")
	p := mustAppend(t, st, "a", "b", "c", "d", "e", "f")
	must(t, st.Resolve(p[0], Acked), st.Resolve(p[1], Dropped), st.Resolve(p[2], Dead), st.Resolve(p[3], Replayed))
	x.write.Store(true)
	if err := st.Resolve(p[4], Acked); err == nil {
		t.Fatal("a state was written to a disk that fails")
	}
	for i, want := range []State{Acked, Dropped, Dead, Replayed, Acked, Pending} {
		receipt, err := ParseReceipt(p[i].Receipt())
		must(t, err)
		e, state, ok, err := st.Find(receipt)
		if err != nil || !ok || state != want || e.Position != p[i] || string(e.Record.Value) != "abcdef"[i:i+1] {
			t.Errorf("record %d: %+v, %x, %v, %v", i, e, state, ok, err)
		}
	}
	for says, p := range map[string]Position{"another index": {segment: p[0].segment, index: 6}, "another segment": {segment: segmentID{1, 1}}} {
		if e, _, ok, err := st.Find(p); ok || err != nil {
			t.Errorf("%s: %+v, %v", says, e, err)
		}
	}
}
