package notify

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kafkaupstream/kafkaupstream/test/await"
)

var deadLetter = Event{"dead_letter", "orders", "t", "it's $(no) reason", "r-1", 3, time.Date(2026, 10, 1, 12, 0, 0, 5e6, time.UTC)}

const deadLetterJSON = `{"event":"dead_letter","stream":"orders","topic":"t","reason":"it's $(no) reason","receipt":"r-1","count":3,"time":"2026-10-01T12:00:00.005Z"}`

// tellOnce tells a notifier of one event and returns its log.
func tellOnce(t *testing.T, o Options, e Event) string {
	t.Helper()
	var log await.Log
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	n := New(o)
	n.Tell(e)
	mustClose(t, n)
	return log.String()
}

func TestCommandGetsTheEvent(t *testing.T) {
	t.Setenv("INHERITED", "from-the-process")
	cases := []struct{ says, command, want string }{
		{"as JSON on standard input", `cat >"$INHERITED_DIR/got"`, deadLetterJSON + "\n"},
		{"in variables, besides the process's own",
			`echo "$KAFKAUPSTREAM_EVENT|$KAFKAUPSTREAM_STREAM|$KAFKAUPSTREAM_TOPIC|$KAFKAUPSTREAM_REASON|$KAFKAUPSTREAM_RECEIPT|$KAFKAUPSTREAM_COUNT|$KAFKAUPSTREAM_TIME|$INHERITED" >"$INHERITED_DIR/got"`,
			"dead_letter|orders|t|it's $(no) reason|r-1|3|2026-10-01T12:00:00.005Z|from-the-process\n"},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			dir := t.TempDir()
			t.Setenv("INHERITED_DIR", dir)
			if log := tellOnce(t, Options{Command: c.command}, deadLetter); log != "" {
				t.Errorf("the log is %q", log)
			}
			got, err := os.ReadFile(filepath.Join(dir, "got"))
			if err != nil || string(got) != c.want {
				t.Errorf("got %q, %v, want %q", got, err, c.want)
			}
		})
	}
}

func TestHostileTextReachesACommandAsText(t *testing.T) {
	path := filepath.Join(t.TempDir(), "got")
	t.Setenv("GOT", path)
	hostile := Event{Event: "dead_letter", Topic: "a\x00b\r\nBcc: x\xff", Reason: strings.Repeat("x", 1<<20)}
	if log := tellOnce(t, Options{Command: `cat >"$GOT"`}, hostile); log != "" {
		t.Fatalf("the log is %q", log)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got Event
	if err := json.Unmarshal(text, &got); err != nil || got.Topic != "a b  Bcc: x\uFFFD" || len(got.Reason) != maxText {
		t.Errorf("got topic %q and %d bytes of reason, %v", got.Topic, len(got.Reason), err)
	}
}

func TestCommandIsLoggedOnlyWhenItFails(t *testing.T) {
	cases := []struct{ says, command, want string }{
		{"success, whatever it says", "echo said; echo said >&2", ""},
		{"standard input that nobody reads is no failure", "exec <&-; true", ""},
		{"a status", "exit 3", `by=command event=dead_letter error="exit status 3"`},
		{"what it said on both outputs", "echo out; echo err >&2; exit 3", `error="exit status 3; its output begins with \"out\\nerr\\n\""`},
		{"a command that there is not", "/nowhere/command", "exit status 127; its output begins with"},
		{"a signal", "kill -9 $$", `error="signal: killed"`},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			log := tellOnce(t, Options{Command: c.command}, deadLetter)
			if (log == "") != (c.want == "") || !strings.Contains(log, c.want) {
				t.Errorf("got %q, want %q", log, c.want)
			}
		})
	}
}

func TestOutputIsKeptInItsBeginningOnly(t *testing.T) {
	log := tellOnce(t, Options{Command: "head -c 10000000 /dev/zero | tr '\\0' '#'; exit 1"}, deadLetter)
	if got := strings.Count(log, "#"); got != maxOutput {
		t.Errorf("%d bytes are in the log", got)
	}
}

// TestCommandLeavesNothingBehind sees by a FIFO when a process that the command has
// left in the background ends: it is the only one that has it open for writing.
func TestCommandLeavesNothingBehind(t *testing.T) {
	const background = `sleep 50 >"$FIFO" 2>&1 & `
	cases := []struct {
		says, command, want string
		timeout             time.Duration
	}{
		{"after the timeout", background + "wait", `error="killed: context deadline exceeded"`, 300 * time.Millisecond},
		{"a shell that ignores signals", "trap '' TERM INT HUP; " + background + "wait", `error="killed: context deadline exceeded"`, 300 * time.Millisecond},
		{"after its end", background + "exit 0", "", time.Minute},
		{"after a failure", background + "exit 3", `error="exit status 3"`, time.Minute},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			ended := watchFIFO(t)
			log := tellOnce(t, Options{Command: c.command, Timeout: c.timeout}, deadLetter)
			if (log == "") != (c.want == "") || !strings.Contains(log, c.want) {
				t.Errorf("got %q, want %q", log, c.want)
			}
			await.Within(t, 20*time.Second, "the process in the background ends", ended)
		})
	}
}

// watchFIFO makes a FIFO that commands find by $FIFO and tells when no process has it
// open any more.
func watchFIFO(t *testing.T) (ended func() bool) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("FIFO", path)
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	fd := int(f.Fd())
	return func() bool {
		n, err := syscall.Read(fd, make([]byte, 1)) // EAGAIN as long as there is a writer
		return n == 0 && err == nil
	}
}

func TestProcessThatLeftTheGroupAndHoldsTheOutputDelaysNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("FIFO", path)
	writer, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close() // this ends the process
	var log await.Log
	n := New(Options{Command: `setsid cat "$FIFO" & exit 0`, Timeout: time.Hour, Log: slog.New(slog.NewTextHandler(&log, nil))})
	n.Tell(deadLetter)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := n.Close(ctx); err != nil || log.String() != "" {
		t.Errorf("Close: %v, the log is %q", err, log.String())
	}
}
