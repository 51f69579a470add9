package interop

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/gateway"
	"github.com/kafkaupstream/kafkaupstream/test/await"
	"github.com/kafkaupstream/kafkaupstream/test/cli/program"
	"github.com/kafkaupstream/kafkaupstream/test/kafkatest"
)

var registrySeed = flag.Uint64("registry-seed", uint64(time.Now().UnixNano()), "of the registry's changes and the moments of its faults")

const (
	registryChanges = 500
	registryTopic   = "structures"
)

// A registry publishes 500 changes, while the broker goes and comes back and the runner
// is stopped once and killed twice. It repeats, under the same idempotency key, what got
// no reply or one that says to try again. A consumer of what is committed rebuilds the
// state, transaction by transaction, and ends up with exactly the registry's.
func TestRegistrysStructuresAreReplicatedExactly(t *testing.T) {
	t.Logf("-args -registry-seed=%d", *registrySeed)
	random := rand.New(rand.NewPCG(*registrySeed, 0))
	k := kafkatest.Run(t, kafkatest.Options{})
	if err := k.CreateTopic(registryTopic, 1, 1, nil); err != nil {
		t.Fatal(err)
	}
	r := startRegistry(t, k.BootstrapOf(1))
	replica := startRegistryReplica(t, k.BootstrapOf(1))
	go r.run(&replica.sizes)
	published := func(what *atomic.Int64, more int64) {
		t.Helper()
		until := what.Load() + more
		await.True(t, "the registry publishes", func() bool {
			return what.Load() >= until || r.published.Load() == registryChanges || t.Failed()
		})
	}
	for _, fault := range []struct {
		counted *atomic.Int64 // changes
		do      func()
	}{
		{&r.committed, func() { r.restart(syscall.SIGTERM) }},
		{&r.committed, func() { r.restart(syscall.SIGKILL) }},
		{&r.committed, func() { registryMust(t, k.Kill(1)) }},
		{&r.published, func() { r.restart(syscall.SIGKILL) }},
		{&r.published, func() { r.restart(syscall.SIGTERM) }},
		{&r.published, func() { registryMust(t, k.Restart(1)) }},
		{&r.committed, func() { r.restart(syscall.SIGKILL) }},
	} {
		published(fault.counted, 10+random.Int64N(30))
		fault.do()
	}
	await.True(t, "the replica has every transaction", func() bool { return replica.applied.Load() == registryChanges || t.Failed() })
	r.end()
	replica.end()
	replica.judge(r.model.state)
	topic, err := k.Records(t.Context(), registryTopic, kafkatest.ReadCommitted)
	if err != nil || len(topic) != replica.records {
		t.Errorf("%d records are in the topic, want %d: %v", len(topic), replica.records, err)
	}
	t.Logf("%d changes with %d records: %d committed at once, %d kept on disk, %d requests repeated",
		registryChanges, replica.records, r.committed.Load(), r.kept, r.repeated)
	if r.kept == 0 || r.committed.Load() == 0 {
		t.Error("the broker was never away, or always")
	}
}

func registryMust(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// registry publishes changes one after another, as a registry does.
type registry struct {
	t      *testing.T
	model  *registryModel
	url    string
	client *http.Client

	socket string
	env    []string
	runner *program.Process

	stop, stopped        chan struct{}
	published, committed atomic.Int64 // changes

	kept, repeated int // of the goroutine run, until stopped is closed
}

// registryRoute is the route of examples/neighbours/registry, on a broker.
func registryRoute(t *testing.T, brokers string) string {
	t.Helper()
	text, err := os.ReadFile("../../examples/neighbours/registry/route.json")
	if err != nil {
		t.Fatal(err)
	}
	var route map[string]any
	if err := json.Unmarshal(text, &route); err != nil {
		t.Fatal(err)
	}
	route["config"].(map[string]any)["bootstrap.servers"] = brokers
	route["timeout_ms"] = 3000
	text, err = json.Marshal(route)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func startRegistry(t *testing.T, brokers string) *registry {
	t.Helper()
	dir := t.TempDir()
	r := &registry{t: t, model: &registryModel{random: rand.New(rand.NewPCG(*registrySeed, 1)), state: registryState{}},
		stop: make(chan struct{}), stopped: make(chan struct{})}
	r.socket = filepath.Join(dir, "runner.sock")
	r.env = []string{"APISIX_LISTEN_ADDRESS=unix:" + r.socket, "APISIX_CONF_EXPIRE_TIME=3600", "KAFKAUPSTREAM_SUPERVISE=false", "KAFKAUPSTREAM_SPOOL_DIR=" + filepath.Join(dir, "spool")}
	r.start()
	c := gateway.NewClient(r.socket, gateway.ClientOptions{})
	g := gateway.New(c, gateway.Options{})
	conf := []gateway.ConfEntry{{Name: "kafkaupstream", Value: registryRoute(t, brokers)}}
	if err := g.PutRoute(gateway.Route{ID: "registry", URIs: []string{"/structures"}, Conf: conf}); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(g)
	t.Cleanup(func() {
		server.Close()
		c.Close()
	})
	r.url, r.client = server.URL+"/structures", server.Client()
	return r
}

func (r *registry) start() {
	r.t.Helper()
	before, _ := os.Lstat(r.socket)
	r.runner = program.Start(r.t, binary, program.Options{Args: []string{"run"}, Env: r.env})
	await.True(r.t, "the runner listens", func() bool {
		now, err := os.Lstat(r.socket)
		return err == nil && (before == nil || !os.SameFile(before, now) || !before.ModTime().Equal(now.ModTime()))
	})
}

// restart ends the runner with a signal and starts the next one.
func (r *registry) restart(s syscall.Signal) {
	r.runner.Signal(s)
	r.runner.Exit()
	r.start()
}

// run publishes all changes, each again and again until it is taken.
func (r *registry) run(sizes *[registryChanges + 1]atomic.Int64) {
	defer close(r.stopped)
	for n := 1; n <= registryChanges; n++ {
		c := r.model.next()
		sizes[n].Store(int64(c.records()))
		for !r.send(&c) {
			r.repeated++
			select {
			case <-r.stop:
				return
			default:
			}
		}
		r.published.Add(1)
	}
}

// end ends the publishing, if it is not over.
func (r *registry) end() {
	close(r.stop)
	<-r.stopped
}

// send reports whether the change was taken: committed, or kept on disk.
func (r *registry) send(c *registryChange) bool {
	req, err := r.request(c)
	if err != nil {
		r.t.Error(err)
		return true
	}
	req.Header.Set("idempotency-key", fmt.Sprintf("TX%06d", c.number))
	req.Header.Set("x-transaction", strconv.Itoa(c.number))
	resp, err := r.client.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return false
	}
	switch resp.StatusCode {
	case 200:
		r.committed.Add(1)
	case 202:
		r.kept++
	case 409, 503, 504: // under way, not possible now, or not known: to be asked again
		return false
	default:
		r.t.Errorf("change %d: %d %s", c.number, resp.StatusCode, text)
	}
	return true
}

func (r *registry) request(c *registryChange) (*http.Request, error) {
	method, target, body := http.MethodPost, r.url, []byte(nil)
	switch {
	case c.deleted != "":
		method, target = http.MethodDelete, r.url+"?urn="+url.QueryEscape(c.deleted)
	case len(c.messages) == 1:
		body = []byte(c.messages[0].text)
	default:
		for i, m := range c.messages {
			body = append(append(body, "[,"[min(i, 1)]), m.text...)
		}
		body = append(body, ']')
	}
	req, err := http.NewRequest(method, target, bytes.NewReader(body))
	if err == nil && body != nil {
		req.Header.Set("content-type", "application/json")
	}
	return req, err
}
