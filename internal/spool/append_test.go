package spool

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/test/await"
)

func TestRecordComesBackAsItWas(t *testing.T) {
	s := openOwned(t, t.TempDir(), Options{})
	st := stream(t, s, "s")
	entries := variety()
	for i := range entries {
		p, err := st.Append(&entries[i])
		if err != nil {
			t.Fatal(err)
		}
		entries[i].Position = p
	}
	got := all(t, st)
	compareRecords(t, "appended", got, entries)
	for i, e := range got {
		if e.Position != entries[i].Position {
			t.Errorf("record %d is at %v, not %v", i, e.Position, entries[i].Position)
		}
		p, err := ParseReceipt(e.Position.Receipt())
		if err != nil || p.Compare(e.Position) != 0 {
			t.Errorf("receipt %s: %v, %v", e.Position.Receipt(), p, err)
		}
	}
}

func TestAppendersShareAnFsync(t *testing.T) {
	const goroutines, each = 32, 20
	var x faults
	s := openOwned(t, t.TempDir(), Options{SegmentBytes: 20 << 10})
	s.intercept = x.intercept
	st := stream(t, s, "s")
	var done sync.WaitGroup
	for g := range goroutines {
		done.Go(func() {
			var last Position
			for i := range each {
				p, err := st.Append(entry(fmt.Sprintf("%d:%d", g, i)))
				if err != nil || !last.Before(p) {
					t.Errorf("%v, %v after %v", err, p, last)
				}
				last = p
			}
		})
	}
	done.Wait()
	if n := x.syncs.Load(); n >= goroutines*each/2 {
		t.Errorf("%d fsyncs for %d records", n, goroutines*each)
	}
	next := map[string]int{}
	for _, e := range all(t, st) {
		g, i, _ := strings.Cut(string(e.Record.Value), ":")
		if i != fmt.Sprint(next[g]) {
			t.Fatalf("goroutine %s: record %s where %d was to come", g, i, next[g])
		}
		next[g]++
	}
	if len(next) != goroutines || st.Pending() != goroutines*each {
		t.Errorf("%d goroutines, %d pending", len(next), st.Pending())
	}
}

func TestAppendReturnsOnlyAfterItsFsync(t *testing.T) {
	x := faults{syncStarted: make(chan struct{}), syncGoOn: make(chan struct{})}
	x.holdSync.Store(true)
	s := openOwned(t, t.TempDir(), Options{})
	s.intercept = x.intercept
	st := stream(t, s, "s")
	returned := make(chan error, 1)
	go func() {
		_, err := st.Append(entry("a"))
		returned <- err
	}()
	<-x.syncStarted
	if len(returned) > 0 || st.Pending() > 0 || values(t, st) != "" {
		t.Error("the record counts before it is durable")
	}
	x.holdSync.Store(false)
	x.syncGoOn <- struct{}{}
	if err := <-returned; err != nil || st.Pending() != 1 {
		t.Errorf("%v, %d pending", err, st.Pending())
	}
}

func TestFailedAppendLeavesNoRecord(t *testing.T) {
	cases := []struct {
		says        string
		fail        func(x *faults)
		uncertain   bool
		sameSegment bool
	}{
		{"a write that fails", func(x *faults) { x.write.Store(true) }, false, true},
		{"a write that stops half way is taken away", func(x *faults) { x.short.Store(true) }, false, true},
		{"after a failed fsync nothing is certain if the next fails too", func(x *faults) { x.sync.Store(true) }, true, false},
		{"nor where the half record cannot be taken away", func(x *faults) { x.short.Store(true); x.truncate.Store(true) }, true, false},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			var x faults
			s := openOwned(t, t.TempDir(), Options{})
			s.intercept = x.intercept
			st := stream(t, s, "s")
			before := mustAppend(t, st, "before")
			bytes := s.Bytes()
			c.fail(&x)
			_, err := st.Append(entry("failed"))
			if !errors.Is(err, errDisk) || errors.Is(err, ErrUncertain) != c.uncertain {
				t.Fatalf("error %v", err)
			}
			if s.Bytes() != bytes || st.Pending() != 1 {
				t.Errorf("%d bytes of %d, %d pending", s.Bytes(), bytes, st.Pending())
			}
			x.write.Store(false)
			x.short.Store(false)
			x.sync.Store(false)
			x.truncate.Store(false)
			after := mustAppend(t, st, "after")
			if got := values(t, st); got != "before after" {
				t.Errorf("got %q", got)
			}
			if same := before[0].segment == after[0].segment; same != c.sameSegment {
				t.Errorf("the same segment is written again: %v", same)
			}
			s.Close()
			again := openOwned(t, s.dir, Options{})
			st = stream(t, again, "s")
			mustLoad(t, st)
			if got := values(t, st); !c.uncertain && got != "before after" {
				t.Errorf("after opening it again: %q", got)
			}
		})
	}
}

// syncOnce fails one fsync.
type syncOnce struct {
	file
	fail *bool
}

func (f *syncOnce) Sync() error {
	if *f.fail {
		*f.fail = false
		return errDisk
	}
	return f.file.Sync()
}

func TestSegmentIsNotWrittenAgainAfterAFailedFsync(t *testing.T) {
	var fail bool
	s := openOwned(t, t.TempDir(), Options{})
	s.intercept = func(f file) file { return &syncOnce{f, &fail} }
	st := stream(t, s, "s")
	first := mustAppend(t, st, "a")
	fail = true
	if _, err := st.Append(entry("b")); !errors.Is(err, errDisk) || errors.Is(err, ErrUncertain) {
		t.Errorf("taken away for certain, and yet: %v", err)
	}
	if second := mustAppend(t, st, "c"); second[0].segment == first[0].segment {
		t.Error("the segment is written again")
	}
	if got := values(t, st); got != "a c" {
		t.Errorf("got %q", got)
	}
}

func TestBatchFailsOrStaysAsAWhole(t *testing.T) {
	x := faults{syncStarted: make(chan struct{}), syncGoOn: make(chan struct{})}
	s := openOwned(t, t.TempDir(), Options{})
	s.intercept = x.intercept
	st := stream(t, s, "s")
	x.holdSync.Store(true)
	errs := make(chan error, 10)
	appendOne := func() { _, err := st.Append(entry(strings.Repeat("x", 100<<10))); errs <- err }
	go appendOne()
	<-x.syncStarted // the others come while the first is being written
	for range 6 {
		go appendOne()
	}
	await.True(t, "the others wait", func() bool {
		st.queue.mu.Lock()
		defer st.queue.mu.Unlock()
		return len(st.queue.waiting) == 6
	})
	x.holdSync.Store(false)
	x.afterWrites.Store(x.written.Load() + 1) // space for the first 300 kB of 600
	x.syncGoOn <- struct{}{}
	failed := 0
	for range 7 {
		if err := <-errs; errors.Is(err, ErrUncertain) {
			t.Errorf("uncertain: %v", err)
		} else if err != nil {
			failed++
		}
	}
	if failed == 0 || int(st.Pending()) != 7-failed || len(all(t, st)) != 7-failed {
		t.Errorf("%d failed, %d pending, %d returned", failed, st.Pending(), len(all(t, st)))
	}
}

func TestWriteIsDurableAfterTheNextAppendOrClose(t *testing.T) {
	cases := map[string]func(*Spool, *Stream) error{
		"append": func(_ *Spool, st *Stream) error { _, err := st.Append(entry("1000")); return err },
		"close":  func(s *Spool, _ *Stream) error { return s.Close() },
	}
	for says, finish := range cases {
		t.Run(says, func(t *testing.T) {
			var x faults
			s := openOwned(t, t.TempDir(), Options{})
			s.intercept = x.intercept
			st := stream(t, s, "s")
			for i := range 1000 {
				if _, err := st.Write(entry(fmt.Sprint(i))); err != nil {
					t.Fatal(err)
				}
			}
			if x.syncs.Load() != 0 || st.Pending() != 0 {
				t.Errorf("before: %d fsyncs, %d pending", x.syncs.Load(), st.Pending())
			}
			if err := finish(s, st); err != nil || x.syncs.Load() != 1 || st.Pending() < 1000 {
				t.Errorf("after: %v, %d fsyncs, %d pending", err, x.syncs.Load(), st.Pending())
			}
		})
	}
}

func TestCloseTellsOfRecordsOfWriteThatAnotherCallLost(t *testing.T) {
	var x faults
	s := openOwned(t, t.TempDir(), Options{})
	s.intercept = x.intercept
	st := stream(t, s, "s")
	lost, err := st.Write(entry("lost"))
	if err != nil {
		t.Fatal(err)
	}
	x.write.Store(true)
	if _, err := st.Append(entry("failed")); !errors.Is(err, errDisk) {
		t.Fatalf("error %v", err)
	}
	x.write.Store(false)
	if after := mustAppend(t, st, "after"); after[0].Receipt() == lost.Receipt() {
		t.Error("a receipt is given twice")
	}
	if got := values(t, st); got != "after" {
		t.Errorf("got %q", got)
	}
	if err := s.Close(); !errors.Is(err, errDisk) {
		t.Errorf("Close says %v", err)
	}
	if lost := s.Lost(); len(lost) != 1 || lost["orders"].Records != 1 || !errors.Is(lost["orders"].Err, errDisk) {
		t.Errorf("lost are %v", lost)
	}
}

func TestLostRecordsOfWriteAreThoseThatWereTaken(t *testing.T) {
	var x faults
	s := openOwned(t, t.TempDir(), Options{})
	s.intercept = x.intercept
	st := stream(t, s, "s")
	mustAppend(t, st, "before")
	x.write.Store(true)
	const n, topics = 300, 150
	taken := int64(0)
	for i := range n {
		e := entry(strings.Repeat("x", 4<<10))
		e.Record.Topic = fmt.Sprint(i % topics)
		if _, err := st.Write(e); err == nil {
			taken++
		}
	}
	s.Close()
	sum := int64(0)
	lost := s.Lost()
	for _, l := range lost {
		sum += l.Records
	}
	if taken == n || sum != taken || len(lost) > maxLost+1 || lost["(others)"].Records == 0 {
		t.Errorf("%d were taken, %d lost of %d topics, %d of others", taken, sum, len(lost), lost["(others)"].Records)
	}
}

func TestEntriesOfABatchHaveAnOutcomeEach(t *testing.T) {
	half := strings.Repeat("x", 500)
	cases := []struct {
		says      string
		fail      func(*faults)
		values    []string
		kept      int
		uncertain bool // of those that are not kept
	}{
		{"all are kept where nothing fails", func(*faults) {}, []string{half, half, half, half}, 4, false},
		{"what a full segment has committed stays where the next write fails",
			func(x *faults) { x.afterWrites.Store(1) }, []string{half, half, half, half, half}, 2, false},
		{"and where what was half written cannot be taken away, only those behind are uncertain",
			func(x *faults) { x.afterWrites.Store(1); x.truncate.Store(true) }, []string{half, half, half, half, half}, 2, true},
		{"nor is any kept behind a write that fails, even if the next would not",
			func(x *faults) { x.failNth.Store(2) }, []string{half, half, half, half, half}, 2, false},
		{"none is kept behind one that is not, even if there is room for it", func(*faults) {},
			[]string{half, strings.Repeat("x", 10_000), "small"}, 1, false},
		{"none is kept where the first write fails", func(x *faults) { x.write.Store(true) }, []string{half, half}, 0, false},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			var x faults
			s := openOwned(t, t.TempDir(), Options{MaxBytes: 10_000, SegmentBytes: 1300})
			s.intercept = x.intercept
			st := stream(t, s, "s")
			c.fail(&x)
			var entries []Entry
			for _, v := range c.values {
				entries = append(entries, *entry(v))
			}
			out := st.AppendAll(entries)
			for i, a := range out {
				if kept := a.Err == nil; kept != (i < c.kept) || kept != !a.Position.IsZero() || !kept && errors.Is(a.Err, ErrUncertain) != c.uncertain {
					t.Errorf("entry %d: %v, %v", i, a.Position, a.Err)
				}
			}
			x.write.Store(false)
			x.afterWrites.Store(0)
			got := all(t, st)
			for i, e := range got {
				if i >= len(out) || e.Position != out[i].Position {
					t.Errorf("entry %d is on disk at %v", i, e.Position)
				}
			}
			if len(got) != c.kept {
				t.Errorf("%d are on disk, want %d", len(got), c.kept)
			}
			for _, e := range got {
				mustResolve(t, st, e.Position)
			}
			if s.Bytes() != 0 {
				t.Errorf("%d bytes are counted when all is resolved", s.Bytes())
			}
		})
	}
}

func TestMaxBytesIsNeverExceeded(t *testing.T) {
	const limit = 20 << 10
	s := openOwned(t, t.TempDir(), Options{MaxBytes: limit, SegmentBytes: 4 << 10})
	st := stream(t, s, "s")
	var done sync.WaitGroup
	for range 16 {
		done.Go(func() {
			for {
				_, err := st.Append(entry(strings.Repeat("x", 300)))
				if s.Bytes() > limit {
					t.Errorf("%d bytes", s.Bytes())
				}
				if err != nil {
					if !errors.Is(err, ErrFull) {
						t.Error(err)
					}
					return
				}
			}
		})
	}
	done.Wait()
	if s.Bytes() < limit-limit/lettersPart-1000 {
		t.Errorf("full at %d bytes", s.Bytes())
	}
	for _, e := range all(t, st) {
		mustResolve(t, st, e.Position)
	}
	if s.Bytes() != 0 {
		t.Errorf("%d bytes are counted when all is resolved", s.Bytes())
	}
	mustAppend(t, st, "again")
}

func TestLastPlaceIsReservedByOneAppenderAtATime(t *testing.T) {
	st := stream(t, openOwned(t, t.TempDir(), Options{MaxBytes: 1}), "s")
	var holders atomic.Int64
	var done sync.WaitGroup
	for range 4 {
		done.Go(func() {
			for range 100_000 {
				if st.take(1, nil) != nil {
					continue
				}
				if n := holders.Add(1); n > 1 {
					t.Errorf("%d have it", n)
				}
				holders.Add(-1)
				st.giveBack(1, nil)
			}
		})
	}
	done.Wait()
}

func TestSpoolThatAnotherProcessEmptiesIsNotFullForLong(t *testing.T) {
	dir := t.TempDir()
	owner := openOwned(t, dir, Options{})
	st := stream(t, owner, "s")
	p := mustAppend(t, st, strings.Repeat("x", 1000))
	guest := open(t, dir, Options{MaxBytes: 1200})
	guestStream := stream(t, guest, "s")
	if _, err := guestStream.Append(entry(strings.Repeat("x", 200))); !errors.Is(err, ErrFull) {
		t.Errorf("error %v", err)
	}
	mustResolve(t, st, p...)
	await.True(t, "there is room again", func() bool {
		_, err := guestStream.Append(entry(strings.Repeat("x", 200)))
		return err == nil
	})
}

func TestMaxBytesCountsWhatIsOnDisk(t *testing.T) {
	dir := t.TempDir()
	first := openOwned(t, dir, Options{})
	mustAppend(t, stream(t, first, "s"), strings.Repeat("x", 1000))
	mustAppend(t, stream(t, first, "s").Dead(), strings.Repeat("x", 1000))
	want := first.Bytes()
	second := open(t, dir, Options{MaxBytes: 2500})
	if second.Bytes() != want {
		t.Errorf("%d bytes, want %d", second.Bytes(), want)
	}
	st := stream(t, second, "s")
	if _, err := st.Append(entry(strings.Repeat("x", 1000))); !errors.Is(err, ErrFull) {
		t.Errorf("error %v", err)
	}
	first.Close()
	if ok, err := second.TryLock(); !ok || err != nil {
		t.Fatal(ok, err)
	}
	mustLoad(t, st)
	mustLoad(t, st.Dead())
	if second.Bytes() != want {
		t.Errorf("after Load %d bytes, want %d", second.Bytes(), want)
	}
}

func TestLargeRecordHasASegmentOfItsOwn(t *testing.T) {
	s := openOwned(t, t.TempDir(), Options{SegmentBytes: 1000})
	st := stream(t, s, "s")
	p := mustAppend(t, st, "a", strings.Repeat("x", 600<<10), "c", "d")
	if p[0].segment == p[1].segment || p[1].segment == p[2].segment || p[2].segment != p[3].segment {
		t.Errorf("segments %v", p)
	}
	if got := all(t, st); len(got) != 4 || len(got[1].Record.Value) != 600<<10 {
		t.Errorf("%d records", len(got))
	}
}

func TestAppendAfterCloseFails(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	st := stream(t, s, "s")
	s.Close()
	if _, err := st.Append(entry("a")); !errors.Is(err, ErrClosed) {
		t.Errorf("error %v", err)
	}
	if _, err := st.Write(&Entry{Record: record.Record{}}); !errors.Is(err, ErrClosed) {
		t.Errorf("error %v", err)
	}
}
