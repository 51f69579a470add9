// Package kafka tests the built binary against real Apache Kafka: HTTP requests go
// through the development gateway over the real protocol to `kafkaupstream run`,
// and what it produced is read back with another client.
package kafka

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/gateway"
	"github.com/kafkaupstream/kafkaupstream/test/await"
	"github.com/kafkaupstream/kafkaupstream/test/kafkatest"
)

// binary is the program under test, built by TestMain.
var binary string

func TestMain(m *testing.M) {
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "kafkaupstream-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "kafkaupstream")
	build := exec.Command("go", "build", "-o", binary, "../../cmd/kafkaupstream")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		return 1
	}
	defer closeShared()
	return m.Run()
}

// shared is one plain broker for all tests that leave it as it was.
var shared struct {
	once    sync.Once
	cluster *kafkatest.Cluster
	err     error
}

func sharedKafka(t *testing.T) *kafkatest.Cluster {
	t.Helper()
	shared.once.Do(func() { shared.cluster, shared.err = kafkatest.Start(kafkatest.Options{}) })
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.cluster
}

func closeShared() {
	if shared.cluster != nil {
		shared.cluster.Close()
	}
}

// topicOf creates a topic named after the test.
func topicOf(t *testing.T, k *kafkatest.Cluster, partitions int, config map[string]string) string {
	t.Helper()
	name := strings.NewReplacer("/", ".", "'", "", ",", "", "+", "", ":", "").Replace(t.Name())
	name = fmt.Sprintf("%.200s.%d", name, time.Now().UnixNano())
	if err := k.CreateTopic(name, partitions, 1, config); err != nil {
		t.Fatal(err)
	}
	return name
}

// runner is a `kafkaupstream run` process.
type runner struct {
	*exec.Cmd
	socket string
	log    *await.Log
	exited chan struct{}
}

func startRunner(t *testing.T, socket string, env ...string) *runner {
	t.Helper()
	if socket == "" {
		socket = filepath.Join(t.TempDir(), "runner.sock")
	}
	before, _ := os.Lstat(socket)
	r := &runner{Cmd: exec.Command(binary, "run"), socket: socket, log: &await.Log{}, exited: make(chan struct{})}
	r.Env = append(append(os.Environ(), "APISIX_LISTEN_ADDRESS=unix:"+socket, "APISIX_CONF_EXPIRE_TIME=3600", "KAFKAUPSTREAM_SUPERVISE=false"), env...)
	r.Stdout, r.Stderr = r.log, r.log
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = r.Wait()
		close(r.exited)
	}()
	t.Cleanup(func() {
		if t.Failed() {
			select {
			case <-r.exited:
				t.Logf("the runner has ended by itself: %v", r.ProcessState)
			case <-time.After(time.Second):
			}
		}
		_ = r.Process.Kill()
		<-r.exited
		if t.Failed() {
			t.Logf("log of the runner:\n%s", r.log)
		}
	})
	await.True(t, "the runner listens", func() bool {
		now, err := os.Lstat(socket)
		return err == nil && (before == nil || !os.SameFile(before, now) || !before.ModTime().Equal(now.ModTime()))
	})
	return r
}

// stop ends the runner as APISIX does and returns its exit code.
func (r *runner) stop(t *testing.T) int {
	t.Helper()
	if err := r.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-r.exited:
	case <-time.After(10 * time.Second):
		t.Fatal("the runner does not end")
	}
	return r.ProcessState.ExitCode()
}

// rss is the runner's resident memory in bytes.
func (r *runner) rss(t *testing.T) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	var kb int64
	for _, line := range strings.Split(string(status), "\n") {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			fmt.Sscan(rest, &kb)
		}
	}
	return kb << 10
}

// apisix is the development gateway in front of a runner.
type apisix struct {
	t       *testing.T
	gateway *gateway.Gateway
	url     string
	client  *http.Client
}

func startGateway(t *testing.T, socket string) *apisix {
	t.Helper()
	return startGatewayWith(t, socket, gateway.Options{})
}

func startGatewayWith(t *testing.T, socket string, opts gateway.Options) *apisix {
	t.Helper()
	c := gateway.NewClient(socket, gateway.ClientOptions{})
	log := &await.Log{}
	opts.Logger = slog.New(slog.NewTextHandler(log, nil))
	g := gateway.New(c, opts)
	server := httptest.NewServer(g)
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of the gateway:\n%s", log)
		}
		transport.CloseIdleConnections()
		server.Close()
		c.Close()
	})
	return &apisix{t, g, server.URL, &http.Client{Transport: transport}}
}

// route puts a route of that name below its path.
func (a *apisix) route(name, conf string) {
	a.t.Helper()
	a.routeAt(name, "/"+name, conf)
}

func (a *apisix) routeAt(name, uri, conf string) {
	a.t.Helper()
	err := a.gateway.PutRoute(gateway.Route{ID: name, URIs: []string{uri}, Conf: []gateway.ConfEntry{{Name: "kafkaupstream", Value: conf}}})
	if err != nil {
		a.t.Fatal(err)
	}
}

// answer is a reply as a client sees it.
type answer struct {
	Status    int
	Header    http.Header
	Code      int
	Message   string
	Delivered string
	Topic     string
	Partition *int
	Offset    *int64
	Timestamp *int64
	Receipt   string
	Records   []answer
}

// send returns the status, the headers and the body of a reply.
func (a *apisix) send(method, name string, headers map[string]string, body []byte) (int, http.Header, []byte, error) {
	req, err := http.NewRequestWithContext(context.Background(), method, a.url+"/"+name, bytes.NewReader(body))
	if err != nil {
		return 0, nil, nil, err
	}
	for k, v := range headers {
		req.Header.Set(k, v)
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return 0, nil, nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header, text, err
}

func (a *apisix) do(method, name string, headers map[string]string, body []byte) (answer, error) {
	status, header, text, err := a.send(method, name, headers, body)
	if err != nil {
		return answer{}, err
	}
	var got answer
	if err := json.Unmarshal(text, &got); err != nil {
		return answer{}, fmt.Errorf("status %d, body %.200q: %w", status, text, err)
	}
	got.Status, got.Header = status, header
	if got.Status != got.Code {
		return got, fmt.Errorf("status %d, but code %d", got.Status, got.Code)
	}
	return got, nil
}

// post posts and fails the test where there is no reply of the plugin's.
func (a *apisix) post(name string, headers map[string]string, body string) answer {
	a.t.Helper()
	got, err := a.do("POST", name, headers, []byte(body))
	if err != nil {
		a.t.Fatal(err)
	}
	return got
}

// want fails the test unless the reply has this status and says this of delivery.
func (got answer) want(t *testing.T, status int, delivered string) {
	t.Helper()
	if got.Status != status || got.Delivered != delivered {
		t.Errorf("got %d %s (%s), want %d %s", got.Status, got.Delivered, got.Message, status, delivered)
	}
	if got.Header.Get("Content-Type") != "application/json" {
		t.Errorf("content type %q", got.Header.Get("Content-Type"))
	}
	if (got.Header.Get("Retry-After") != "") != (status == 503) {
		t.Errorf("Retry-After is %q with status %d", got.Header.Get("Retry-After"), status)
	}
}

func records(t *testing.T, k *kafkatest.Cluster, topic string, n int) []kafkatest.Record {
	t.Helper()
	return recordsWithin(t, k, topic, n, 30*time.Second)
}

func recordsWithin(t *testing.T, k *kafkatest.Cluster, topic string, n int, limit time.Duration) []kafkatest.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	recs, err := k.WaitRecords(ctx, topic, n)
	if err != nil {
		t.Fatal(err)
	}
	if len(recs) != n {
		t.Fatalf("the topic has %d records, want %d", len(recs), n)
	}
	return recs
}

func conf(brokers, rest string) string {
	return fmt.Sprintf(`{"config":{"bootstrap.servers":%q},%s}`, brokers, rest)
}
