package kafka

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/kafkaupstream/kafkaupstream/test/await"
	"github.com/kafkaupstream/kafkaupstream/test/cli/program"
	"github.com/kafkaupstream/kafkaupstream/test/kafkatest"
)

// load posts the body to the route from n clients until done is closed, and counts
// the replies. Any but a 200 fails the test.
func (a *apisix) load(done <-chan struct{}, wg *sync.WaitGroup, n int, route, body string, accepted *atomic.Int64) {
	for range n {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for {
				select {
				case <-done:
					return
				default:
				}
				got, err := a.do("POST", route, nil, []byte(body))
				if err != nil || got.Status != 200 {
					a.t.Errorf("%s: %v %d %s", route, err, got.Status, got.Message)
					return
				}
				accepted.Add(1)
			}
		}()
	}
}

func TestRoutesWithDifferentBrokersNeverMix(t *testing.T) {
	clusters := []*kafkatest.Cluster{sharedKafka(t), kafkatest.Run(t, kafkatest.Options{})}
	topic := topicOf(t, clusters[0], 3, nil)
	if err := clusters[1].CreateTopic(topic, 3, 1, nil); err != nil {
		t.Fatal(err)
	}
	a := startGateway(t, startRunner(t, "").socket)
	// Each cluster has a route that stays, and one that is edited all the time,
	// now with other properties and now with the same as before.
	text := func(cluster, edit int) string {
		delivery := []string{"async", "sync"}[edit%2]
		return fmt.Sprintf(`{"config":{"bootstrap.servers":%q,"client.id":"edit-%d"},"topic":%q,"delivery":%q}`,
			clusters[cluster].Bootstrap(), edit%3, topic, delivery)
	}
	for c := range clusters {
		a.route(fmt.Sprint("fixed", c), text(c, 0))
		a.route(fmt.Sprint("edited", c), text(c, 0))
	}
	var sent [2]atomic.Int64
	done := make(chan struct{})
	var wg sync.WaitGroup
	for c := range clusters {
		for _, name := range []string{"fixed", "edited"} {
			a.load(done, &wg, 3, fmt.Sprint(name, c), fmt.Sprint("for cluster ", c), &sent[c])
		}
	}
	edits := 0
	for ; edits < 300 || sent[0].Load() < 2000 || sent[1].Load() < 2000; edits++ {
		if t.Failed() {
			break
		}
		before := sent[0].Load() + sent[1].Load()
		a.route(fmt.Sprint("edited", edits%2), text(edits%2, edits/2))
		await.True(t, "requests between two edits", func() bool { return sent[0].Load()+sent[1].Load() > before+4 || t.Failed() })
	}
	close(done)
	wg.Wait()
	for c, k := range clusters {
		for _, rec := range records(t, k, topic, int(sent[c].Load())) {
			if want := fmt.Sprint("for cluster ", c); string(rec.Value) != want {
				t.Fatalf("cluster %d has %q", c, rec.Value)
			}
		}
	}
	t.Logf("%d edits, %d and %d records", edits, sent[0].Load(), sent[1].Load())
}

func TestReloadsUnderLoadLoseNothing(t *testing.T) {
	k := sharedKafka(t)
	topics := []string{topicOf(t, k, 2, nil)}
	if err := k.CreateTopic(topics[0]+".b", 2, 1, nil); err != nil {
		t.Fatal(err)
	}
	topics = append(topics, topics[0]+".b")
	r := startRunner(t, "")
	a := startGateway(t, r.socket)
	for i, topic := range topics {
		a.route(fmt.Sprint("r", i), conf(k.Bootstrap(), fmt.Sprintf(`"topic":%q,"delivery":%q`, topic, []string{"async", "sync"}[i])))
	}
	var accepted [2]atomic.Int64
	done := make(chan struct{})
	var wg sync.WaitGroup
	for i := range topics {
		a.load(done, &wg, 4, fmt.Sprint("r", i), fmt.Sprint("route ", i), &accepted[i])
	}
	for range 5 {
		before := accepted[1].Load()
		await.True(t, "records are accepted", func() bool { return accepted[1].Load() > before+200 || t.Failed() })
		next := startRunner(t, r.socket)
		if code := r.stop(t); code != 0 {
			t.Errorf("the old runner exits with %d", code)
		}
		r = next
	}
	close(done)
	wg.Wait()
	if code := r.stop(t); code != 0 {
		t.Errorf("the last runner exits with %d", code)
	}
	for i, topic := range topics {
		for _, rec := range records(t, k, topic, int(accepted[i].Load())) {
			if want := fmt.Sprint("route ", i); string(rec.Value) != want {
				t.Fatalf("topic of route %d has %q", i, rec.Value)
			}
		}
	}
}

func TestQueuedRecordsAreDeliveredAtSIGTERM(t *testing.T) {
	k := sharedKafka(t)
	topic := topicOf(t, k, 1, nil)
	r := startRunner(t, "")
	a := startGateway(t, r.socket)
	a.route("r", fmt.Sprintf(`{"config":{"bootstrap.servers":%q,"linger.ms":60000},"topic":%q}`, k.Bootstrap(), topic))
	for i := range 100 {
		a.post("r", nil, fmt.Sprint(i)).want(t, 200, "unknown")
	}
	if code := r.stop(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	for i, rec := range records(t, k, topic, 100) {
		if string(rec.Value) != fmt.Sprint(i) {
			t.Fatalf("record %d is %q", i, rec.Value)
		}
	}
}

func TestRecordsThatCannotBeDeliveredAtSIGTERMAreCountedInTheLog(t *testing.T) {
	k := kafkatest.Run(t, kafkatest.Options{})
	if err := k.CreateTopic("t", 1, 1, nil); err != nil {
		t.Fatal(err)
	}
	r := startRunner(t, "")
	a := startGateway(t, r.socket)
	a.route("r", fmt.Sprintf(`{"config":{"bootstrap.servers":%q,"linger.ms":60000},"topic":"t"}`, k.Bootstrap()))
	for i := range 50 {
		a.post("r", nil, fmt.Sprint(i)).want(t, 200, "unknown")
	}
	if err := k.Pause(1); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if code := r.stop(t); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	if log := r.log.String(); !strings.Contains(log, "records=50") {
		t.Errorf("the log does not count them:\n%s", log)
	}
	if err := k.Resume(1); err != nil {
		t.Fatal(err)
	}
}

func TestSecretsAreLoggedAtNoLevel(t *testing.T) {
	k := kafkatest.Run(t, kafkatest.Options{SASL: true, Users: map[string]string{"bob": "planted-password-1"}})
	if err := k.CreateTopic("t", 1, 1, nil); err != nil {
		t.Fatal(err)
	}
	if err := k.AllowWrite("bob", "t"); err != nil {
		t.Fatal(err)
	}
	admin := program.FreeAddress(t)
	r := startRunner(t, "", "KAFKAUPSTREAM_LOG_LEVEL=debug", "KAFKAUPSTREAM_ADMIN="+admin, "KAFKAUPSTREAM_PPROF=true",
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://user:planted-password-9@127.0.0.1:1", "OTEL_EXPORTER_OTLP_HEADERS=authorization=planted-token")
	a := startGateway(t, r.socket)
	sasl := func(mechanism, password, more string) string {
		return fmt.Sprintf(`{"config":{"bootstrap.servers":%q,"security.protocol":"SASL_PLAINTEXT","sasl.mechanisms":%q,"sasl.username":"bob","sasl.password":%q,"debug":"all","log_level":7%s},"topic":"t","delivery":"sync","jsonkey":"id","timeout_ms":1500}`,
			k.Bootstrap(), mechanism, password, more)
	}
	a.route("plain", sasl("PLAIN", "planted-password-1", ""))
	a.route("scram", sasl("SCRAM-SHA-256", "planted-password-1", ""))
	a.route("wrong", sasl("PLAIN", "planted-password-2", ""))
	a.route("refused", sasl("PLAIN", "planted-password-3", `,"ssl.key.password":"planted-password-4","no.such.property":"planted-value-5"`))
	a.route("syntax", `{"config":{"sasl.password":"planted-password-6"`)
	a.route("unknown", `{"config":{"bootstrap.servers":"a","sasl.password":"planted-password-7"},"sasl.password":"planted-password-8"}`)
	body := `{"id":"planted-key","value":"planted-payload"}`
	headers := h{"content-type": "application/json", "authorization": "Bearer planted-token"}
	for name, status := range map[string]int{"plain": 200, "scram": 200, "wrong": 503, "refused": 500, "syntax": 500, "unknown": 500} {
		if got := a.post(name, headers, body); got.Status != status {
			t.Errorf("%s: got %d %s", name, got.Status, got.Message)
		}
	}
	for _, path := range []string{"/metrics", "/readyz", "/debug/pprof/goroutine?debug=2"} {
		text := program.Send(t, "GET", "http://"+admin+path, "").Body
		if path == "/readyz" && !strings.Contains(text, "SASL") {
			t.Errorf("%s does not say why a cluster does not answer: %s", path, text)
		}
		if strings.Contains(text, "planted") {
			t.Errorf("%s shows what is planted", path)
		}
	}
	a.post("plain", headers, `{"planted-broken`).want(t, 400, "no")
	a.post("plain", h{"key": "planted-key"}, strings.Repeat("planted-payload", 100000)).want(t, 413, "no")
	if err := r.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-r.exited
	log := r.log.String()
	if !strings.Contains(log, "librdkafka") || !strings.Contains(log, "level=DEBUG") {
		t.Fatalf("the log is not at its loudest:\n%.2000s", log)
	}
	for _, line := range strings.Split(log, "\n") {
		if strings.Contains(line, "planted") {
			t.Errorf("%.300s", line)
		}
	}
}

func TestAsyncReplyDoesNotWaitForKafka(t *testing.T) {
	k := kafkatest.Run(t, kafkatest.Options{})
	if err := k.CreateTopic("t", 1, 1, nil); err != nil {
		t.Fatal(err)
	}
	a := startGateway(t, startRunner(t, "").socket)
	a.route("r", conf(k.Bootstrap(), `"topic":"t"`))
	a.post("r", nil, "before").want(t, 200, "unknown")
	if err := k.Pause(1); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	answered := make(chan answer, 1)
	go func() {
		got, _ := a.do("POST", "r", nil, []byte("while it is silent"))
		answered <- got
	}()
	select {
	case got := <-answered:
		got.want(t, 200, "unknown")
	case <-ctx.Done():
		t.Error("no reply while the broker is silent")
	}
	if err := k.Resume(1); err != nil {
		t.Fatal(err)
	}
	records(t, k, "t", 2)
}

func TestDevShowsTheRecordsOfASecuredCluster(t *testing.T) {
	k := kafkatest.Run(t, kafkatest.Options{SASL: true})
	if err := k.CreateTopic("t", 1, 1, nil); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "route.json")
	text := fmt.Sprintf(`{"config":{"security.protocol":"SASL_PLAINTEXT","sasl.mechanisms":"PLAIN","sasl.username":%q,"sasl.password":%q},"topic":"t","delivery":"sync"}`,
		kafkatest.AdminUser, kafkatest.AdminPassword)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out := &await.Log{}
	dev := exec.Command(binary, "dev", "--listen", "127.0.0.1:0", "--brokers", k.Bootstrap(), "-f", file)
	dev.Stdout, dev.Stderr = out, out
	if err := dev.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = dev.Process.Signal(syscall.SIGTERM)
		_ = dev.Wait()
	}()
	await.True(t, "it says where it is", func() bool { return strings.Contains(out.String(), "broker ") })
	url := strings.TrimPrefix(strings.SplitN(out.String(), "\n", 2)[0], "gateway ")
	a := &apisix{t: t, url: url, client: &http.Client{}}
	a.post("anything", h{"key": "k"}, "shown").want(t, 200, "yes")
	await.True(t, "the record is shown", func() bool {
		return strings.Contains(out.String(), "record t partition=0 offset=0 key=k value=shown\n")
	})
	if strings.Contains(out.String(), kafkatest.AdminPassword) {
		t.Error("the password is shown too")
	}
}
