package supervisor

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// logged is the text of a log, which calls atLine with the number of each line.
type logged struct {
	mu     sync.Mutex
	text   bytes.Buffer
	atLine func(n int)
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(p)
	l.atLine(strings.Count(l.text.String(), "\n"))
	return len(p), nil
}

// run keeps workers of the command until so many have failed, and returns the log's lines.
func run(t *testing.T, failures int, command func() (*exec.Cmd, error)) []string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	log := &logged{atLine: func(n int) {
		if n == failures {
			cancel()
		}
	}}
	lifeline := Run(ctx, Options{
		Command: func() (*exec.Cmd, *os.File, error) {
			cmd, err := command()
			if err != nil {
				return nil, nil, err
			}
			file, err := os.Open(os.DevNull)
			return cmd, file, err
		},
		Farewell: func() (byte, time.Duration) { t.Error("nobody is left to be told"); return 1, 0 },
		Log:      slog.New(slog.NewTextHandler(log, nil)),
	})
	if lifeline != nil {
		t.Error("there is a lifeline, and no worker")
	}
	return slices.Collect(strings.Lines(strings.TrimSpace(log.text.String())))
}

// A full process table, a missing binary, a socket that cannot be made: the next attempt may succeed.
func TestRunTriesAgainWithGrowingPausesAndSaysWhy(t *testing.T) {
	for _, c := range []struct {
		name    string
		command func() (*exec.Cmd, error)
		why     string
	}{
		{"a worker that cannot be started", func() (*exec.Cmd, error) { return &exec.Cmd{Path: "/no/such/binary"}, nil }, "it cannot be started: fork/exec /no/such/binary: no such file or directory"},
		{"what it would inherit cannot be had", func() (*exec.Cmd, error) { return nil, errors.New("no socket") }, "no socket"},
		{"a worker that ends at once", func() (*exec.Cmd, error) { return exec.Command("sh", "-c", "exit 3"), nil }, "exit status 3"},
		{"a worker that is killed", func() (*exec.Cmd, error) { return exec.Command("sh", "-c", "kill -KILL $$"), nil }, "signal: killed"},
		{"a worker that ends well, which it is not to do", func() (*exec.Cmd, error) { return exec.Command("true"), nil }, "exit status 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			lines := run(t, 4, c.command)
			for i, pause := range []string{"0s", "100ms", "200ms", "400ms"} {
				if i >= len(lines) || !strings.Contains(lines[i], c.why) || !strings.Contains(lines[i], " pause="+pause) {
					t.Fatalf("line %d is to have %q and the pause %s: %q", i, c.why, pause, lines)
				}
			}
		})
	}
}
