package idempotency

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/test/cli/program"
)

// clientsIn is the environment variable that makes this binary serve requests for ever.
const clientsIn = "IDEMPOTENCY_TEST_CLIENTS_IN"

func TestMain(m *testing.M) {
	if dir := os.Getenv(clientsIn); dir != "" {
		if err := serveForEver(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// serveForEver prints what becomes of each key. A line is one write, so that none is
// printed by half.
func serveForEver(dir string) error {
	s, err := New(Options{Dir: dir})
	if err != nil {
		return err
	}
	failed := make(chan error)
	run := rand.Uint64()
	for g := range 4 {
		go func() {
			for i := 0; ; i++ {
				key := fmt.Sprintf("%x-%d-%d", run, g, i)
				outcome, ticket := s.Begin(context.Background(), keyOf("orders", key), request, hour)
				if outcome != First {
					failed <- fmt.Errorf("%s: %v", key, outcome)
				}
				fmt.Println("begun", key)
				if i%3 == 2 {
					ticket.Abandon()
					continue
				}
				if err := ticket.Finish([]byte(key + strings.Repeat("r", rand.IntN(500)))); err != nil {
					failed <- err
				}
				fmt.Println("done", key)
			}
		}()
	}
	return <-failed
}

func TestPromisesSurviveAKill(t *testing.T) {
	dir := t.TempDir()
	begun, finished := map[string]bool{}, map[string]bool{}
	for range 8 {
		kill(t, dir, 1+rand.IntN(150), begun, finished)
		s := open(t, Options{Dir: dir})
		for key := range begun {
			outcome, ticket := s.Begin(context.Background(), keyOf("orders", key), request, hour)
			switch {
			case outcome == Replay && strings.HasPrefix(string(ticket.Reply()), key):
			case outcome == Interrupted && !finished[key]:
			case outcome == First && isAbandoned(key):
				ticket.Abandon()
			default:
				t.Errorf("%s, done %v: %v", key, finished[key], outcome)
			}
		}
		end(s)
	}
	if len(finished) < 8 {
		t.Errorf("%d requests were done", len(finished))
	}
}

func isAbandoned(key string) bool {
	var run uint64
	var g, i int
	fmt.Sscanf(key, "%x-%d-%d", &run, &g, &i)
	return i%3 == 2
}

// kill runs clients, kills them after some lines and notes what they printed.
func kill(t *testing.T, dir string, after int, begun, finished map[string]bool) {
	t.Helper()
	p := program.Start(t, os.Args[0], program.Options{Env: []string{clientsIn + "=" + dir}})
	program.Until(t, "there are lines", func() bool { return len(p.Stdout.Lines()) > after || p.Ended() })
	p.Signal(syscall.SIGKILL)
	p.Exit()
	for _, line := range p.Stdout.Lines() {
		if what, key, _ := strings.Cut(line, " "); what == "begun" {
			begun[key] = true
		} else {
			finished[key] = true
		}
	}
}
