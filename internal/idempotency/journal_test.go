package idempotency

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/test/await"
)

func TestRestartFinds(t *testing.T) {
	c := newClock()
	opts := Options{Dir: t.TempDir(), Now: c.now}
	s := open(t, opts)
	done(t, s, "expired", "r")
	begin(t, s, "expired in flight", First)
	c.advance(hour / 2)
	done(t, s, "done", "reply")
	done(t, s, "empty", "")
	begin(t, s, "open", First)
	begin(t, s, "abandoned", First).Abandon()
	begin(t, s, "interrupted", First).Interrupt()
	for restart := range 3 {
		end(s)
		if restart == 1 {
			c.advance(hour / 2)
		}
		s = open(t, opts)
		replay(t, s, "done", "reply")
		replay(t, s, "empty", "")
		begin(t, s, "open", Interrupted)
		begin(t, s, "interrupted", Interrupted)
		begin(t, s, "abandoned", First).Abandon()
	}
	begin(t, s, "expired", First)
	begin(t, s, "expired in flight", First)
	c.advance(hour / 2)
	for _, key := range []string{"done", "empty", "open", "interrupted"} {
		begin(t, s, key, First)
	}
}

func TestExpiredKeysAreNotKeptByARestart(t *testing.T) {
	c := newClock()
	opts := Options{Dir: t.TempDir(), Now: c.now}
	s := open(t, opts)
	done(t, s, "k", "r")
	end(s)
	c.advance(hour)
	open(t, opts)
	if info, err := os.Stat(journalPath(t, opts.Dir)); err != nil || info.Size() != 0 {
		t.Errorf("%v bytes, %v", info.Size(), err)
	}
}

func TestRestartKnowsFingerprintsAndScopes(t *testing.T) {
	opts := Options{Dir: t.TempDir()}
	s := open(t, opts)
	for i := range 3 {
		done(t, s, fmt.Sprint(i), "r")
	}
	end(s)
	s = open(t, opts)
	if outcome, _ := s.Begin(context.Background(), keyOf("orders", "0"), FingerprintOf(), hour); outcome != Mismatch {
		t.Errorf("another request: %v", outcome)
	}
	if outcome, _ := s.Begin(context.Background(), keyOf("other", "0"), request, hour); outcome != First {
		t.Errorf("another scope: %v", outcome)
	}
}

func TestTicketsAfterClose(t *testing.T) {
	opts := Options{Dir: t.TempDir()}
	s := open(t, opts)
	finished, abandoned, left := begin(t, s, "f", First), begin(t, s, "a", First), begin(t, s, "i", First)
	end(s)
	if err := finished.Finish([]byte("r")); err != ErrClosed {
		t.Error(err)
	}
	abandoned.Abandon()
	left.Interrupt()
	s = open(t, opts)
	for _, key := range []string{"f", "a", "i"} {
		begin(t, s, key, Interrupted)
	}
}

func TestCloseWaitsForWhatIsUnderWay(t *testing.T) {
	for _, tt := range []struct {
		name   string
		settle func(*testing.T, *Ticket)
		want   Outcome
	}{
		{"a request that is done", func(t *testing.T, k *Ticket) { finish(t, k, "r") }, Replay},
		{"one that came to nothing", func(_ *testing.T, k *Ticket) { k.Abandon() }, First},
		{"one of which nobody knows", func(_ *testing.T, k *Ticket) { k.Interrupt() }, Interrupted},
	} {
		t.Run(tt.name, func(t *testing.T) {
			opts := Options{Dir: t.TempDir()}
			s := open(t, opts)
			ticket := begin(t, s, "k", First)
			var closed atomic.Bool
			done := make(chan struct{})
			go func() {
				s.Close(context.Background())
				closed.Store(true)
				close(done)
			}()
			await.True(t, "no key is begun", func() bool {
				outcome, ticket := s.Begin(context.Background(), keyOf("orders", "new"), request, hour)
				if outcome == First {
					ticket.Abandon()
				}
				return outcome == Unavailable
			})
			if closed.Load() {
				t.Error("it did not wait")
			}
			tt.settle(t, ticket)
			<-done
			begin(t, open(t, opts), "k", tt.want)
		})
	}
}

func TestKeysAreNotReadableOnDisk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made")
	s := open(t, Options{Dir: dir})
	done(t, s, "secret-key", "the-reply")
	text := dirText(t, dir)
	if !strings.Contains(text, "the-reply") || strings.Contains(text, "secret-key") || strings.Contains(text, "orders") {
		t.Errorf("on disk: %q", text)
	}
	for path, mode := range map[string]os.FileMode{dir: 0o700, journalPath(t, dir): 0o600} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
}

func TestJournalIsWrittenAnewWhenMostOfItIsOutOfDate(t *testing.T) {
	c := newClock()
	opts := Options{Dir: t.TempDir(), Now: c.now}
	s := open(t, opts)
	first := journalPath(t, opts.Dir)
	for _, key := range []string{"done", "interrupted", "open"} {
		outcome, ticket := s.Begin(context.Background(), keyOf("orders", key), request, 1000*hour)
		if outcome != First {
			t.Fatal(outcome)
		}
		switch key {
		case "done":
			finish(t, ticket, "r")
		case "interrupted":
			ticket.Interrupt()
		}
	}
	reply := strings.Repeat("r", MaxReply)
	for i := range 3 * rewriteBytes / MaxReply {
		done(t, s, fmt.Sprint(i), reply)
		c.advance(hour / 4)
	}
	if journalPath(t, opts.Dir) == first {
		t.Error("it is still the first journal")
	}
	if info, err := os.Stat(journalPath(t, opts.Dir)); err != nil || info.Size() > 2*rewriteBytes {
		t.Errorf("%v bytes, %v", info.Size(), err)
	}
	end(s)
	s = open(t, opts)
	replay(t, s, "done", "r")
	begin(t, s, "interrupted", Interrupted)
	begin(t, s, "open", Interrupted)
	replay(t, s, fmt.Sprint(3*rewriteBytes/MaxReply-1), reply)
	begin(t, s, "0", First)
}

func TestJournalThatCannotBeWrittenAnewIsKeptForAWhile(t *testing.T) {
	c := newClock()
	var log await.Log
	s := newStore(Options{Dir: t.TempDir(), Now: c.now, Log: logged(&log)})
	var made atomic.Int64
	var full faults // of new journals, as where the disk has room for a key and not for all of them
	s.intercept = func(f file) file {
		made.Add(1)
		if full.write.Load() {
			return &faultyFile{f, &full}
		}
		return f
	}
	go s.run()
	t.Cleanup(func() { end(s) })
	<-s.Ready()
	fill(t, s, c, "expired", rewriteBytes/MaxReply+1, strings.Repeat("r", MaxReply))
	c.advance(hour)
	full.write.Store(true)
	made.Store(0)
	fill(t, s, c, "while it is full", 20, "r")
	if n := made.Load(); n != 1 || strings.Count(log.String(), "cannot compact") != 1 {
		t.Errorf("20 requests began %d journals in vain; the log: %s", n, &log)
	}
	full.write.Store(false)
	c.advance(compactInterval)
	fill(t, s, c, "afterwards", 20, "r")
	if info, err := os.Stat(journalPath(t, s.opts.Dir)); err != nil || made.Load() != 2 || info.Size() > rewriteBytes {
		t.Errorf("%d journals, %v bytes, %v", made.Load(), info.Size(), err)
	}
}

func TestRequestUnderWayIsInANewJournal(t *testing.T) {
	var x faults
	dir := t.TempDir()
	s := openFaulty(t, Options{Dir: dir}, &x)
	ticket := begin(t, s, "k", First)
	x.sync.Store(true) // the journal is given up
	begin(t, s, "lost", Unavailable)
	x.sync.Store(false)
	hold := make(chan struct{})
	x.hold.Store(&hold)
	finished := make(chan error)
	go func() { finished <- ticket.Finish([]byte("r")) }()
	await.True(t, "the reply is being written", func() bool { return x.held.Load() == 1 })
	begin(t, s, "k", InFlight) // nothing is replayed before it is durable
	x.hold.Store(nil)
	close(hold)
	if err := <-finished; err != nil {
		t.Fatal(err)
	}
	replay(t, s, "k", "r")
	end(s)
	s = open(t, Options{Dir: dir})
	replay(t, s, "k", "r")
}

func TestDiskThatFails(t *testing.T) {
	for name, fail := range map[string]func(x *faults, on bool){
		"to write": func(x *faults, on bool) { x.write.Store(on) },
		"to sync":  func(x *faults, on bool) { x.sync.Store(on) },
	} {
		t.Run(name, func(t *testing.T) {
			var x faults
			var log await.Log
			opts := Options{Dir: t.TempDir(), Log: logged(&log)}
			s := openFaulty(t, opts, &x)
			done(t, s, "before", "r")
			ticket := begin(t, s, "k", First)
			fail(&x, true)
			for range 3 {
				begin(t, s, "new", Unavailable)
			}
			if err := ticket.Finish([]byte("r")); err == nil {
				t.Error("a reply that is not durable gave no error")
			}
			replay(t, s, "k", "r")
			replay(t, s, "before", "r")
			if !strings.Contains(log.String(), "no space left") {
				t.Errorf("the log: %q", log.String())
			}
			fail(&x, false)
			done(t, s, "new", "after")
			end(s)
			s = open(t, opts)
			for key, reply := range map[string]string{"before": "r", "k": "r", "new": "after"} {
				replay(t, s, key, reply)
			}
		})
	}
}

func TestJournalThatIsNotDurableIsNotUsed(t *testing.T) {
	var x faults
	s := openFaulty(t, Options{Dir: t.TempDir()}, &x)
	x.sync.Store(true)
	begin(t, s, "k", Unavailable) // the journal is given up
	begin(t, s, "k", Unavailable) // and a new one is not durable
	x.sync.Store(false)
	begin(t, s, "k", First)
}

func TestRefusedKeyIsNewAfterARestart(t *testing.T) {
	refuse := func(t *testing.T, s *Store) {
		if outcome, _ := beginOf(s, "orders", "k"); outcome != Unavailable {
			t.Errorf("it is %v", outcome)
		}
	}
	for name, meanwhile := range map[string]func(t *testing.T, s *Store, x *faults){
		"of one client": func(t *testing.T, s *Store, x *faults) {
			x.fails.Store(1)
			refuse(t, s)
		},
		"beside another's, which writes the journal anew": func(t *testing.T, s *Store, x *faults) {
			hold := make(chan struct{})
			x.hold.Store(&hold)
			var all sync.WaitGroup
			all.Go(func() { refuse(t, s) })
			await.True(t, "the key is being written", func() bool { return x.held.Load() == 1 })
			all.Go(func() { beginOf(s, "orders", "other") })
			await.True(t, "the other is queued", func() bool {
				s.mu.Lock()
				defer s.mu.Unlock()
				return s.next != nil
			})
			x.hold.Store(nil)
			x.fails.Store(1)
			close(hold)
			all.Wait()
		},
		"while the disk fails for longer": func(t *testing.T, s *Store, x *faults) {
			x.sync.Store(true)
			refuse(t, s)
			refuse(t, s) // rather than be in flight
			x.sync.Store(false)
			done(t, s, "other", "r")
		},
	} {
		t.Run(name, func(t *testing.T) {
			var x faults
			opts := Options{Dir: t.TempDir()}
			s := openFaulty(t, opts, &x)
			meanwhile(t, s, &x)
			end(s)
			begin(t, open(t, opts), "k", First)
		})
	}
}

func TestCloseWritesWhatIsQueued(t *testing.T) {
	for range 10 {
		var x faults
		opts := Options{Dir: t.TempDir()}
		s := openFaulty(t, opts, &x)
		hold := make(chan struct{})
		x.hold.Store(&hold)
		var all sync.WaitGroup
		for _, key := range []string{"a", "b"} {
			all.Go(func() {
				if outcome, _ := s.Begin(context.Background(), keyOf("orders", key), request, hour); outcome != First {
					t.Errorf("%s: %v", key, outcome)
				}
			})
			await.True(t, "the first is being written", func() bool { return x.held.Load() > 0 })
		}
		await.True(t, "the second is queued", func() bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.next != nil
		})
		all.Go(func() { end(s) })
		<-s.closing
		x.hold.Store(nil)
		close(hold)
		all.Wait()
		s = open(t, opts)
		begin(t, s, "a", Interrupted)
		begin(t, s, "b", Interrupted)
	}
}

func TestFsyncIsShared(t *testing.T) {
	var x faults
	s := openFaulty(t, Options{Dir: t.TempDir()}, &x)
	hold := make(chan struct{})
	x.hold.Store(&hold)
	before := x.syncs.Load()
	var all sync.WaitGroup
	const requests = 50
	for i := range requests {
		all.Go(func() {
			if outcome, _ := s.Begin(context.Background(), keyOf("orders", fmt.Sprint(i)), request, hour); outcome != First {
				t.Error(outcome)
			}
		})
	}
	await.True(t, "all requests are queued", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.table.entries) == requests
	})
	x.hold.Store(nil)
	close(hold)
	all.Wait()
	if n := x.syncs.Load() - before; n > 2 {
		t.Errorf("%d fsyncs", n)
	}
}

// damaged makes a directory of three keys, a, b and c, each begun and done, changes its
// journal and opens it.
func damaged(t *testing.T, change func([]byte) []byte) (*Store, string) {
	t.Helper()
	var log await.Log
	opts := Options{Dir: t.TempDir(), Log: logged(&log)}
	s := open(t, opts)
	for _, key := range []string{"a", "b", "c"} {
		done(t, s, key, "reply")
	}
	end(s)
	path := journalPath(t, opts.Dir)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, change(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return open(t, opts), log.String()
}

func TestTornTailIsCutOff(t *testing.T) {
	const done, all = 2*frameBytes + 5, 3 * (2*frameBytes + 5) // bytes of one key, of three
	for _, length := range []int{all - 1, all - 5, all - frameBytes, all - frameBytes - 4, all - frameBytes - 5, 2*done + frameBytes, 2*done + 1} {
		t.Run(fmt.Sprint(length), func(t *testing.T) {
			s, log := damaged(t, func(b []byte) []byte { return b[:length] })
			replay(t, s, "a", "reply")
			replay(t, s, "b", "reply")
			want := First
			if length >= 2*done+frameBytes {
				want = Interrupted
			}
			begin(t, s, "c", want)
			if log != "" {
				t.Errorf("a crash was called damage: %s", log)
			}
		})
	}
}

func TestDamagedEntryIsSkipped(t *testing.T) {
	const one = 2*frameBytes + 5 // bytes of a key
	tests := []struct {
		name string
		at   int
		want Outcome // of b
	}{
		{"the marker of the reply's frame", one + frameBytes, Interrupted},
		{"its length", one + frameBytes + 9, Interrupted},
		{"its checksum", one + frameBytes + 12, Interrupted},
		{"its kind", one + frameBytes + 16, Interrupted},
		{"the reply", 2*one - 1, Interrupted},
		{"the frame that began it, since the other says all", one + 40, Replay},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, log := damaged(t, func(b []byte) []byte {
				b[tt.at] ^= 0x40
				return b
			})
			replay(t, s, "a", "reply")
			replay(t, s, "c", "reply")
			begin(t, s, "b", tt.want)
			if !strings.Contains(log, "damaged") {
				t.Error("nobody was told")
			}
		})
	}
}

func TestCrashWhileAJournalIsWrittenAnew(t *testing.T) {
	tests := []struct {
		name  string
		crash func(dir, journal string, content []byte) error
	}{
		{"before it has its name", func(dir, _ string, content []byte) error {
			return os.WriteFile(filepath.Join(dir, newName), content[:len(content)/2], 0o600)
		}},
		{"before the old one is removed", func(dir, journal string, content []byte) error {
			name, _ := parseJournalName(filepath.Base(journal))
			name.generation-- // the same content, and a key that has been abandoned since
			key := keyOf("orders", "abandoned")
			content = appendFrame(content, name.marker, &frame{kind: begunKind, id: key.id(), holder: key.holder(), expires: 1 << 62})
			return os.WriteFile(filepath.Join(dir, name.String()), content, 0o600)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			opts := Options{Dir: t.TempDir()}
			s := open(t, opts)
			done(t, s, "k", "r")
			begin(t, s, "abandoned", First).Abandon()
			end(s)
			journal := journalPath(t, opts.Dir)
			content, err := os.ReadFile(journal)
			if err != nil {
				t.Fatal(err)
			}
			if err := tt.crash(opts.Dir, journal, content); err != nil {
				t.Fatal(err)
			}
			s = open(t, opts)
			replay(t, s, "k", "r")
			begin(t, s, "abandoned", First)
			journalPath(t, opts.Dir)
		})
	}
}

func TestDirectoryThatCannotBeReadIsTriedAgain(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, journalName{1, 1}.String())
	if err := os.Symlink("nowhere", bad); err != nil {
		t.Fatal(err)
	}
	s := open(t, Options{Dir: dir}) // what is no file is not read
	begin(t, s, "k", First)
	end(s)

	lock := filepath.Join(dir, lockName)
	if err := os.Remove(lock); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(lock, 0o700); err != nil {
		t.Fatal(err)
	}
	var log await.Log
	s = openLater(t, Options{Dir: dir, Log: logged(&log)})
	await.True(t, "it is reported", func() bool { return strings.Contains(log.String(), "cannot be used") })
	if err := os.Remove(lock); err != nil {
		t.Fatal(err)
	}
	<-s.Ready()
	begin(t, s, "k", Interrupted)
}
