package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kafkaupstream/kafkaupstream/test/await"
)

// inbox is a target that keeps what it gets.
type inbox struct {
	mu     sync.Mutex
	events []Event
	at     []time.Duration // since the test began
	begun  time.Time
}

func newInbox() *inbox { return &inbox{begun: time.Now()} }

func (i *inbox) send(_ context.Context, e Event) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.events = append(i.events, e)
	i.at = append(i.at, time.Since(i.begun))
	return nil
}

// lines says of each notification when it came, of what and how many.
func (i *inbox) lines() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	var lines []string
	for n, e := range i.events {
		lines = append(lines, fmt.Sprintf("%v %s/%s/%s %s x%d", i.at[n], e.Event, e.Stream, e.Topic, e.Reason, e.Count))
	}
	return lines
}

func (i *inbox) total() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	total := 0
	for _, e := range i.events {
		total += e.Count
	}
	return total
}

func startWith(sends ...func(context.Context, Event) error) *Notifier {
	var targets []target
	for _, send := range sends {
		targets = append(targets, target{"inbox", send})
	}
	return start(Options{}.withDefaults(), targets)
}

// forward lets d pass in the bubble of synctest, where it takes no time.
func forward(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func mustClose(t *testing.T, n *Notifier) {
	t.Helper()
	if err := n.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestCauseIsSentOnceAMinute(t *testing.T) {
	type told struct {
		after time.Duration
		event Event
	}
	suspended := Event{Event: "stream_suspended", Stream: "a", Topic: "t", Reason: "first"}
	with := func(change func(*Event)) Event { e := suspended; change(&e); return e }
	again := with(func(e *Event) { e.Reason = "again" })
	cases := []struct {
		says string
		told []told
		want []string
	}{
		{"the first is sent at once", []told{{0, suspended}}, []string{"0s stream_suspended/a/t first x1"}},
		{"what follows is counted, and sent with the last reason when the minute ends",
			[]told{{0, suspended}, {time.Second, suspended}, {30 * time.Second, again}},
			[]string{"0s stream_suspended/a/t first x1", "1m0s stream_suspended/a/t again x2"}},
		{"counts are summed, and less than one is one",
			[]told{{0, suspended}, {time.Second, with(func(e *Event) { e.Count = 5 })}, {time.Second, with(func(e *Event) { e.Count = -3 })}},
			[]string{"0s stream_suspended/a/t first x1", "1m0s stream_suspended/a/t first x6"}},
		{"a sum begins a minute of its own",
			[]told{{0, suspended}, {50 * time.Second, suspended}, {20 * time.Second, again}},
			[]string{"0s stream_suspended/a/t first x1", "1m0s stream_suspended/a/t first x1", "2m0s stream_suspended/a/t again x1"}},
		{"after a quiet minute the next is sent at once",
			[]told{{0, suspended}, {61 * time.Second, again}},
			[]string{"0s stream_suspended/a/t first x1", "1m1s stream_suspended/a/t again x1"}},
		{"another stream, topic or event is another cause", []told{{0, suspended},
			{time.Second, with(func(e *Event) { e.Stream = "b" })},
			{time.Second, with(func(e *Event) { e.Topic = "u" })},
			{time.Second, with(func(e *Event) { e.Event = "dead_letter" })}},
			[]string{"0s stream_suspended/a/t first x1", "1s stream_suspended/b/t first x1", "2s stream_suspended/a/u first x1", "3s dead_letter/a/t first x1"}},
		{"another reason or receipt is not",
			[]told{{0, suspended}, {time.Second, again}, {time.Second, with(func(e *Event) { e.Receipt = "r" })}},
			[]string{"0s stream_suspended/a/t first x1", "1m0s stream_suspended/a/t first x2"}},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				in := newInbox()
				n := startWith(in.send)
				for _, told := range c.told {
					forward(told.after)
					n.Tell(told.event)
					synctest.Wait()
				}
				forward(5 * time.Minute)
				if got := in.lines(); !slices.Equal(got, c.want) {
					t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
				}
				mustClose(t, n)
			})
		})
	}
}

func TestEventIsSentAsItWasTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := newInbox()
		n := startWith(in.send)
		at := time.Date(2026, 10, 1, 12, 0, 0, 0, time.FixedZone("", 7200))
		n.Tell(Event{"dead_letter", "s", "t", "why", "r-1", 3, at})
		n.Tell(Event{Event: "no time", Reason: "a\nb\x00c\xffd" + strings.Repeat("e", 2*maxText)})
		mustClose(t, n)
		want := []Event{
			{"dead_letter", "s", "t", "why", "r-1", 3, at.UTC()},
			{Event: "no time", Reason: "a b c\uFFFDd" + strings.Repeat("e", maxText-7), Count: 1, Time: in.begun.UTC()},
		}
		slices.SortFunc(in.events, func(a, b Event) int { return strings.Compare(a.Event, b.Event) })
		if !slices.Equal(in.events, want) {
			t.Errorf("got %v, want %v", in.events, want)
		}
	})
}

func TestFloodIsAFewNotificationsWhoseSumIsRight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := newInbox()
		n := startWith(in.send)
		const told = 10_000 // over ten minutes
		for range told {
			n.Tell(Event{Event: "dead_letter"})
			<-time.After(10 * time.Minute / told)
		}
		mustClose(t, n)
		if len(in.events) > 12 || in.total() != told {
			t.Errorf("%d notifications of %d events, want at most 12 of %d", len(in.events), in.total(), told)
		}
	})
}

func TestCausesWithoutEndTakeABoundedMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := newInbox()
		n := startWith(in.send)
		for i := range 3 * maxCauses {
			n.Tell(Event{Event: "dead_letter", Stream: "s", Topic: fmt.Sprint(i)})
		}
		if held := heldBy(n.workers[0]); held > maxCauses+1 {
			t.Errorf("%d causes are held", held)
		}
		forward(3 * time.Minute)
		if held := heldBy(n.workers[0]); held != 0 {
			t.Errorf("%d causes are held after a quiet time", held)
		}
		sums := map[cause]int{}
		for _, e := range in.events {
			sums[cause{e.Event, e.Stream, e.Topic}] += e.Count
		}
		if len(sums) != maxCauses+1 || sums[others] != 2*maxCauses || in.total() != 3*maxCauses {
			t.Errorf("%d causes, %d others, %d in all", len(sums), sums[others], in.total())
		}
		n.Tell(Event{Event: "dead_letter", Topic: "new"})
		mustClose(t, n)
		if last := in.events[len(in.events)-1]; last.Topic != "new" {
			t.Errorf("after that, a new cause is still counted under %v", last)
		}
	})
}

// A stream that stands still waits for nobody else's dead letters, and names itself.
func TestSuspendedStreamIsSentBeforeTheRestUnderItsOwnName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, release := newInbox(), make(chan struct{})
		n := startWith(func(ctx context.Context, e Event) error {
			<-release
			return in.send(ctx, e)
		})
		for i := range 2 * maxCauses {
			n.Tell(Event{Event: "dead_letter", Stream: "s", Topic: fmt.Sprint(i)})
		}
		forward(time.Second)
		n.Tell(Event{Event: StreamSuspended, Stream: "t", Topic: "payments", Reason: "why"})
		close(release)
		mustClose(t, n)
		if got := in.lines(); len(got) != maxCauses+2 || got[1] != "1s stream_suspended/t/payments why x1" { // the first was under way
			t.Errorf("%d are sent, the first of them %q", len(got), got[:3])
		}
	})
}

func heldBy(w *worker) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.causes)
}

func TestTellNeverWaitsForATarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, quick, release := newInbox(), newInbox(), make(chan struct{})
		n := startWith(func(ctx context.Context, e Event) error {
			<-release
			return in.send(ctx, e)
		}, quick.send)
		for range 5 * maxCauses {
			n.Tell(Event{Event: "dead_letter"})
			n.Tell(Event{Event: "stream_suspended"})
		}
		forward(2 * time.Minute)
		if got := quick.total(); got != 10*maxCauses {
			t.Errorf("a slow target held up another one: %d", got)
		}
		if got := in.total(); got != 0 {
			t.Errorf("%d were sent", got)
		}
		close(release)
		mustClose(t, n)
		if got := in.total(); got != 10*maxCauses {
			t.Errorf("%d were counted", got)
		}
	})
}

func TestEventsThatAreLongestOverdueAreSentFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, release := newInbox(), make(chan struct{})
		n := startWith(func(ctx context.Context, e Event) error {
			<-release
			return in.send(ctx, e)
		})
		var want []string
		for i := range 9 {
			n.Tell(Event{Event: "dead_letter", Topic: fmt.Sprint(i)})
			forward(time.Second)
			want = append(want, fmt.Sprintf("9s dead_letter//%d  x1", i))
		}
		close(release)
		mustClose(t, n)
		if got := in.lines(); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestTargetGetsTheTimeoutAndAFailureIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log await.Log
		var took time.Duration
		o := Options{Log: slog.New(slog.NewTextHandler(&log, nil))}.withDefaults()
		n := start(o, []target{{"inbox", func(ctx context.Context, _ Event) error {
			begun := time.Now()
			<-ctx.Done()
			took = time.Since(begun)
			return ctx.Err()
		}}})
		n.Tell(Event{Event: "dead_letter", Reason: "some-reason"})
		mustClose(t, n)
		if took != 10*time.Second {
			t.Errorf("it had %v", took)
		}
		want := `level=ERROR msg="cannot notify the operator" by=inbox event=dead_letter error="context deadline exceeded"`
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log is %q", log.String())
		}
	})
}

func TestCloseSendsWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := newInbox()
		n := startWith(in.send)
		n.Tell(Event{Event: "dead_letter", Reason: "first"})
		synctest.Wait()
		n.Tell(Event{Event: "dead_letter", Reason: "second"})
		n.Tell(Event{Event: "dead_letter", Reason: "third"})
		mustClose(t, n)
		n.Tell(Event{Event: "dead_letter", Reason: "after the end"})
		mustClose(t, n)
		want := []string{"0s dead_letter// first x1", "0s dead_letter// third x2"}
		if got := in.lines(); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestEventDuringCloseIsNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, release := newInbox(), make(chan struct{})
		n := startWith(func(ctx context.Context, e Event) error {
			<-release
			return in.send(ctx, e)
		})
		n.Tell(Event{Event: "dead_letter", Reason: "before"})
		synctest.Wait()
		closed := make(chan error)
		go func() { closed <- n.Close(t.Context()) }()
		synctest.Wait()
		n.Tell(Event{Event: "dead_letter", Reason: "during"})
		close(release)
		if err := <-closed; err != nil {
			t.Error(err)
		}
		if got, want := in.lines(), []string{"0s dead_letter// before x1"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestCloseEndsWithItsContext(t *testing.T) {
	cases := []struct {
		says    string
		obeys   bool
		longest time.Duration
	}{
		{"what is under way is cut short", true, time.Second},
		{"what cannot be is left alone", false, time.Second + grace},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sent, release := 0, make(chan struct{})
				n := startWith(func(ctx context.Context, _ Event) error {
					sent++
					if !c.obeys {
						<-release
					}
					<-ctx.Done()
					return ctx.Err()
				})
				n.Tell(Event{Event: "dead_letter"})
				n.Tell(Event{Event: "stream_suspended"})
				synctest.Wait()
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				begun := time.Now()
				if err := n.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("Close: %v", err)
				}
				if took := time.Since(begun); took != c.longest {
					t.Errorf("it took %v, want %v", took, c.longest)
				}
				close(release)
				synctest.Wait()
				if sent != 1 {
					t.Errorf("%d were sent", sent)
				}
			})
		})
	}
}

func TestOptionsThatCannotBeMeantAreRefused(t *testing.T) {
	cases := []struct {
		says    string
		options Options
		want    string
	}{
		{"nothing is allowed", Options{}, ""},
		{"https", Options{Command: "true", Webhook: "https://user:token@host:8443/hook?token=x", Interval: time.Second, Timeout: time.Second}, ""},
		{"a negative interval", Options{Interval: -1}, "interval: "},
		{"a negative timeout", Options{Timeout: -1}, "timeout: "},
		{"no scheme", Options{Webhook: "token.example/hook"}, "webhook: "},
		{"another scheme", Options{Webhook: "ftp://token.example"}, "webhook: "},
		{"no host", Options{Webhook: "http:///token"}, "webhook: "},
		{"a port without a host", Options{Webhook: "http://:80/token"}, "webhook: "},
		{"no URL", Options{Webhook: "http://host/%token"}, "webhook: "},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			err := c.options.Validate()
			if (err == nil) != (c.want == "") || err != nil && !strings.HasPrefix(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "token") {
				t.Errorf("it quotes what may be a token: %v", err)
			}
		})
	}
}
