package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kafkaupstream/kafkaupstream/internal/gateway"
	"github.com/kafkaupstream/kafkaupstream/test/cli/program"
)

// These tests stop and kill supervisors and workers as APISIX, systemd and people do, while clients
// send records through the development gateway.

// supervised is a supervisor with its workers.
type supervised struct {
	*program.Process
	t *testing.T
}

// patient has a worker wait for its successor, however busy the machine is.
var patient = []string{"--takeover-timeout", "5m"}

func startSupervised(t *testing.T, socket string, args ...string) *supervised {
	t.Helper()
	p := program.Start(t, binary, program.Options{Args: append([]string{"run"}, args...), Env: []string{"APISIX_LISTEN_ADDRESS=unix:" + socket}})
	s := &supervised{p, t}
	program.Until(t, "a worker serves", func() bool { return p.Ended() || len(s.workers()) > 0 })
	return s
}

// workers are the ids of those that have said that they serve, in their order.
func (s *supervised) workers() []int { return program.Workers(s.t, s.Stderr.String()) }

// worker is the last one.
func (s *supervised) worker() int {
	all := s.workers()
	return all[len(all)-1]
}

// supervisorEnded waits until the supervisor is gone, which its worker need not be: that holds its output.
func (s *supervised) supervisorEnded() {
	s.t.Helper()
	program.Until(s.t, "the supervisor has ended", func() bool { return !lives(s.Pid) })
}

// left waits until nothing of it is left, and returns what the log complains of.
func (s *supervised) left() []string {
	s.t.Helper()
	s.Exit()                          // and the output is closed: nobody has it any more
	for _, pid := range s.workers() { // whose output is closed before they are gone
		program.Until(s.t, fmt.Sprintf("the worker %d is gone", pid), func() bool { return !lives(pid) })
	}
	return complaints(s.Stderr)
}

// lives reports whether a process is there and no zombie.
func lives(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return rest != "" && rest[0] != 'Z'
}

// queues starts a supervisor, with a broker and a connection by which a record was queued.
func queues(t *testing.T, args ...string) (*supervised, string, *kfake.Cluster, *caller) {
	t.Helper()
	socket, b := socketPath(t), startBroker(t)
	runner := startSupervised(t, socket, args...)
	a := connect(t, socket, lingering(b))
	a.mustPost(t, "queued", 200)
	return runner, socket, b, a
}

// clients send numbered records, each one after another, to a sync and an async route.
type clients struct {
	t      *testing.T
	broker *kfake.Cluster
	url    string
	http   *http.Client
	paused chan struct{}
	all    sync.WaitGroup
	// disconnect closes their connections: a worker without a supervisor waits for that.
	disconnect func()
	calls      atomic.Int64 // that were answered

	mu       sync.Mutex
	promised map[string]bool // records that were answered 200
	refused  []string        // calls that were not
}

func startClients(t *testing.T, socket string) *clients {
	t.Helper()
	c := &clients{t: t, broker: startBroker(t), http: http.DefaultClient, paused: make(chan struct{}), promised: map[string]bool{}}
	client := gateway.NewClient(socket, gateway.ClientOptions{})
	g := gateway.New(client, gateway.Options{})
	for _, mode := range []string{"sync", "async"} {
		conf := gateway.ConfEntry{Name: "kafkaupstream", Value: route(c.broker, "", fmt.Sprintf(`,"delivery":%q`, mode))}
		if err := g.PutRoute(gateway.Route{ID: mode, URIs: []string{"/" + mode}, Conf: []gateway.ConfEntry{conf}}); err != nil {
			t.Fatal(err)
		}
	}
	server := httptest.NewServer(g)
	c.url = server.URL
	c.begin()
	c.disconnect = func() {
		server.Close()
		client.Close()
	}
	t.Cleanup(c.stop)
	return c
}

// startHTTPClients are clients of `serve` at the socket.
func startHTTPClients(t *testing.T, b *kfake.Cluster, socket string) *clients {
	t.Helper()
	c := &clients{t: t, broker: b, url: "http://serve", paused: make(chan struct{}), promised: map[string]bool{}}
	c.http = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 32, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	c.begin()
	c.disconnect = c.http.CloseIdleConnections
	t.Cleanup(c.stop)
	return c
}

func (c *clients) begin() {
	for i := range 32 {
		c.all.Go(func() { c.send(i) })
	}
}

func (c *clients) send(client int) {
	path := c.url + "/" + []string{"sync", "async"}[client%2]
	for n := 0; ; n++ {
		select {
		case <-c.paused:
			return
		default:
		}
		value := fmt.Sprintf("%d-%d", client, n)
		status := 0
		resp, err := c.http.Post(path, "text/plain", strings.NewReader(value))
		if err == nil {
			status = resp.StatusCode
			resp.Body.Close()
		}
		c.mu.Lock()
		if status == 200 {
			c.promised[value] = true
		} else {
			c.refused = append(c.refused, fmt.Sprint(value, " ", status))
		}
		c.mu.Unlock()
		c.calls.Add(1)
	}
}

// more waits for more answers.
func (c *clients) more() {
	c.t.Helper()
	goal := c.calls.Load() + 500
	program.Until(c.t, "more answers", func() bool { return c.calls.Load() >= goal })
}

func (c *clients) stop() {
	select {
	case <-c.paused:
	default:
		close(c.paused)
		c.all.Wait()
		c.disconnect()
	}
}

// judge compares what was promised with the topic. As many calls as are allowed may have failed, and
// as many async records as that be lost.
func (c *clients) judge(allowed, lost int) {
	c.t.Helper()
	c.stop()
	if len(c.refused) > allowed {
		c.t.Errorf("%d of %d calls were not answered 200, such as %v", len(c.refused), c.calls.Load(), c.refused[:min(len(c.refused), 5)])
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.broker.ListenAddrs()...), kgo.ConsumeTopics("t"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		c.t.Fatal(err)
	}
	defer cl.Close()
	times := map[string]int{}
	ctx, cancel := context.WithTimeout(context.Background(), program.Patience)
	defer cancel()
	missing := func() (n int) {
		for value := range c.promised {
			if times[value] == 0 {
				n++
			}
		}
		return n
	}
	for missing() > lost && ctx.Err() == nil {
		cl.PollFetches(ctx).EachRecord(func(r *kgo.Record) { times[string(r.Value)]++ })
	}
	if n := missing(); n > lost {
		c.t.Errorf("%d of %d promised records are lost", n, len(c.promised))
	}
	for value, n := range times {
		if n > 1 {
			c.t.Errorf("%s is there %d times", value, n)
		}
	}
}

func TestSuperviseReloadRefusesNoCallAndLosesNoRecord(t *testing.T) {
	for _, c := range []struct {
		late  time.Duration
		times int
	}{{0, 1}, {300 * time.Millisecond, 2}, {time.Second, 5}, {time.Second, 5}, {3 * time.Second, 1}} {
		late, times := c.late, c.times
		t.Run(fmt.Sprintf("the next runner comes %v after SIGTERM", late), func(t *testing.T) {
			t.Parallel()
			socket := socketPath(t)
			runner := startSupervised(t, socket, patient...)
			c := startClients(t, socket)
			for range times {
				c.more()
				old := runner
				old.Signal(syscall.SIGTERM)
				kill := time.AfterFunc(time.Second, func() { old.Signal(syscall.SIGKILL) }) // as APISIX does
				<-time.After(late)
				next := startSupervised(t, socket, patient...)
				c.more()
				if complaints := old.left(); complaints != nil {
					t.Errorf("the log: %s", complaints)
				}
				kill.Stop()
				runner = next
			}
			c.stop()
			runner.Signal(syscall.SIGTERM)
			runner.left()
			c.judge(0, 0)
			if !missing(socket) {
				t.Error("the socket is still there")
			}
		})
	}
}

func TestSuperviseStartsTheNextWorker(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		signal syscall.Signal
		failed int // calls that may fail: those that the worker has in its hands
	}{
		{"when it is killed", syscall.SIGKILL, 32},
		{"when it is stopped", syscall.SIGTERM, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			socket := socketPath(t)
			runner := startSupervised(t, socket)
			clients := startClients(t, socket)
			const times = 3
			for i := range times {
				clients.more()
				if err := syscall.Kill(runner.worker(), c.signal); err != nil {
					t.Fatal(err)
				}
				program.Until(t, "the next worker serves", func() bool { return len(runner.workers()) == i+2 })
			}
			clients.more()
			clients.stop()
			runner.Signal(syscall.SIGTERM)
			log := runner.left()
			if len(log) != times || !strings.Contains(log[0], "the worker has ended, and is started again") {
				t.Errorf("the log: %s", log)
			}
			lost := 0
			if c.signal == syscall.SIGKILL {
				lost = len(clients.promised) // async records that it had in memory
			}
			for _, call := range clients.refused {
				if !strings.HasSuffix(call, " 503") {
					t.Errorf("a call whose worker is gone is answered otherwise: %s", call)
				}
			}
			clients.judge(times*c.failed, lost)
		})
	}
}

func TestSuperviseWorkerOutlivesItsSupervisor(t *testing.T) {
	t.Parallel()
	t.Run("and serves until the next one does", func(t *testing.T) {
		t.Parallel()
		socket := socketPath(t)
		runner := startSupervised(t, socket, patient...)
		clients := startClients(t, socket)
		clients.more()
		runner.Signal(syscall.SIGKILL)
		runner.supervisorEnded()
		clients.more()
		next := startSupervised(t, socket, patient...)
		clients.more()
		runner.left()
		clients.stop()
		next.Signal(syscall.SIGTERM)
		next.left()
		clients.judge(0, 0)
	})
	t.Run("and ends when nobody is connected any more", func(t *testing.T) {
		t.Parallel()
		runner, socket, b, a := queues(t, "--takeover-timeout", "1h")
		runner.Signal(syscall.SIGTERM)
		runner.supervisorEnded()
		a.mustPost(t, "later", 200)
		a.Close()
		runner.left()
		waitForValue(t, b, "queued")
		waitForValue(t, b, "later")
		if !missing(socket) {
			t.Error("the socket is still there")
		}
	})
	t.Run("and ends when no other comes in time", func(t *testing.T) {
		t.Parallel()
		runner, _, b, _ := queues(t, "--takeover-timeout", "100ms")
		runner.Signal(syscall.SIGINT)
		runner.left()
		waitForValue(t, b, "queued")
	})
}

func TestSuperviseMakesTheSocketAgainWhereNobodyListens(t *testing.T) {
	t.Parallel()
	socket := socketPath(t)
	runner := startSupervised(t, socket, "--takeover-timeout", "100ms") // none comes
	if err := os.Remove(socket); err != nil {
		t.Fatal(err)
	}
	program.Until(t, "the worker makes it again", func() bool { return listens(socket) })
	if err := syscall.Kill(runner.worker(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	program.Until(t, "the next worker serves", func() bool { return len(runner.workers()) == 2 })
	b := startBroker(t)
	connect(t, socket, route(b, "", `,"delivery":"sync"`)).mustPost(t, "v", 200)
	runner.Signal(syscall.SIGTERM)
	runner.left()
	if !missing(socket) {
		t.Error("the socket is still there")
	}
}

// systemd sends its signal to all processes of a service, and then waits for them.
func TestSuperviseEndsWithAllItsProcesses(t *testing.T) {
	t.Parallel()
	for _, order := range []string{"together", "the supervisor before", "the worker before"} {
		t.Run(order, func(t *testing.T) {
			t.Parallel()
			runner, socket, b, _ := queues(t, "--takeover-timeout", "1h")
			worker := runner.worker()
			if order != "the worker before" {
				runner.Signal(syscall.SIGTERM)
			}
			if order == "the supervisor before" {
				runner.supervisorEnded()
			}
			if err := syscall.Kill(worker, syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if order == "the worker before" {
				runner.Signal(syscall.SIGTERM)
			}
			runner.left()
			waitForValue(t, b, "queued")
			if !missing(socket) {
				t.Error("the socket is still there")
			}
		})
	}
}

func TestSuperviseLogFileIsOfBothProcesses(t *testing.T) {
	t.Parallel()
	socket, path := socketPath(t), filepath.Join(t.TempDir(), "plugin.log")
	p := program.Start(t, binary, program.Options{
		Args: []string{"run", "--log-format", "json", "--log-file", path}, Env: []string{"APISIX_LISTEN_ADDRESS=unix:" + socket}})
	pids := func(path string) (pids []int) {
		text, _ := os.ReadFile(path) // at first it is not there
		for line := range strings.Lines(string(text)) {
			var fields struct {
				Msg string
				Pid int
			}
			if err := json.Unmarshal([]byte(line), &fields); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			if fields.Msg == "kafkaupstream started" {
				pids = append(pids, fields.Pid)
			}
		}
		return pids
	}
	program.Until(t, "a worker serves", func() bool { return len(pids(path)) == 1 })
	first := pids(path)[0]
	if err := os.Rename(path, path+".1"); err != nil { // as logrotate does, which then sends
		t.Fatal(err)
	}
	for _, signal := range []syscall.Signal{syscall.SIGHUP, syscall.SIGUSR1} {
		p.Signal(signal)
		if err := syscall.Kill(first, signal); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Kill(first, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	program.Until(t, "the next worker serves", func() bool { return len(pids(path)) == 1 })
	p.Signal(syscall.SIGTERM)
	if p.Exit(); p.Stderr.String() != "" {
		t.Errorf("standard error: %s", p.Stderr)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"the worker has ended, and is started again", "the supervisor ends", "kafkaupstream stopped"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%q is missing in %s", want, text)
		}
	}
	if old := pids(path + ".1"); len(old) != 1 {
		t.Errorf("the file before has the starts of %v", old)
	}
}

func TestSuperviseSaysThatItsLogFileCannotBeWritten(t *testing.T) {
	t.Parallel()
	socket := socketPath(t)
	p := program.Start(t, binary, program.Options{Args: []string{"run", "--log-file", "/missing/log"}, Env: []string{"APISIX_LISTEN_ADDRESS=unix:" + socket}})
	if code := p.Exit(); code != 1 || p.Stderr.String() != "kafkaupstream: --log-file: open /missing/log: no such file or directory\n" || !missing(socket) {
		t.Errorf("exit code %d, %s", code, p.Stderr)
	}
}

// tree is a process that looks like nginx's master, with one that looks like its privileged agent, which has started a
// supervisor as APISIX does. Its standard input tells it what to do.
type tree struct {
	*supervised
	control *os.File
}

// A line "fork" is a new process of nginx's, as on a reload; "agent" says which process the agent is.
const masterScript = `
(exec -a "nginx: privileged agent process" bash -c '"$0" "$@" & echo $! >&3; wait' "$@" 3>&3) &
while read -r line; do sleep 1000 & echo forked >&3; done
wait
`

func startTree(t *testing.T, socket string, args ...string) *tree {
	t.Helper()
	commands, control, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { control.Close() })
	defer commands.Close()
	p := program.Start(t, "/bin/bash", program.Options{
		Args: append([]string{"-c", "exec 3>&1 >/dev/null; " + masterScript, "master", binary, "run"}, args...),
		Env:  []string{"APISIX_LISTEN_ADDRESS=unix:" + socket}, Stdin: commands,
	})
	s := &supervised{p, t}
	program.Until(t, "a worker serves", func() bool { return p.Ended() || len(s.workers()) > 0 && strings.Contains(p.Stdout.String(), "\n") })
	return &tree{s, control}
}

// supervisor is the process id of the supervisor, which the agent has said.
func (x *tree) supervisor() int {
	pid, err := strconv.Atoi(x.Stdout.Lines()[0])
	if err != nil {
		x.t.Fatal(err)
	}
	return pid
}

// end ends what plays nginx.
func (x *tree) end() {
	x.t.Helper()
	if err := syscall.Kill(-x.Pid, syscall.SIGKILL); err != nil { // its process group, without the worker; it lives for as long as its input is open
		x.t.Error(err)
	}
	x.control.Close()
}

// The kernel kills a container's processes as soon as APISIX has ended, which waits a second for the supervisor.
func TestSuperviseWaitsForItsWorkerWhereAPISIXStops(t *testing.T) {
	t.Parallel()
	socket, b := socketPath(t), startBroker(t)
	x := startTree(t, socket, "--takeover-timeout", "1h")
	a := connect(t, socket, lingering(b))
	a.mustPost(t, "queued", 200)
	supervisor, worker := x.supervisor(), x.worker()
	if err := syscall.Kill(supervisor, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	program.Until(t, "the supervisor has ended", func() bool { return !lives(supervisor) })
	if lives(worker) {
		t.Error("the worker has not ended before")
	}
	waitForValue(t, b, "queued")
	x.end()
}

func TestSuperviseKnowsAReloadFromAStop(t *testing.T) {
	t.Parallel()
	socket, b := socketPath(t), startBroker(t)
	x := startTree(t, socket, "--takeover-timeout", "1h")
	<-time.After(1100 * time.Millisecond) // nginx's processes of one start are younger than each other by less than a second
	if _, err := x.control.WriteString("fork\n"); err != nil {
		t.Fatal(err)
	}
	program.Until(t, "nginx has a new process", func() bool { return strings.Contains(x.Stdout.String(), "forked") })
	supervisor, worker := x.supervisor(), x.worker()
	if err := syscall.Kill(supervisor, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	program.Until(t, "the supervisor has ended", func() bool { return !lives(supervisor) })
	<-time.After(2 * noConnection) // a quiet gateway's next runner comes late
	if !lives(worker) {
		t.Fatal("the worker has not waited for its successor")
	}
	connect(t, socket, route(b, "", `,"delivery":"sync"`)).mustPost(t, "v", 200)
	next := startSupervised(t, socket)
	program.Until(t, "the worker is gone", func() bool { return !lives(worker) })
	next.Signal(syscall.SIGTERM)
	next.left()
	x.end()
}

// APISIX starts the next runner when the output of one that was killed has ended.
func TestSuperviseWorkerClosesTheOutputOfAKilledSupervisor(t *testing.T) {
	t.Parallel()
	socket := socketPath(t)
	runner := startSupervised(t, socket, patient...)
	b := startBroker(t)
	a := connect(t, socket, route(b, "", `,"delivery":"sync"`))
	a.mustPost(t, "before", 200)
	runner.Signal(syscall.SIGKILL)
	runner.Exit() // its output has ended
	if !lives(runner.worker()) {
		t.Fatal("the worker has ended")
	}
	a.mustPost(t, "after", 200)
	next := startSupervised(t, socket)
	program.Until(t, "the worker is gone", func() bool { return !lives(runner.worker()) })
	next.Signal(syscall.SIGTERM)
	next.left()
}
