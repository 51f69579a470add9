package chaos

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/internal/ledger"
	"github.com/kafkaupstream/kafkaupstream/test/await"
	"github.com/kafkaupstream/kafkaupstream/test/cli/program"
)

// runner is the plugin as APISIX runs it: a process at a socket, followed by another
// when it was stopped. Lanes can share one.
type runner struct {
	t       *testing.T
	socket  string
	spool   string // the directory; "": none
	env     []string
	routes  string // the file of `serve`'s routes; "": it is `run`, behind the development gateway
	logFile string // of `run` as two processes; "": it is one
	process *program.Process
	all     []*program.Process // also former ones, the present one last
}

func newRunner(t *testing.T, env []string) *runner {
	t.Helper()
	dir, err := os.MkdirTemp("", "chaos-") // a path short enough for a Unix socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	r := &runner{t: t, socket: filepath.Join(dir, "runner.sock")}
	r.env = append(r.env, env...)
	r.env = append(r.env, "APISIX_LISTEN_ADDRESS=unix:"+r.socket, "APISIX_CONF_EXPIRE_TIME=3600")
	return r
}

// keep gives the runner a spool.
func (r *runner) keep() {
	r.spool = filepath.Join(filepath.Dir(r.socket), "spool")
	r.env = append(r.env, "KAFKAUPSTREAM_SPOOL_DIR="+r.spool)
}

// start starts a runner; the one before may still run. It returns when the new one
// listens.
func (r *runner) start() {
	r.t.Helper()
	before, err := os.Lstat(r.socket)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.t.Fatal(err)
	}
	r.process = program.Start(r.t, binary, program.Options{Args: r.command(), Env: r.env})
	r.all = append(r.all, r.process)
	await.Within(r.t, progressLimit, "the runner listens", func() bool {
		if r.process.Ended() {
			r.t.Fatalf("the runner has ended:\n%s", r.process.Stderr)
		}
		now, err := os.Lstat(r.socket)
		return err == nil && (before == nil || another(before, now))
	})
}

// command is what the binary is started with.
func (r *runner) command() []string {
	switch {
	case r.logFile != "":
		return []string{"run", "--log-file", r.logFile, "--takeover-timeout", patience}
	case r.routes == "":
		return []string{"run", "--supervise=false"}
	}
	return []string{"serve", "-f", r.routes, "--listen", "unix:" + r.socket, "--leave-timeout", "500ms"}
}

// another reports whether two looks at a path saw two files. The number alone does not
// say it: a file system gives that of a removed file to the next one at once.
func another(before, now os.FileInfo) bool {
	return !os.SameFile(before, now) || !now.ModTime().Equal(before.ModTime())
}

// term sends SIGTERM to the present runner, as APISIX does, and kill SIGKILL.
func (r *runner) term() { r.process.Signal(syscall.SIGTERM) }
func (r *runner) kill() { r.process.Signal(syscall.SIGKILL) }

// ended waits until a process has ended, as long as a busy machine may need.
func ended(t *testing.T, p *program.Process) (code int) {
	t.Helper()
	await.Within(t, progressLimit, "the process ends", p.Ended)
	return p.Exit()
}

// stopped waits until the runner has ended after SIGTERM, and wants it to say that it
// has left nothing behind.
func (r *runner) stopped() {
	r.t.Helper()
	if code := ended(r.t, r.process); code != 0 {
		r.t.Errorf("the last runner exits with %d", code)
	}
}

// logged is what all runners so far have logged of losses of a topic.
func (r *runner) logged(topic string) losses {
	if r.logFile != "" {
		return readLosses(r.log(), topic)
	}
	var sum losses
	for _, p := range r.all {
		sum = sum.plus(readLosses(p.Stderr.String(), topic))
	}
	return sum
}

// spoolCommand runs an operator's command on the spool and returns what it prints.
func (r *runner) spoolCommand(args ...string) string {
	r.t.Helper()
	p := program.Start(r.t, binary, program.Options{Args: append(append([]string{"spool"}, args...), "--spool-dir", r.spool)})
	if code := ended(r.t, p); code != 0 {
		r.t.Fatalf("spool %s: exit code %d\n%s", strings.Join(args, " "), code, p.Stderr)
	}
	return p.Stdout.String()
}

// onDisk is what the spool holds: dead letters by stream, and records that wait.
func (r *runner) onDisk() (dead map[string]int64, pending int64) {
	r.t.Helper()
	dead = map[string]int64{}
	var streams []struct {
		Stream      string
		Pending     int64
		DeadLetters int64 `json:"dead_letters"`
	}
	if err := json.Unmarshal([]byte(r.spoolCommand("ls", "--json")), &streams); err != nil {
		r.t.Fatal(err)
	}
	for _, s := range streams {
		pending += s.Pending
		if s.DeadLetters > 0 {
			dead[s.Stream] = s.DeadLetters
		}
	}
	return dead, pending
}

// deadLetters are the records of a topic that became dead letters.
func (r *runner) deadLetters(topic string) map[ledger.ID]bool {
	r.t.Helper()
	letters := map[ledger.ID]bool{}
	if r.spool == "" {
		return letters
	}
	streams, _ := r.onDisk()
	for stream := range streams {
		for line := range strings.Lines(r.spoolCommand("show", stream, "--dead", "--json", "--limit=1000000")) {
			var letter struct{ Topic, Value string }
			if err := json.Unmarshal([]byte(line), &letter); err != nil {
				r.t.Fatalf("%v in %s", err, line)
			}
			if i, ok := run.ReadID([]byte(letter.Value)); ok && letter.Topic == topic {
				letters[i] = true
			}
		}
	}
	return letters
}
