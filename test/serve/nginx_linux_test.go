// Package serve_test has gateways in front of replicas of `kafkaupstream serve`, as examples/serve has them. It needs nginx and real Kafka.
package serve_test

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/test/cli/program"
	"github.com/kafkaupstream/kafkaupstream/test/kafkatest"
)

const examples = "../../examples/serve"

var binary string

func TestMain(m *testing.M) {
	code := program.Main(m, &binary, "github.com/kafkaupstream/kafkaupstream/cmd/kafkaupstream")
	if shared.Cluster != nil {
		shared.Close()
	}
	os.Exit(code)
}

// shared is real Kafka for all tests, three brokers.
var shared struct {
	once sync.Once
	*kafkatest.Cluster
	err error
}

func kafka(t *testing.T) *kafkatest.Cluster {
	t.Helper()
	shared.once.Do(func() { shared.Cluster, shared.err = kafkatest.Start(kafkatest.Options{Nodes: 3}) })
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.Cluster
}

// replicas are some of `serve` behind nginx.
type replicas struct {
	*kafkatest.Cluster
	t     *testing.T
	dir   string
	topic string
	nginx *program.Process
	url   string
	all   []*replica
}

type replica struct {
	*program.Process
	address, spool string
}

func (r *replicas) example(name string, changes ...string) string {
	r.t.Helper()
	text, err := os.ReadFile(filepath.Join(examples, name))
	if err != nil {
		r.t.Fatal(err)
	}
	changed := strings.NewReplacer(changes...).Replace(string(text))
	path := filepath.Join(r.dir, name)
	if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
		r.t.Fatal(err)
	}
	return path
}

// start starts two replicas of three, and nginx with examples/serve/nginx.conf. The properties, lines of YAML, are further ones of
// the connection.
func start(t *testing.T, properties ...string) *replicas {
	t.Helper()
	r := &replicas{Cluster: kafka(t), t: t, dir: t.TempDir(), topic: t.Name()}
	if err := r.CreateTopic(r.topic, 4, 3, nil); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		r.all = append(r.all, &replica{address: program.FreeAddress(t), spool: filepath.Join(r.dir, fmt.Sprint("spool", i))})
	}
	if err := os.WriteFile(filepath.Join(r.dir, "gateway.secret"), []byte("change-me\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.example("routes.yaml", "127.0.0.1:9092", strings.Join(append([]string{r.Bootstrap()}, properties...), "\n    "), "topic: orders", "topic: "+r.topic)
	r.run(0)
	r.run(1)
	address := program.FreeAddress(t)
	r.url = "http://" + address + "/orders/"
	conf := r.configure(address, "")
	r.nginx = program.Start(t, "nginx", program.Options{Args: []string{
		"-p", r.dir, "-c", conf, "-g", "daemon off; error_log stderr;"}})
	program.Until(t, "nginx answers", func() bool { return r.nginx.Ended() || r.post("", "x") == "401 " })
	return r
}

// configure writes nginx's configuration, with a further server.
func (r *replicas) configure(address, further string) string {
	const last = "server 127.0.0.1:8082 max_fails=0;"
	return r.example("nginx.conf", "127.0.0.1:8000", address, last, strings.Replace(last, "127.0.0.1:8082", r.all[1].address, 1)+further, "127.0.0.1:8081", r.all[0].address)
}

// run starts a replica, and waits until it serves.
func (r *replicas) run(i int) {
	r.t.Helper()
	one := r.all[i]
	one.Process = program.Start(r.t, binary, program.Options{Args: []string{"serve", "-f", filepath.Join(r.dir, "routes.yaml"), "--listen", one.address,
		"--gateway-secret-file", filepath.Join(r.dir, "gateway.secret"), "--spool-dir", one.spool, "--leave-timeout", "1s"}})
	program.Until(r.t, "the replica serves", func() bool { return one.Ended() || strings.Contains(one.Stderr.String(), "kafkaupstream serves") })
}

// restart ends a replica as Kubernetes does, and starts it again.
func (r *replicas) restart(i int) {
	r.t.Helper()
	r.all[i].Signal(syscall.SIGTERM)
	if code := r.all[i].Exit(); code != 0 {
		r.t.Errorf("exit code %d", code)
	}
	r.run(i)
}

// post sends a record with an idempotency key, "" for none, and returns the status and the reply. A key of the client's
// comes with each but the empty body.
func (r *replicas) post(key, body string) string {
	r.t.Helper()
	var headers []string
	if key != "" {
		headers = []string{"idempotency-key", key, "apikey", "key-of-acme", "x-consumer-username", "root"}
	}
	reply, err := program.Try("POST", r.url, body, headers...)
	switch {
	case err != nil:
		return err.Error()
	case reply.Status == http.StatusUnauthorized:
		return "401 "
	}
	return fmt.Sprint(reply.Status, " ", reply.Body)
}

// A rolling restart of two replicas behind nginx, under load and judged by the ledger: nothing fails, is lost or twice.
func TestRollingRestartBehindNginx(t *testing.T) {
	r := start(t)
	r.judged(func() {
		for range 2 {
			r.restart(0)
			r.restart(1)
		}
	})
}

// Neither does anything while each broker is restarted, too. With several batches under way librdkafka may write a record of a sync
// route twice then: docs/delivery.md, "When a duplicate can arise".
func TestRollingRestartOfReplicasAndBrokers(t *testing.T) {
	r := start(t, "max.in.flight: 1")
	r.judged(func() {
		for i := range 3 {
			if err := r.Stop(i + 1); err != nil {
				t.Fatal(err)
			}
			r.restart(i % 2)
			if err := r.Restart(i + 1); err != nil {
				t.Fatal(err)
			}
			if err := r.WaitInSync(t.Context(), r.topic, 3); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// judged has verify send through nginx while something is done, and judge what came of it.
func (r *replicas) judged(while func()) {
	t := r.t
	t.Helper()
	judge := program.Start(t, binary, program.Options{Args: []string{"verify", "--url", r.url, "--brokers", r.Bootstrap(), "--topic", r.topic,
		"--header", "apikey: key-of-acme", "--header", "content-type: application/json", "--duration", "1h", "--rate", "400"}})
	while()
	judge.Signal(syscall.SIGINT) // ends the sending
	program.Until(t, "it is judged", judge.Ended)
	said := judge.Stdout.String()
	if code := judge.Exit(); code != 0 || !strings.Contains(said, "no promise was broken") {
		t.Errorf("exit code %d", code)
	}
	for _, line := range strings.Split(said, "\n") {
		name, value, _ := strings.Cut(line, " ")
		value = strings.TrimSpace(value)
		switch {
		case name == "replies" && strings.Contains(value, ","), name == "duplicates" && value != "0", name == "lost" && value != "0":
			t.Error(line)
		}
	}
	t.Log(said)
}

// The request that the README shows makes a record with the key that is in it, and nginx can be stopped as it says.
func TestRequestOfTheReadmeMakesARecordWithItsKey(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(examples, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	curl := regexp.MustCompile(`(?m)^curl .*`).FindString(string(text))
	body := regexp.MustCompile(`-d '([^']*)'`).FindStringSubmatch(curl)
	if body == nil || !strings.Contains(string(text), "\nnginx -p . -c nginx.conf -s stop\n") {
		t.Fatal(curl)
	}
	r := start(t)
	headers := []string{"content-type", "application/x-www-form-urlencoded"} // as curl has it
	for _, h := range regexp.MustCompile(`-H '([^:]*): ([^']*)'`).FindAllStringSubmatch(curl, -1) {
		headers = append(headers, h[1:]...)
	}
	reply := program.Send(t, "POST", r.url, body[1], headers...)
	records, err := r.WaitRecords(t.Context(), r.topic, 1)
	if err != nil {
		t.Fatal(err)
	}
	if reply.Status != 200 || len(records) != 1 || string(records[0].Key) != "a" {
		t.Error(reply.Status, records)
	}
	if out, err := exec.Command("nginx", "-p", r.dir, "-c", filepath.Join(r.dir, "nginx.conf"), "-s", "stop").CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
	program.Until(t, "nginx ends", r.nginx.Ended)
}

// An idempotency key meets the replica that knows it, also after that was restarted. When a replica is added, some keys
// move to it, and are new there.
func TestIdempotencyKeysBehindNginx(t *testing.T) {
	r := start(t)
	const keys = 120
	first := map[string]string{}
	ask := func() (others int) {
		for i := range keys {
			key := fmt.Sprintf("%q", fmt.Sprint("key-", i))
			reply := r.post(key, `{"key":"k"}`)
			if !strings.HasPrefix(reply, "200 ") {
				t.Fatal(reply)
			}
			if first[key] == "" {
				first[key] = reply
			}
			if first[key] != reply {
				others++
			}
		}
		return others
	}
	ask()
	if n := ask(); n != 0 {
		t.Errorf("%d of %d keys were not known", n, keys)
	}
	r.restart(0)
	r.restart(1)
	program.Until(t, "nginx uses both again", func() bool { return ask() == 0 })
	r.run(2)
	r.configure(strings.TrimSuffix(strings.TrimPrefix(r.url, "http://"), "/orders/"), " server "+r.all[2].address+" max_fails=0;")
	r.nginx.Signal(syscall.SIGHUP)
	moved := 0
	program.Until(t, "nginx uses the third", func() bool { moved = max(moved, ask()); return moved > 0 })
	moved = max(moved, ask())
	t.Logf("%d of %d keys have moved", moved, keys)
	if moved >= keys*2/3 { // a third is to be expected, and two thirds of a hash that is not consistent
		t.Errorf("%d of %d keys have moved", moved, keys)
	}
}
