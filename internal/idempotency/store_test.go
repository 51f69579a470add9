package idempotency

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// kinds runs a test in memory and with a directory.
func kinds(t *testing.T, test func(t *testing.T, opts Options)) {
	t.Run("in memory", func(t *testing.T) { test(t, Options{}) })
	t.Run("on disk", func(t *testing.T) { test(t, Options{Dir: t.TempDir()}) })
}

func TestOutcomes(t *testing.T) {
	other := FingerprintOf([]byte("another body"))
	tests := []struct {
		name   string
		before func(t *testing.T, s *Store)
		scope  string
		print  [32]byte
		want   Outcome
	}{
		{"a key that nobody sent", func(*testing.T, *Store) {}, "orders", request, First},
		{"a request that was done", func(t *testing.T, s *Store) { done(t, s, "k", "r") }, "orders", request, Replay},
		{"another request with its key", func(t *testing.T, s *Store) { done(t, s, "k", "r") }, "orders", other, Mismatch},
		{"its key in another scope", func(t *testing.T, s *Store) { done(t, s, "k", "r") }, "orders2", request, First},
		{"a request that is under way", func(t *testing.T, s *Store) { begin(t, s, "k", First) }, "orders", request, InFlight},
		{"another request with the key of one that is under way", func(t *testing.T, s *Store) { begin(t, s, "k", First) }, "orders", other, Mismatch},
		{"a request that came to nothing", func(t *testing.T, s *Store) { begin(t, s, "k", First).Abandon() }, "orders", request, First},
		{"another request after one that came to nothing", func(t *testing.T, s *Store) { begin(t, s, "k", First).Abandon() }, "orders", other, First},
		{"a request of which nobody knows", func(t *testing.T, s *Store) { begin(t, s, "k", First).Interrupt() }, "orders", request, Interrupted},
		{"another request with its key", func(t *testing.T, s *Store) { begin(t, s, "k", First).Interrupt() }, "orders", other, Mismatch},
		{"a closed store", func(t *testing.T, s *Store) { end(s) }, "orders", request, Unavailable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			kinds(t, func(t *testing.T, opts Options) {
				s := open(t, opts)
				tt.before(t, s)
				got, ticket := s.Begin(context.Background(), keyOf(tt.scope, "k"), tt.print, hour)
				if got != tt.want {
					t.Fatalf("%v, want %v", got, tt.want)
				}
				if (ticket != nil) != (got == First || got == Replay) {
					t.Errorf("ticket %v", ticket)
				}
				if got == Replay && string(ticket.Reply()) != "r" {
					t.Errorf("reply %q", ticket.Reply())
				}
			})
		})
	}
}

func TestTicketIsSettledOnce(t *testing.T) {
	kinds(t, func(t *testing.T, opts Options) {
		s := open(t, opts)
		ticket := begin(t, s, "k", First)
		finish(t, ticket, "r")
		ticket.Interrupt()
		ticket.Abandon()
		if err := ticket.Finish([]byte("other")); !errors.Is(err, ErrSettled) {
			t.Error(err)
		}
		replay(t, s, "k", "r")
		if err := begin(t, s, "k", Replay).Finish(nil); !errors.Is(err, ErrSettled) {
			t.Error(err)
		}
	})
}

func TestReplyIsTheCallersNoLonger(t *testing.T) {
	s := open(t, Options{})
	reply := []byte("reply")
	if err := begin(t, s, "k", First).Finish(reply); err != nil {
		t.Fatal(err)
	}
	copy(reply, "XXXXX")
	replay(t, s, "k", "reply")
}

func TestReplyThatIsTooLargeIsNotKept(t *testing.T) {
	kinds(t, func(t *testing.T, opts Options) {
		s := open(t, opts)
		done(t, s, "largest", strings.Repeat("r", MaxReply))
		if err := begin(t, s, "k", First).Finish(make([]byte, MaxReply+1)); !errors.Is(err, ErrReplyTooLarge) {
			t.Error(err)
		}
		begin(t, s, "k", Interrupted)
	})
}

func TestKeysExpire(t *testing.T) {
	tests := []struct {
		name   string
		settle func(*testing.T, *Ticket)
		before Outcome
	}{
		{"a finished one", func(t *testing.T, k *Ticket) { finish(t, k, "r") }, Replay},
		{"an interrupted one", func(_ *testing.T, k *Ticket) { k.Interrupt() }, Interrupted},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			kinds(t, func(t *testing.T, opts Options) {
				c := newClock()
				opts.Now = c.now
				s := open(t, opts)
				tt.settle(t, begin(t, s, "k", First))
				c.advance(hour - 1)
				begin(t, s, "k", tt.before)
				c.advance(1)
				begin(t, s, "k", First)
			})
		})
	}
}

func TestKeyDoesNotExpireWhileItIsUnderWay(t *testing.T) {
	c := newClock()
	s := open(t, Options{Now: c.now})
	ticket := begin(t, s, "k", First)
	c.advance(2 * hour)
	begin(t, s, "k", InFlight)
	finish(t, ticket, "r")
	begin(t, s, "k", First)
}

func TestFirstOfManyIsOne(t *testing.T) {
	kinds(t, func(t *testing.T, opts Options) {
		s := open(t, opts)
		const keys, clients = 20, 8
		var firsts, replays [keys]atomic.Int64
		var all sync.WaitGroup
		for range clients {
			all.Go(func() {
				for k := range keys {
					for finished := false; !finished; {
						outcome, ticket := s.Begin(context.Background(), keyOf("orders", fmt.Sprint(k)), request, hour)
						switch outcome {
						case First:
							firsts[k].Add(1)
							if err := ticket.Finish(fmt.Append(nil, k)); err != nil {
								t.Error(err)
							}
						case Replay:
							replays[k].Add(1)
							finished = true
							if string(ticket.Reply()) != fmt.Sprint(k) {
								t.Errorf("key %d: reply %q", k, ticket.Reply())
							}
						case InFlight:
						default:
							t.Errorf("key %d: %v", k, outcome)
							finished = true
						}
					}
				}
			})
		}
		all.Wait()
		for k := range keys {
			if firsts[k].Load() != 1 || replays[k].Load() != clients {
				t.Errorf("key %d: %d firsts, %d replays", k, firsts[k].Load(), replays[k].Load())
			}
		}
	})
}

func TestBeginWaitsForTheDirectoryUntilItsDeadline(t *testing.T) {
	dir := t.TempDir()
	old := open(t, Options{Dir: dir})
	done(t, old, "done", "r")
	late := begin(t, old, "late", First)
	successor := openLater(t, Options{Dir: dir})

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
	defer cancel()
	if outcome, _ := successor.Begin(ctx, keyOf("orders", "new"), request, hour); outcome != Unavailable {
		t.Fatalf("before the deadline: %v", outcome)
	}
	waiting := make(chan Outcome)
	go func() {
		outcome, _ := successor.Begin(context.Background(), keyOf("orders", "late"), request, hour)
		waiting <- outcome
	}()
	finish(t, late, "r")
	begin(t, old, "open", First)
	end(old)
	if outcome := <-waiting; outcome != Replay {
		t.Errorf("what the old process finished late: %v", outcome)
	}
	replay(t, successor, "done", "r")
	begin(t, successor, "open", Interrupted)
	begin(t, successor, "new", First)
}

func TestClosedStoreNoLongerWaits(t *testing.T) {
	dir := t.TempDir()
	open(t, Options{Dir: dir})
	successor := openLater(t, Options{Dir: dir})
	waiting := make(chan Outcome)
	go func() {
		outcome, _ := successor.Begin(context.Background(), keyOf("orders", "k"), request, hour)
		waiting <- outcome
	}()
	end(successor)
	if outcome := <-waiting; outcome != Unavailable {
		t.Error(outcome)
	}
}

func TestDirectoryThatCannotBeMade(t *testing.T) {
	if _, err := New(Options{Dir: "/dev/null/x"}); err == nil {
		t.Error("no error")
	}
}

func TestInterruptedRequestIsResumedByOne(t *testing.T) {
	kinds(t, func(t *testing.T, opts Options) {
		s := open(t, opts)
		first := begin(t, s, "k", First)
		identity := first.Identity()
		if s.Resume(keyOf("orders", "k")) != nil {
			t.Error("it was resumed while it was under way")
		}
		first.Interrupt()
		ticket := s.Resume(keyOf("orders", "k"))
		if ticket == nil || ticket.Identity() != identity {
			t.Fatalf("resumed as %+v", ticket)
		}
		if s.Resume(keyOf("orders", "k")) != nil || s.Resume(keyOf("orders", "other")) != nil {
			t.Error("it was resumed twice, or without having begun")
		}
		begin(t, s, "k", InFlight)
		finish(t, ticket, "r")
		begin(t, s, "k", Replay)
	})
}

func TestKeyThatIsBegunAgainHasAnotherIdentity(t *testing.T) {
	c := newClock()
	s := open(t, Options{Now: c.now})
	first := begin(t, s, "k", First)
	identity := first.Identity()
	finish(t, first, "r")
	c.advance(2 * hour)
	if begin(t, s, "k", First).Identity() == identity {
		t.Error("it has the same")
	}
}

func TestRequestThatWasInterruptedByTheEndOfItsProcessIsResumed(t *testing.T) {
	opts := Options{Dir: t.TempDir()}
	s := open(t, opts)
	identity := begin(t, s, "k", First).Identity()
	end(s)
	next := open(t, opts)
	begin(t, next, "k", Interrupted)
	if ticket := next.Resume(keyOf("orders", "k")); ticket == nil || ticket.Identity() != identity {
		t.Errorf("resumed as %+v", ticket)
	}
}
