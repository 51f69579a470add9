package logging

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kafkaupstream/kafkaupstream/test/await"
)

// output of a logger, to be read while it is written.
type text struct{ await.Log }

// lines are those so far, without their times.
func (x *text) lines() []string {
	lines := strings.Split(x.String(), "\n")
	lines = lines[:len(lines)-1]
	for i, line := range lines {
		if rest, ok := strings.CutPrefix(line, "time="); ok {
			_, lines[i], _ = strings.Cut(rest, " ")
		}
	}
	return lines
}

func equal(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// within lets f log on a clock of its own, which stands still unless f waits.
func within(t *testing.T, level slog.Level, f func(t *testing.T, l *Logger, out *text)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		out := &text{}
		l := New(out, level)
		f(t, l, out)
		l.Close(time.Second)
	})
}

// after moves the clock and lets the logger do what is due.
func after(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestRepeatedLineIsCounted(t *testing.T) {
	cases := []struct {
		name string
		log  func(l *Logger)
		now  []string // what is written at once
		then []string // what is written when the window is over, in any order
	}{
		{"one line is written, and there is nothing to sum up",
			func(l *Logger) { l.Warn("m", "a", 1) },
			[]string{"level=WARN msg=m a=1"}, nil},
		{"lines alike are one, and the last of them is written with their number",
			func(l *Logger) {
				for i := range 5 {
					l.Warn("m", "a", 1, "attempt", i)
				}
			},
			[]string{"level=WARN msg=m a=1 attempt=0"}, []string{"level=WARN msg=m a=1 attempt=4 repeated=4"}},
		{"another message is another line",
			func(l *Logger) { l.Warn("m"); l.Warn("n"); l.Warn("m") },
			[]string{"level=WARN msg=m", "level=WARN msg=n"}, []string{"level=WARN msg=m repeated=1"}},
		{"another first attribute is another line",
			func(l *Logger) { l.Warn("m", "a", 1); l.Warn("m", "a", 2); l.Warn("m", "b", 1) },
			[]string{"level=WARN msg=m a=1", "level=WARN msg=m a=2", "level=WARN msg=m b=1"}, nil},
		{"what is about another route, topic or cause is another line",
			func(l *Logger) {
				for i := range 3 {
					l.Warn("m", "route", "r1", "topic", "a1", "status", 503, "error", fmt.Sprintf("no broker after %d ms", 7*i+3))
					l.Warn("m", "route", "r2", "topic", "a1", "status", 503, "error", "no broker")
					l.Warn("m", "route", "r1", "topic", "a2", "status", 503, "error", "no broker")
					l.Warn("m", "route", "r1", "topic", "a1", "status", 503, "error", errors.New("queue full"))
				}
			},
			[]string{`level=WARN msg=m route=r1 topic=a1 status=503 error="no broker after 3 ms"`, `level=WARN msg=m route=r2 topic=a1 status=503 error="no broker"`,
				`level=WARN msg=m route=r1 topic=a2 status=503 error="no broker"`, `level=WARN msg=m route=r1 topic=a1 status=503 error="queue full"`},
			[]string{`level=WARN msg=m route=r1 topic=a1 status=503 error="no broker after 17 ms" repeated=2`, `level=WARN msg=m route=r2 topic=a1 status=503 error="no broker" repeated=2`,
				`level=WARN msg=m route=r1 topic=a2 status=503 error="no broker" repeated=2`, `level=WARN msg=m route=r1 topic=a1 status=503 error="queue full" repeated=2`}},
		{"what With adds tells lines apart, and is in the summary",
			func(l *Logger) {
				for range 2 {
					l.With("p", 1).Warn("m", "a", 1)
					l.With("p", 2).Warn("m", "a", 1)
					l.WithGroup("g").Warn("m", "a", 1)
				}
			},
			[]string{"level=WARN msg=m p=1 a=1", "level=WARN msg=m p=2 a=1", "level=WARN msg=m g.a=1"},
			[]string{"level=WARN msg=m p=1 a=1 repeated=1", "level=WARN msg=m p=2 a=1 repeated=1", "level=WARN msg=m g.a=1 g.repeated=1"}},
		{"lines below the level are neither written nor counted",
			func(l *Logger) { l.Info("m"); l.Info("m") }, nil, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			within(t, slog.LevelWarn, func(t *testing.T, l *Logger, out *text) {
				c.log(l)
				synctest.Wait()
				equal(t, out.lines(), c.now...)
				after(2 * repeatWindow)
				got := out.lines()[len(c.now):]
				slices.Sort(got)
				slices.Sort(c.then)
				equal(t, got, c.then...)
			})
		})
	}
}

func TestLineIsNewAgainAfterItsWindow(t *testing.T) {
	within(t, slog.LevelInfo, func(t *testing.T, l *Logger, out *text) {
		after(time.Millisecond)
		for range 3 {
			l.Info("m")
			after(repeatWindow - time.Second)
			l.Info("m")
			after(repeatWindow + time.Second)
		}
		first, second := "level=INFO msg=m", "level=INFO msg=m repeated=1"
		equal(t, out.lines(), first, second, first, second, first, second)
	})
}

func TestLineOfAMinuteIsCountedForThatLong(t *testing.T) {
	within(t, slog.LevelInfo, func(t *testing.T, l *Logger, out *text) {
		after(time.Millisecond)
		for i := range 3 {
			l.InfoContext(Minute, "refused", "route", "r", Example, i)
			after(25 * time.Second)
		}
		l.InfoContext(Minute, "refused", "route", "r", Example, 3)
		after(minuteWindow + repeatWindow)
		equal(t, out.lines(), "level=INFO msg=refused route=r example=0", "level=INFO msg=refused route=r example=2 repeated=2", "level=INFO msg=refused route=r example=3")
	})
}

func TestEveryIsNeverSuppressed(t *testing.T) {
	within(t, slog.LevelInfo, func(t *testing.T, l *Logger, out *text) {
		for range 3 {
			l.ErrorContext(Every, "lost", "topic", "t", "records", 5)
		}
		l.Error("lost", "topic", "t", "records", 5) // such a line does not make others repeated
		after(2 * repeatWindow)
		line := "level=ERROR msg=lost topic=t records=5"
		equal(t, out.lines(), line, line, line, line)
	})
}

func TestKindsOfLinesAreBounded(t *testing.T) {
	within(t, slog.LevelInfo, func(t *testing.T, l *Logger, out *text) {
		for i := range 10 * maxOfMessage { // as clients do that choose topics
			l.Info("m", "topic", fmt.Sprint("t", i))
			l.Info("m", "topic", fmt.Sprint("t", i))
			synctest.Wait()
		}
		l.Info("another message", "topic", "t") // is not among them
		synctest.Wait()
		if got, want := len(out.lines()), maxOfMessage+1; got != want {
			t.Errorf("%d lines, want %d", got, want)
		}
		after(2 * repeatWindow)
		got := out.lines()[maxOfMessage+1:]
		if len(got) != maxOfMessage+1 || !slices.Contains(got, "level=INFO msg=m topic=t0 repeated=1") ||
			!slices.Contains(got, fmt.Sprintf("level=INFO msg=m topic=t%d others=%d", 10*maxOfMessage-1, 2*9*maxOfMessage-1)) {
			t.Errorf("%d lines, the last %q", len(got), got[len(got)-1])
		}
		empty(t, l)
	})
}

func TestMessagesAreBoundedTogether(t *testing.T) {
	within(t, slog.LevelInfo, func(t *testing.T, l *Logger, out *text) {
		for i := range 20 * maxOfMessage {
			l.Info(fmt.Sprint("message ", i%20), "topic", i)
			synctest.Wait()
		}
		if got := len(out.lines()); got != maxKinds {
			t.Errorf("%d lines", got)
		}
		after(2 * repeatWindow)
		if got := len(out.lines()); got != maxKinds+20 {
			t.Errorf("%d lines with what was left out", got)
		}
		empty(t, l)
	})
}

func TestMessagesWithoutEndTakeABoundedMemory(t *testing.T) {
	within(t, slog.LevelInfo, func(t *testing.T, l *Logger, _ *text) {
		for i := range 5 * maxKinds {
			l.Info(fmt.Sprint("message ", i))
		}
		l.repeats.mu.Lock()
		n := len(l.repeats.kinds)
		l.repeats.mu.Unlock()
		if n > 2*maxKinds+1 {
			t.Errorf("%d kinds", n)
		}
		after(2 * repeatWindow)
		empty(t, l)
	})
}

// empty: nothing is kept when the windows are over.
func empty(t *testing.T, l *Logger) {
	t.Helper()
	l.repeats.mu.Lock()
	defer l.repeats.mu.Unlock()
	if n := len(l.repeats.kinds) + len(l.repeats.ofMessage); n != 0 {
		t.Errorf("%d kinds are kept after their window", n)
	}
}

func TestCloseWritesWhatThereIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &text{}
		l := New(out, slog.LevelInfo)
		for range 3 {
			l.Info("m")
		}
		for i := range 100 {
			l.Info("n", "i", i)
		}
		start := time.Now()
		l.Close(time.Second)
		if took := time.Since(start); took != 0 {
			t.Errorf("it took %v", took)
		}
		got := out.lines()
		if len(got) != 1+100+1 || got[0] != "level=INFO msg=m" || !slices.Contains(got, "level=INFO msg=m repeated=2") {
			t.Errorf("got %q", got)
		}
		l.Info("too late") // is lost, and harms nobody
		l.Close(time.Second)
		equal(t, out.lines(), got...)
	})
}

func TestLastLineIsBehindAllThatWasCounted(t *testing.T) {
	within(t, slog.LevelInfo, func(t *testing.T, l *Logger, out *text) {
		for i := range backlog + 10 {
			for range 2 {
				l.Info(fmt.Sprint("message ", i))
			}
			synctest.Wait() // until it is written
		}
		l.InfoContext(Last, "stopped")
		l.Close(time.Second)
		lines := out.lines()
		if n := slices.Index(lines, "level=INFO msg=stopped"); n < 0 || strings.Contains(strings.Join(lines[n:], ""), "repeated") {
			t.Errorf("the line is the one numbered %d of %q", n, lines)
		}
	})
}

// logs is a value that is logged with a line of its own before that, as another writer's may come there.
type logs struct{ *Logger }

func (l logs) LogValue() slog.Value {
	l.InfoContext(Every, "another's")
	return slog.StringValue("x")
}

func TestLastLineHasItsPlaceToItself(t *testing.T) {
	out := newStuck()
	l := New(out, slog.LevelInfo)
	l.Info("the writer is stuck in this one")
	<-out.entered
	for i := range backlog {
		l.InfoContext(Every, "another's", "n", i)
	}
	l.With("a", 1).InfoContext(Last, "stopped", "value", logs{l})
	close(out.release)
	l.Close(20 * time.Second)
	if lines := out.lines(); !slices.Contains(lines, "level=INFO msg=stopped a=1 value=x") || l.Dropped() != 1 {
		t.Errorf("%d are dropped of %q", l.Dropped(), lines)
	}
}

func TestDurationsAreTheSameInBothFormats(t *testing.T) {
	for format, want := range map[Format]string{Text: "took=1.5s\n", JSON: `"took":"1.5s"}` + "\n"} {
		var out text
		l := NewFormat(&out, slog.LevelInfo, format)
		l.Info("m", "took", 1500*time.Millisecond)
		l.Close(time.Second)
		if got := out.String(); !strings.HasSuffix(got, want) {
			t.Errorf("%s: %q", format, got)
		}
	}
}

// stuck is a writer that blocks until it is released.
type stuck struct {
	text
	entered chan struct{}
	release chan struct{}
}

func newStuck() *stuck { return &stuck{entered: make(chan struct{}, 1), release: make(chan struct{})} }

func (s *stuck) Write(p []byte) (int, error) {
	select {
	case s.entered <- struct{}{}:
	default:
	}
	<-s.release
	return s.text.Write(p)
}

func TestDroppedLinesAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newStuck()
		l := New(w, slog.LevelInfo)
		l.Info("taken by the writer")
		<-w.entered
		for i := range backlog + 7 {
			l.InfoContext(Every, "m", "i", i)
		}
		close(w.release)
		synctest.Wait()
		got := w.lines()
		if len(got) != 1+backlog+1 {
			t.Fatalf("%d lines", len(got))
		}
		equal(t, got[:3], "level=INFO msg=\"taken by the writer\"",
			"level=WARN msg=\"log lines were dropped because they could not be written in time\" lines=7", "level=INFO msg=m i=0")
		l.Info("and on it goes")
		l.Close(time.Second)
		equal(t, w.lines()[2+backlog:], "level=INFO msg=\"and on it goes\"")
	})
}

func TestCloseWaitsNoLongerThanItIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newStuck()
		l := New(w, slog.LevelInfo)
		l.Info("m")
		start := time.Now()
		l.Close(50 * time.Millisecond)
		if took := time.Since(start); took != 50*time.Millisecond {
			t.Errorf("it took %v", took)
		}
		close(w.release)
	})
}

// The pipe is what APISIX reads a runner's output from.
func TestPipeThatNobodyReadsBlocksNobody(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	l := New(w, slog.LevelInfo)
	var loggers sync.WaitGroup
	for n := range 4 {
		loggers.Go(func() {
			for i := range 5000 {
				l.ErrorContext(Every, strings.Repeat("x", 100), "n", n, "i", i)
			}
		})
	}
	loggers.Wait() // 2 MB, where a pipe takes 64 kB
	l.Close(time.Millisecond)

	// Who reads after all learns how much is missing.
	go func() {
		<-l.out.done
		w.Close()
	}()
	all, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	written, dropped := 0, 0
	for line := range strings.Lines(string(all)) {
		var n int
		_, own, _ := strings.Cut(line, " ") // after the time
		if _, err := fmt.Sscanf(own, `level=WARN msg="log lines were dropped because they could not be written in time" lines=%d`, &n); err == nil {
			dropped += n
		} else {
			written++
		}
	}
	if dropped == 0 || written+dropped != 4*5000 {
		t.Errorf("%d lines written, %d dropped; 20000 were logged", written, dropped)
	}
}

func TestJSONIsAnObjectALine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newStuck()
		l := NewFormat(w, slog.LevelInfo, JSON)
		l.Info("taken by the writer")
		<-w.entered
		for i := range backlog + 7 {
			l.InfoContext(Every, "m", "i", i, "error", errors.New("two\nlines"))
		}
		close(w.release)
		l.Close(time.Second)
		if l.Dropped() != 7 {
			t.Errorf("%d dropped", l.Dropped())
		}
		lines := 0
		for line := range strings.Lines(w.String()) {
			var o struct {
				Time       time.Time
				Level, Msg string
				Lines      int
			}
			if err := json.Unmarshal([]byte(line), &o); err != nil || o.Time.IsZero() || o.Msg == "" || o.Lines > 0 && (o.Level != "WARN" || o.Lines != 7) {
				t.Fatalf("%s: %v", line, err)
			}
			lines++
		}
		if lines != 1+1+backlog {
			t.Errorf("%d lines", lines)
		}
	})
	for name, want := range map[string]Format{"text": Text, "JSON": JSON} {
		if got, err := ParseFormat(name); err != nil || got != want {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	if _, err := ParseFormat("xml"); err == nil {
		t.Error("xml is a format")
	}
}

func TestLevelsHaveNames(t *testing.T) {
	for name, want := range map[string]slog.Level{
		"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError, "WARN": slog.LevelWarn,
	} {
		if got, err := ParseLevel(name); err != nil || got != want {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	for _, name := range []string{"", "warning", "warn+1", "0", "debug "} {
		if level, err := ParseLevel(name); err == nil || !strings.Contains(err.Error(), "expected debug, info, warn or error") {
			t.Errorf("%q is taken for %v, %v", name, level, err)
		}
	}
}

func TestLevelDecidesWhichLinesAreMade(t *testing.T) {
	within(t, slog.LevelWarn, func(t *testing.T, l *Logger, _ *text) {
		for level, want := range map[slog.Level]bool{slog.LevelInfo: false, slog.LevelWarn: true, slog.LevelError: true} {
			if got := l.Enabled(context.Background(), level); got != want {
				t.Errorf("%v: %t", level, got)
			}
		}
	})
}
