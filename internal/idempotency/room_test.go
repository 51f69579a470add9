package idempotency

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/test/await"
)

func beginOf(s *Store, holder, key string) (Outcome, *Ticket) {
	return s.Begin(context.Background(), keyOf(holder, key), request, hour)
}

// fill does n new requests of a holder, one after another in time.
func fill(t *testing.T, s *Store, c *clock, holder string, n int, reply string) {
	t.Helper()
	for i := range n {
		outcome, ticket := beginOf(s, holder, fmt.Sprint(i))
		if outcome != First {
			t.Fatalf("%s, key %d: %v", holder, i, outcome)
		}
		finish(t, ticket, reply)
		c.advance(1)
	}
}

// stillKnown returns the first and the last of the n keys of a holder that are still known, and how many are.
func stillKnown(t *testing.T, s *Store, holder string, n int) (first, last, count int) {
	t.Helper()
	first = -1
	for i := range n {
		s.mu.Lock()
		key := keyOf(holder, fmt.Sprint(i))
		e := s.table.entries[key.id()]
		s.mu.Unlock()
		if e == nil {
			continue
		}
		if first < 0 {
			first = i
		}
		last = i
		count++
	}
	return first, last, count
}

func TestStoreThatIsFullTakesFromTheLargestShare(t *testing.T) {
	kinds(t, func(t *testing.T, opts Options) {
		c := newClock()
		opts.Now, opts.MaxBytes = c.now, 100*keyBytes
		s := open(t, opts)
		fill(t, s, c, "small", 10, "")
		fill(t, s, c, "large", 1000, "")
		if _, _, n := stillKnown(t, s, "small", 10); n != 10 {
			t.Errorf("of the other's 10 keys, %d are known", n)
		}
		if first, last, n := stillKnown(t, s, "large", 1000); first != 910 || last != 999 || n != 90 {
			t.Errorf("of his own, %d are known, from %d to %d", n, first, last)
		}
		if outcome, _ := beginOf(s, "large", "0"); outcome != First {
			t.Errorf("what was forgotten is %v", outcome)
		}
		fill(t, s, c, "later", 200, "") // from who has most, until all three have as much as they want or the same
		for holder, want := range map[string]int{"small": 10, "large": 45, "later": 45} {
			if _, _, n := stillKnown(t, s, holder, 1000); n < want-1 || n > want+1 {
				t.Errorf("%s has %d keys", holder, n)
			}
		}
		if s.table.bytes > opts.MaxBytes {
			t.Errorf("%d bytes", s.table.bytes)
		}
	})
}

func TestRepliesTakeRoom(t *testing.T) {
	c := newClock()
	s := open(t, Options{MaxBytes: 1 << 20, Now: c.now})
	fill(t, s, c, "small", 10, "r")
	fill(t, s, c, "large", 100, strings.Repeat("r", MaxReply))
	if _, _, n := stillKnown(t, s, "small", 10); n != 10 {
		t.Errorf("of the other's 10 keys, %d are known", n)
	}
	if _, last, n := stillKnown(t, s, "large", 100); last != 99 || n != 15 {
		t.Errorf("%d large replies are known, the last is %d", n, last)
	}
	c.advance(hour)
	begin(t, s, "new", First)
	if s.table.bytes != keyBytes || len(s.table.shares) != 1 || s.table.settled.Len() != 0 || s.table.largest.Len() != 0 {
		t.Errorf("%d bytes and %d shares are left of what has expired", s.table.bytes, len(s.table.shares))
	}
}

func TestRequestUnderWayIsNotForgotten(t *testing.T) {
	kinds(t, func(t *testing.T, opts Options) {
		c := newClock()
		opts.Now, opts.MaxBytes = c.now, 8*keyBytes
		s := open(t, opts)
		fill(t, s, c, "b", 5, "")
		var tickets []*Ticket
		for i := range 4 { // as many as are free
			outcome, ticket := beginOf(s, "a", fmt.Sprint("open", i))
			if outcome != First {
				t.Fatalf("key %d: %v", i, outcome)
			}
			tickets = append(tickets, ticket)
		}
		if outcome, _ := beginOf(s, "a", "one more"); outcome != Full {
			t.Errorf("one more: %v", outcome)
		}
		fill(t, s, c, "b", 1, "")
		if outcome, _ := beginOf(s, "c", "open"); outcome != First {
			t.Errorf("another holder: %v", outcome)
		}
		fill(t, s, c, "d", 100, "")
		for i, ticket := range tickets {
			if outcome, _ := beginOf(s, "a", fmt.Sprint("open", i)); outcome != InFlight {
				t.Errorf("key %d: %v", i, outcome)
			}
			ticket.Abandon()
		}
		if outcome, _ := beginOf(s, "a", "one more"); outcome != First {
			t.Errorf("when they are settled: %v", outcome)
		}
	})
}

func TestJournalIsBoundedByWhatIsKnown(t *testing.T) {
	c := newClock()
	var log await.Log
	opts := Options{Dir: t.TempDir(), Now: c.now, MaxBytes: 1 << 20, Log: logged(&log)}
	s := open(t, opts)
	for i := range 30 {
		fill(t, s, c, fmt.Sprint("holder ", i%3, " of run ", i), 10, strings.Repeat("r", MaxReply))
		info, err := os.Stat(journalPath(t, opts.Dir))
		if err != nil || info.Size() > rewriteBytes+2*opts.MaxBytes {
			t.Fatalf("%v bytes, %v", info.Size(), err)
		}
	}
	if !strings.Contains(log.String(), "forgotten early") {
		t.Errorf("the log: %s", log.String())
	}
	end(s)
	opts.MaxBytes /= 2 // less than the journal has
	s = open(t, opts)
	if s.table.bytes > opts.MaxBytes || len(s.table.entries) == 0 {
		t.Errorf("after a restart %d keys with %d bytes are known", len(s.table.entries), s.table.bytes)
	}
	if _, last, _ := stillKnown(t, s, "holder 2 of run 29", 10); last != 9 {
		t.Errorf("the last is %d", last)
	}
}

func TestKeysThatHaveExpiredTakeNoRoomInARestart(t *testing.T) {
	c := newClock()
	opts := Options{Dir: t.TempDir(), Now: c.now, MaxBytes: 200 * keyBytes}
	s := open(t, opts)
	fill(t, s, c, "before", 150, "")
	c.advance(hour)
	fill(t, s, c, "now", 190, "") // with what has expired, more than there is room for
	end(s)
	s = open(t, opts)
	if _, _, n := stillKnown(t, s, "now", 190); n != 190 || len(s.table.entries) != 190 {
		t.Errorf("%d of 190 are known, and %d in all", n, len(s.table.entries))
	}
}

func TestAbandonedKeysMakeRoom(t *testing.T) {
	s := open(t, Options{MaxBytes: keyBytes})
	for range 3 {
		ticket := begin(t, s, "a", First)
		begin(t, s, "b", Full)
		ticket.Abandon()
	}
	if len(s.table.shares) != 0 || s.table.bytes != 0 || s.table.open != 0 {
		t.Errorf("of nothing there are %d shares, %d bytes, %d under way", len(s.table.shares), s.table.bytes, s.table.open)
	}
}
