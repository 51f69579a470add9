package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kafkaupstream/kafkaupstream/internal/gateway"
	"github.com/kafkaupstream/kafkaupstream/test/cli/program"
)

// These tests start the runner as APISIX does and call it over its socket, as
// APISIX does, with an in-process broker behind it.

func startBroker(t *testing.T) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "t"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func socketPath(t *testing.T) string { return filepath.Join(shortDir(t), "r.sock") }

func listens(socket string) bool {
	c, err := net.Dial("unix", socket)
	if err == nil {
		c.Close()
	}
	return err == nil
}

// oneProcess has run serve itself: with a supervisor it is not the process that ends.
const oneProcess = "KAFKAUPSTREAM_SUPERVISE=false"

// startRun starts `kafkaupstream run` as one process and waits until it listens.
func startRun(t *testing.T, socket string, o program.Options) *program.Process {
	t.Helper()
	o.Args = append([]string{"run"}, o.Args...)
	o.Env = append(o.Env, "APISIX_LISTEN_ADDRESS=unix:"+socket, oneProcess)
	before, _ := os.Stat(socket)
	p := program.Start(t, binary, o)
	program.Until(t, "run listens", func() bool {
		now, err := os.Stat(socket)
		return p.Ended() || err == nil && (before == nil || !os.SameFile(before, now) || !before.ModTime().Equal(now.ModTime())) && listens(socket)
	})
	return p
}

// caller is APISIX's side of the socket, for one route.
type caller struct {
	*gateway.Client
	token uint32
}

func connect(t *testing.T, socket, conf string) *caller {
	t.Helper()
	a := &caller{Client: gateway.NewClient(socket, gateway.ClientOptions{})}
	t.Cleanup(func() { a.Close() })
	a.prepare(t, conf)
	return a
}

func (a *caller) prepare(t *testing.T, conf string) {
	t.Helper()
	var err error
	if a.token, err = a.PrepareConf(context.Background(), conf, []gateway.ConfEntry{{Name: "kafkaupstream", Value: conf}}); err != nil {
		t.Fatal(err)
	}
}

// post calls with a body and returns the reply's status, 0 with an error.
func (a *caller) post(body string) (int, error) {
	r, err := a.Call(context.Background(), a.token, &gateway.Request{
		Method: "POST", Path: "/", Body: func() ([]byte, error) { return []byte(body), nil }})
	if err != nil {
		return 0, err
	}
	return r.Status, nil
}

func (a *caller) mustPost(t *testing.T, body string, status int) {
	t.Helper()
	if got, err := a.post(body); err != nil || got != status {
		t.Fatalf("got %d, %v; want %d", got, err, status)
	}
}

func route(c *kfake.Cluster, properties, rest string) string {
	return fmt.Sprintf(`{"config":{"bootstrap.servers":%q%s},"topic":"t"%s}`, c.ListenAddrs()[0], properties, rest)
}

// lingering is an asynchronous route that keeps its records until it has to send them.
func lingering(c *kfake.Cluster) string { return route(c, `,"linger.ms":60000`, "") }

// waitForValue waits until the broker has the record.
func waitForValue(t *testing.T, c *kfake.Cluster, value string) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.ConsumeTopics("t"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(context.Background(), program.Patience)
	defer cancel()
	for found := false; !found; {
		fetches := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			t.Fatalf("the broker does not have %q", value)
		}
		fetches.EachRecord(func(r *kgo.Record) { found = found || string(r.Value) == value })
	}
}

// holdProduce makes the broker keep the next record to itself until release;
// arrived is closed when it has it.
func holdProduce(t *testing.T, c *kfake.Cluster) (arrived <-chan struct{}, release func()) {
	t.Helper()
	came, hold := make(chan struct{}), make(chan struct{})
	c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		close(came)
		<-hold
		return nil, nil, false
	})
	released := false
	release = func() {
		if !released {
			released = true
			close(hold)
		}
	}
	t.Cleanup(release)
	return came, release
}

// complaints are the log's lines of level warn and above, and what is no line of the log.
func complaints(stderr fmt.Stringer) (lines []string) {
	for line := range strings.Lines(stderr.String()) {
		if !strings.Contains(line, " level=INFO ") {
			lines = append(lines, line)
		}
	}
	return lines
}

// missing reports whether nothing is at the path.
func missing(path string) bool {
	_, err := os.Lstat(path)
	return errors.Is(err, os.ErrNotExist)
}

func TestRunDrainsOnSIGTERM(t *testing.T) {
	t.Parallel()
	t.Run("records that are queued are delivered", func(t *testing.T) {
		c, socket := startBroker(t), socketPath(t)
		p := startRun(t, socket, program.Options{Args: unhurried})
		connect(t, socket, lingering(c)).mustPost(t, "queued", 200)
		p.Signal(syscall.SIGTERM)
		if code := p.Exit(); code != 0 || p.Stdout.String() != "" || complaints(p.Stderr) != nil {
			t.Errorf("exit code %d, stdout %q, stderr %q", code, p.Stdout, p.Stderr)
		}
		waitForValue(t, c, "queued")
		if left, _ := os.ReadDir(filepath.Dir(socket)); len(left) > 0 {
			t.Errorf("left beside the socket: %v", left)
		}
	})
	t.Run("a call under way is answered", func(t *testing.T) {
		c, socket := startBroker(t), socketPath(t)
		p := startRun(t, socket, program.Options{Args: []string{"--drain-timeout", "1m"}})
		a := connect(t, socket, route(c, "", `,"delivery":"sync"`))
		a.mustPost(t, "first", 200)
		arrived, release := holdProduce(t, c)
		status := make(chan int)
		go func() { got, _ := a.post("under way"); status <- got }()
		<-arrived
		p.Signal(syscall.SIGTERM)
		program.Until(t, "no new connection is taken", func() bool { return missing(socket) })
		release()
		if got := <-status; got != 200 {
			t.Errorf("the call got %d", got)
		}
		if code := p.Exit(); code != 0 {
			t.Errorf("exit code %d", code)
		}
	})
	t.Run("a call that outlasts the drain timeout is cut off and told of", func(t *testing.T) {
		c, socket := startBroker(t), socketPath(t)
		p := startRun(t, socket, program.Options{})
		a := connect(t, socket, route(c, "", `,"delivery":"sync"`))
		arrived, _ := holdProduce(t, c)
		failed := make(chan error)
		go func() { _, err := a.post("too late"); failed <- err }()
		<-arrived
		start := time.Now()
		p.Signal(syscall.SIGTERM)
		if err := <-failed; err == nil {
			t.Error("the call was answered")
		}
		if code := p.Exit(); code != 1 || !strings.Contains(p.Stderr.String(), "calls of APISIX were cut off") {
			t.Errorf("exit code %d, stderr %s", code, p.Stderr)
		}
		if took := time.Since(start); took < unsupervisedDrain/2 {
			t.Errorf("it got %v only", took)
		}
	})
	t.Run("with a broker that is not there and nothing queued it is clean all the same", func(t *testing.T) {
		socket := socketPath(t)
		p := startRun(t, socket, program.Options{Args: []string{"--log-level", "error"}})
		connect(t, socket, `{"config":{"bootstrap.servers":"127.0.0.1:1"},"topic":"t"}`).mustPost(t, "v", 503)
		start := time.Now()
		p.Signal(syscall.SIGTERM)
		if code := p.Exit(); code != 0 {
			t.Errorf("exit code %d, stderr %s", code, p.Stderr)
		}
		t.Logf("it took %v", time.Since(start))
	})
}

func TestRunIsSetByVariablesAndFlags(t *testing.T) {
	t.Parallel()
	const drainVariable, levelVariable = "KAFKAUPSTREAM_DRAIN_TIMEOUT=", "KAFKAUPSTREAM_LOG_LEVEL="
	for _, c := range []struct {
		name  string
		env   string
		args  string
		lines bool // of level info are written
	}{
		{"the default level is info", "", "", true},
		{"the variable raises it", levelVariable + "warn", "", false},
		{"the flag wins over the variable", levelVariable + "warn", "--log-level info", true},
		{"the flag alone", "", "--log-level warn", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			socket := socketPath(t)
			p := startRun(t, socket, program.Options{Env: strings.Fields(c.env), Args: strings.Fields(c.args)})
			a := connect(t, socket, `{"config":{}}`)
			a.token++
			if _, err := a.post(""); !errors.Is(err, gateway.ErrConfTokenNotFound) {
				t.Errorf("an unknown token: %v", err)
			}
			p.Signal(syscall.SIGTERM)
			p.Exit()
			if got := strings.Contains(p.Stderr.String(), "level=INFO"); got != c.lines {
				t.Errorf("stderr: %s", p.Stderr)
			}
			if !strings.Contains(p.Stderr.String(), "level=ERROR") { // of the configuration
				t.Errorf("stderr: %s", p.Stderr)
			}
		})
	}
	for _, c := range []struct {
		name     string
		env      string
		args     string
		finishes bool // a call that takes longer than a millisecond
	}{
		{"the drain timeout of the variable", drainVariable + "1ms", "", false},
		{"the drain timeout of the flag wins over it", drainVariable + "1ms", "--drain-timeout 1m", true},
		{"the drain timeout of the flag, the other way round", drainVariable + "1m", "--drain-timeout 1ms", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, socket := startBroker(t), socketPath(t)
			p := startRun(t, socket, program.Options{Env: []string{c.env}, Args: strings.Fields(c.args)})
			a := connect(t, socket, route(b, "", `,"delivery":"sync"`))
			arrived, release := holdProduce(t, b)
			answered := make(chan error, 1)
			go func() { _, err := a.post("v"); answered <- err }()
			<-arrived
			p.Signal(syscall.SIGTERM)
			program.Until(t, "no new connection is taken", func() bool { return missing(socket) })
			if !c.finishes {
				if err := <-answered; err == nil {
					t.Error("the call was answered, by a broker that says nothing")
				}
			}
			release()
			if want := map[bool]int{true: 0, false: 1}[c.finishes]; p.Exit() != want {
				t.Errorf("exit code %d, want %d", p.Exit(), want)
			}
		})
	}
}

func TestRunEndsWithItsParent(t *testing.T) {
	t.Parallel()
	c, socket := startBroker(t), socketPath(t)
	parent := program.Start(t, "/bin/sh", program.Options{
		Args: []string{"-c", `"$0" run --drain-timeout 1m & echo $!; wait`, binary},
		Env:  []string{"APISIX_LISTEN_ADDRESS=unix:" + socket, oneProcess},
	})
	program.Until(t, "run listens", func() bool { return listens(socket) })
	connect(t, socket, lingering(c)).mustPost(t, "queued", 200)

	parent.Signal(syscall.SIGKILL)
	start := time.Now()
	parent.Exit() // waits for run too, which has the shell's output
	t.Logf("it took %v", time.Since(start))
	waitForValue(t, c, "queued")
	if !missing(socket) {
		t.Error("the socket is still there")
	}
	if pid, err := strconv.Atoi(strings.TrimSpace(parent.Stdout.String())); err != nil || pid == parent.Pid {
		t.Errorf("it was not the shell's child: %v, %v", pid, err)
	}
	if all := complaints(parent.Stderr); all != nil {
		t.Errorf("stderr: %s", all)
	}
	if log := parent.Stderr.String(); !strings.Contains(log, `msg="kafkaupstream is stopping" reason="the process that started it has ended"`) {
		t.Errorf("the log does not have the reason: %s", log)
	}
}

func TestNextRunnerTakesTheSocketOver(t *testing.T) {
	t.Parallel()
	c, socket := startBroker(t), socketPath(t)
	conf := route(c, "", `,"delivery":"sync"`)
	first := startRun(t, socket, program.Options{})
	a := connect(t, socket, conf)
	a.mustPost(t, "by the first", 200)

	second := startRun(t, socket, program.Options{}) // waits until the socket is another one
	first.Signal(syscall.SIGTERM)
	if code := first.Exit(); code != 0 || complaints(first.Stderr) != nil {
		t.Errorf("exit code %d, stderr %s", code, first.Stderr)
	}
	if _, err := a.post("with a token of the first"); !errors.Is(err, gateway.ErrConfTokenNotFound) {
		t.Errorf("a token of the first runner: %v", err)
	}
	a.prepare(t, conf)
	a.mustPost(t, "by the second", 200)
	waitForValue(t, c, "by the second")

	second.Signal(syscall.SIGTERM)
	if code := second.Exit(); code != 0 || complaints(second.Stderr) != nil {
		t.Errorf("exit code %d, stderr %s", code, second.Stderr)
	}
	if !missing(socket) {
		t.Error("the last one left its socket")
	}
}

func TestSocketsPathThatLeadsToAFileIsRefused(t *testing.T) {
	t.Parallel()
	routes, precious := filepath.Join(t.TempDir(), "routes.yaml"), filepath.Join(t.TempDir(), "precious.txt")
	for path, text := range map[string]string{
		routes: "routes: [{id: a, match: {path: /a}, topic: t, config: {bootstrap.servers: 'k:9092'}}]\n", precious: "precious",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	listen := "APISIX_LISTEN_ADDRESS=unix:" + precious
	for _, o := range []program.Options{
		{Args: []string{"serve", "-f", routes, "--listen", "unix:" + precious}},
		{Args: []string{"run"}, Env: []string{listen}},
		{Args: []string{"run"}, Env: []string{listen, oneProcess}},
	} {
		p, code := program.Run(t, binary, o)
		if want := "listen on " + precious + ": " + precious + " is in the way: it is no socket"; code != 1 || !strings.Contains(p.Stderr.String(), want) {
			t.Errorf("%q: exit code %d\n%s", o.Args, code, p.Stderr)
		}
		if text, err := os.ReadFile(precious); string(text) != "precious" {
			t.Errorf("%q: %q, %v", o.Args, text, err)
		}
	}
}

func TestRunLogsItsStartTheTakeOverAndItsEnd(t *testing.T) {
	t.Parallel()
	c, socket, spool := startBroker(t), socketPath(t), filepath.Join(t.TempDir(), "spool")
	first := startRun(t, socket, program.Options{})
	connect(t, socket, route(c, "", `,"delivery":"sync"`)).mustPost(t, "v", 200)
	second := startRun(t, socket, program.Options{Args: []string{"--spool-dir", spool}})
	first.Signal(syscall.SIGTERM)
	first.Exit()
	held := connect(t, socket, route(c, "", `,"delivery":"sync","timeout_ms":20000`))
	arrived, _ := holdProduce(t, c)
	go held.post("cut off")
	<-arrived
	second.Signal(syscall.SIGHUP)
	second.Exit()

	for _, p := range []struct {
		name  string
		p     *program.Process
		lines []string // in this order; parts of each
	}{
		{"the first", first, []string{
			`level=INFO msg="kafkaupstream started" version=v1.2.3 commit=0123abc librdkafka=2.* socket=` + socket + ` spool=none`,
			`level=INFO msg="kafkaupstream is stopping" reason="terminated signal received" drain_timeout=800ms`,
			`level=INFO msg="another runner has taken the socket over"`,
			`level=INFO msg="kafkaupstream stopped" after=* calls_cut_off=0 records_lost=0 records_put_on_disk=0 records_waiting=0`,
		}},
		{"the second", second, []string{
			`level=INFO msg="the socket was taken over from another runner"`,
			`level=INFO msg="kafkaupstream started" version=v1.2.3 commit=0123abc librdkafka=2.* socket=` + socket + ` spool=` + spool,
			`level=INFO msg="kafkaupstream is stopping" reason="hangup signal received" drain_timeout=800ms`,
			`level=ERROR msg="calls of APISIX were cut off" error="1 calls were not finished in time: *`,
			`level=INFO msg="kafkaupstream stopped" after=* calls_cut_off=1 records_lost=0 records_put_on_disk=1 records_waiting=1`,
		}},
	} {
		rest := p.p.Stderr.Lines()
		for _, want := range p.lines {
			parts := strings.Split(want, "*")
			i := slices.IndexFunc(rest, func(line string) bool {
				return !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(line, part) })
			})
			if i < 0 {
				t.Fatalf("%s does not log, in its place, %s:\n%s", p.name, want, p.p.Stderr)
			}
			rest = rest[i+1:]
		}
	}
}

// What its end leaves on disk is what waits there, whoever put it there and when.
func TestRunLogsHowManyRecordsWaitAtItsEnd(t *testing.T) {
	t.Parallel()
	socket, spool := socketPath(t), filepath.Join(t.TempDir(), "spool")
	for i, c := range []struct {
		kept []string // requests
		line string
	}{
		{[]string{"a", "b", "c"}, "records_put_on_disk=0 records_waiting=3"},
		{nil, "records_put_on_disk=0 records_waiting=3"},
		{[]string{"d"}, "records_put_on_disk=0 records_waiting=4"},
	} {
		p := startRun(t, socket, program.Options{Args: append(slices.Clone(unhurried), "--spool-dir", spool)})
		program.Until(t, "it has the spool", func() bool { return strings.Contains(p.Stderr.String(), "this process owns the spool now") })
		a := connect(t, socket, `{"config":{"bootstrap.servers":"127.0.0.1:1"},"topic":"t","delivery":"durable","timeout_ms":300}`)
		for _, body := range c.kept {
			a.mustPost(t, body, 202)
		}
		p.Signal(syscall.SIGTERM)
		if p.Exit(); !strings.Contains(p.Stderr.String(), c.line) {
			t.Errorf("run %d: no %s in\n%s", i, c.line, p.Stderr)
		}
	}
}

// unhurried has run deliver what is queued, however busy the machine is.
var unhurried = []string{"--drain-timeout", "1m"}

// fullPipe is a pipe that takes nothing more and that nobody reads.
func fullPipe(t *testing.T) (reader, writer *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	raw, err := w.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var full error
	err = raw.Write(func(fd uintptr) bool {
		for full == nil {
			_, full = syscall.Write(int(fd), make([]byte, 1))
		}
		return true
	})
	if err != nil || full != syscall.EAGAIN {
		t.Fatalf("the pipe is not full: %v, %v", err, full)
	}
	return r, w
}

func TestRunDoesNotDependOnWhoReadsItsOutput(t *testing.T) {
	t.Parallel()
	// talk makes more lines than are kept, and requests between them.
	talk := func(t *testing.T, a *caller, c *kfake.Cluster) {
		t.Helper()
		for i := range 1100 {
			a.prepare(t, fmt.Sprintf(`{"wrong-%d":1}`, i))
		}
		a.mustPost(t, "refused", 500)
		a.prepare(t, lingering(c))
		a.mustPost(t, "queued", 200)
	}
	t.Run("when its pipe is full", func(t *testing.T) {
		c, socket := startBroker(t), socketPath(t)
		_, w := fullPipe(t)
		p := startRun(t, socket, program.Options{Stdout: w, Stderr: w, Args: unhurried})
		talk(t, connect(t, socket, `{}`), c)
		p.Signal(syscall.SIGTERM)
		if code := p.Exit(); code != 0 {
			t.Errorf("exit code %d", code)
		}
		waitForValue(t, c, "queued")
	})
	t.Run("when its pipe is full and the drain is not clean", func(t *testing.T) {
		c, socket := startBroker(t), socketPath(t)
		_, w := fullPipe(t)
		p := startRun(t, socket, program.Options{Stdout: w, Stderr: w, Args: []string{"--drain-timeout", "1ms"}})
		a := connect(t, socket, route(c, "", `,"delivery":"sync"`))
		arrived, _ := holdProduce(t, c)
		go a.post("too late")
		<-arrived
		p.Signal(syscall.SIGTERM)
		if code := p.Exit(); code != 1 {
			t.Errorf("exit code %d", code)
		}
	})
	t.Run("when the pipe's reader has gone, as when APISIX was killed", func(t *testing.T) {
		c, socket := startBroker(t), socketPath(t)
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		p := startRun(t, socket, program.Options{Stdout: w, Stderr: w, Args: unhurried})
		r.Close()
		talk(t, connect(t, socket, `{}`), c)
		p.Signal(syscall.SIGTERM)
		if code := p.Exit(); code != 0 {
			t.Errorf("exit code %d", code)
		}
		waitForValue(t, c, "queued")
	})
}
