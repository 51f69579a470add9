package apisix_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/apache/apisix-go-plugin-runner/pkg/plugin"
	"github.com/api7/ext-plugin-proto/go/A6/HTTPRespCall"
	flatbuffers "github.com/google/flatbuffers/go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kafkaupstream/kafkaupstream/internal/extplugin"
	"github.com/kafkaupstream/kafkaupstream/internal/gateway"
	"github.com/kafkaupstream/kafkaupstream/internal/producer"
	"github.com/kafkaupstream/kafkaupstream/plugins/kafkaupstream"
	"github.com/kafkaupstream/kafkaupstream/plugins/kafkaupstream/apisix"
	"github.com/kafkaupstream/kafkaupstream/test/cli/program"
)

// The plugin keeps the contract of the stock runner and of this project's host.
var (
	_ plugin.Plugin    = (*apisix.Plugin)(nil)
	_ extplugin.Plugin = (*apisix.Plugin)(nil)
)

// stockRunner is the plugin built into the stock runner.
var stockRunner string

func TestMain(m *testing.M) {
	os.Exit(program.Main(m, &stockRunner, "./internal/stockrunner"))
}

// host serves the plugin on a socket, with a broker of its own behind it.
type host struct {
	*gateway.Client
	broker *kfake.Cluster
	socket string
	log    *program.Text
	stop   func() // delivers what is queued
}

var hosts = map[string]func(t *testing.T, socket string) *host{
	"this project's host": startOwnHost,
	"the stock runner":    startStockRunner,
}

func startOwnHost(t *testing.T, socket string) *host {
	t.Helper()
	h := &host{log: &program.Text{}}
	log := slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	pool := producer.NewPool(producer.Options{Log: log})
	server, err := extplugin.Listen(extplugin.Options{SocketPath: socket, Log: log}, apisix.New(kafkaupstream.NewHandler(kafkaupstream.HandlerOptions{Producers: pool, Log: log}), log))
	if err != nil {
		t.Fatal(err)
	}
	h.stop = func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		pool.Drain(ctx)
	}
	return h
}

func startStockRunner(t *testing.T, socket string) *host {
	t.Helper()
	p := program.Start(t, stockRunner, program.Options{
		Env: []string{"APISIX_LISTEN_ADDRESS=unix:" + socket, "APISIX_CONF_EXPIRE_TIME=3600"}})
	program.Until(t, "the stock runner listens", func() bool {
		c, err := net.Dial("unix", socket)
		if err == nil {
			c.Close()
		}
		return err == nil || p.Ended()
	})
	return &host{log: p.Stderr, stop: func() {
		p.Signal(syscall.SIGTERM)
		if code := p.Exit(); code != 0 {
			t.Errorf("the stock runner's exit code is %d", code)
		}
	}}
}

func startHost(t *testing.T, start func(*testing.T, string) *host) *host {
	t.Helper()
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, "orders", "other"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	dir, err := os.MkdirTemp("", "t") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "r.sock")
	h := start(t, socket)
	h.broker, h.socket, h.Client = broker, socket, gateway.NewClient(socket, gateway.ClientOptions{})
	t.Cleanup(func() { h.Close() })
	return h
}

// config is a route's, %s standing for the broker.
func config(rest string) string { return `{"config":{"bootstrap.servers":"%s"}` + rest + `}` }

// request is one case: what APISIX sends, and what must come back.
type request struct {
	name    string
	conf    string // with %s for the broker
	method  string // "": POST
	headers []gateway.Entry
	vars    map[string]string // that APISIX has
	body    string

	status int
	reply  map[string]any  // members that the reply has; 0 stands for any timestamp
	extra  []gateway.Entry // headers beside the content type
	media  string          // the content type; "": the plugin's own, whose replies repeat the status
	record *record         // nil: nothing reaches the broker
}

type record struct {
	topic     string
	partition int32 // or anywhere
	key       any   // string or nil
	value     string
}

// anywhere is the partition of a record whose key decides.
const anywhere int32 = -1

func header(pairs ...string) (entries []gateway.Entry) {
	for i := 0; i < len(pairs); i += 2 {
		entries = append(entries, gateway.Entry{Name: pairs[i], Value: pairs[i+1]})
	}
	return entries
}

type members = map[string]any

// outcome is what a host made of a request.
type outcome struct {
	Status  int
	Headers []gateway.Entry
	Body    string
	Asked   bool // for the request's body
	Vars    int  // how many variables were asked for
}

var timestamp = regexp.MustCompile(`"timestamp":\d+`)

func (h *host) do(t *testing.T, r *request) outcome {
	t.Helper()
	conf := strings.ReplaceAll(r.conf, "%s", h.broker.ListenAddrs()[0])
	token, err := h.PrepareConf(context.Background(), r.conf, []gateway.ConfEntry{{Name: "kafkaupstream", Value: conf}})
	if err != nil {
		t.Fatal(err)
	}
	var o outcome
	method := r.method
	if method == "" {
		method = "POST"
	}
	resp, err := h.Call(context.Background(), token, &gateway.Request{
		Method: method, Path: "/orders", SrcIP: []byte{127, 0, 0, 1}, Headers: r.headers,
		Body: func() ([]byte, error) { o.Asked = true; return []byte(r.body), nil },
		Var: func(name string) (string, bool) {
			if name != "route_id" { // under the stock runner only, for a log line
				o.Vars++
			}
			value, ok := r.vars[name]
			return value, ok
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if resp.Action != gateway.ActionStop {
		t.Fatalf("the request was let pass: %+v", resp)
	}
	o.Status, o.Headers = resp.Status, resp.Headers
	o.Body = timestamp.ReplaceAllString(string(resp.Body), `"timestamp":0`)
	slices.SortFunc(o.Headers, byName)
	return o
}

func byName(a, b gateway.Entry) int { return strings.Compare(a.Name, b.Name) }

// records are those that the host's broker has, in the order of topic, partition
// and offset, read until there are n.
func (h *host) records(t *testing.T, n int) (got []record) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(h.broker.ListenAddrs()...), kgo.ConsumeTopics("orders", "other"),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(context.Background(), program.Patience)
	defer cancel()
	for len(got) < n {
		fetches := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			t.Fatalf("only %d of %d records arrived", len(got), n)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			rec := record{topic: r.Topic, partition: r.Partition, value: string(r.Value)}
			if r.Key != nil {
				rec.key = string(r.Key)
			}
			got = append(got, rec)
		})
	}
	return got
}

func TestBodyThatThereIsNoRoomForTakesNoMemory(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	pool := producer.NewPool(producer.Options{Log: log, MaxInflightBytes: 1 << 20})
	dir, err := os.MkdirTemp("", "t")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	socket := filepath.Join(dir, "r.sock")
	server, err := extplugin.Listen(extplugin.Options{SocketPath: socket, Log: log}, apisix.New(kafkaupstream.NewHandler(kafkaupstream.HandlerOptions{Producers: pool, Log: log}), log))
	if err != nil {
		t.Fatal(err)
	}
	client := gateway.NewClient(socket, gateway.ClientOptions{})
	defer func() {
		client.Close()
		if err := server.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		pool.Close(context.Background())
	}()
	conf := gateway.ConfEntry{Name: "kafkaupstream", Value: `{"config":{"bootstrap.servers":"127.0.0.1:1","message.max.bytes":20000000},"topic":"orders","timeout_ms":5000}`}
	token, err := client.PrepareConf(context.Background(), "k", []gateway.ConfEntry{conf})
	if err != nil {
		t.Fatal(err)
	}
	body := make([]byte, gateway.MaxBody)
	const full, away = "too many requests are in flight", "no Kafka broker can be reached"
	for _, c := range []struct {
		size int
		told bool // in Content-Length
		want string
	}{
		{gateway.MaxBody, false, full}, {10, false, away},
		{gateway.MaxBody, false, full}, {500 << 10, false, away},
		{gateway.MaxBody, true, full}, {500 << 10, true, away},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		req := &gateway.Request{Method: "POST", Body: func() ([]byte, error) { return body[:c.size], nil }}
		if c.told {
			req.Headers = header("content-length", fmt.Sprint(c.size))
		}
		resp, err := client.Call(context.Background(), token, req)
		runtime.ReadMemStats(&after)
		if err != nil {
			t.Fatal(err)
		}
		if resp.Status != 503 || !strings.Contains(string(resp.Body), c.want) || !slices.Contains(resp.Headers, gateway.Entry{Name: "Retry-After", Value: "1"}) {
			t.Errorf("%d bytes: %d %s %v", c.size, resp.Status, resp.Body, resp.Headers)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 4<<20 {
			t.Errorf("%d bytes: %d bytes were allocated", c.size, n)
		}
	}
	if n := pool.Stats().InflightBytes; n != 0 {
		t.Errorf("%d bytes are held after the requests", n)
	}
}

func TestLineAboutARequestNamesItsRoute(t *testing.T) {
	for name, start := range hosts {
		t.Run(name, func(t *testing.T) {
			h := startHost(t, start)
			conf := gateway.ConfEntry{Name: "kafkaupstream", Value: `{"config":{"bootstrap.servers":"127.0.0.1:1"},"topic":"orders"}`}
			for _, route := range []string{"shop", "bank"} {
				token, err := h.PrepareConf(context.Background(), "route#"+route+"#ext-plugin-post-req#7", []gateway.ConfEntry{conf})
				if err != nil {
					t.Fatal(err)
				}
				_, err = h.Call(context.Background(), token, &gateway.Request{
					Method: "POST", Path: "/", Body: func() ([]byte, error) { return []byte("x"), nil },
					Var: func(name string) (string, bool) { return route, name == "route_id" },
				})
				if err != nil {
					t.Fatal(err)
				}
				line := `msg="a record was not delivered" route=` + route + " topic=orders status=503 error="
				program.Until(t, line, func() bool { return strings.Contains(h.log.String(), line) })
			}
			h.stop()
		})
	}
}

// lines are n headers that mean nothing, and those that follow.
func lines(n int, more ...string) (entries []gateway.Entry) {
	for i := range n {
		entries = append(entries, gateway.Entry{Name: fmt.Sprintf("x-%d", i), Value: "v"})
	}
	return append(entries, header(more...)...)
}

var jsonType = header("content-type", "application/json")

func requests() []request {
	full := config(`,"topic":"orders","headerprefix":"X-","key":"fixed","jsonkey":"id","delivery":"sync"`)
	plain := config(`,"topic":"orders","partition":1`)
	sync := config(`,"topic":"orders","partition":2,"delivery":"sync"`)
	return []request{
		{name: "an asynchronous record is queued", conf: plain, headers: jsonType, body: `{"a": 1}`, status: 200,
			reply: members{"message": "queued for Kafka", "delivered": "unknown"}, record: &record{"orders", 1, nil, `{"a":1}`}},
		{name: "the reply has the place of an acknowledged record", conf: sync, body: "text", status: 200,
			reply:  members{"delivered": "yes", "topic": "orders", "partition": 2.0, "offset": 0.0, "timestamp": 0.0},
			record: &record{"orders", 2, nil, "text"}},
		{name: "PUT produces as POST does", conf: sync, method: "PUT", body: "put", status: 200,
			reply: members{"offset": 1.0}, record: &record{"orders", 2, nil, "put"}},
		{name: "a key is taken from the body", conf: full, headers: jsonType, body: `{"id":"7"}`, status: 200, record: &record{"orders", anywhere, "7", `{"id":"7"}`}},
		{name: "the configured key is used where there is none", conf: full, body: "x", status: 200, record: &record{"orders", anywhere, "fixed", "x"}},
		{name: "headers name topic, partition and key", conf: full, body: "y", status: 200,
			headers: header("x-topic", "other", "x-partition", "0", "x-key", "k", "key", "not this"),
			reply:   members{"topic": "other", "partition": 0.0}, record: &record{"other", 0, "k", "y"}},
		{name: "the first of two values counts", conf: full, body: "z", status: 200,
			headers: header("x-partition", "1", "x-key", "one", "x-key", "two"), record: &record{"orders", 1, "one", "z"}},
		{name: "an empty body is an empty value", conf: sync, status: 200, record: &record{"orders", 2, nil, ""}},
		{name: "a binary body stays as it is", conf: sync, body: "\x00\xff\x80\n", status: 200, record: &record{"orders", 2, nil, "\x00\xff\x80\n"}},
		{name: "a body that takes several reads arrives whole", conf: sync, body: strings.Repeat("0123456789", 4_500), status: 200,
			record: &record{"orders", 2, nil, strings.Repeat("0123456789", 4_500)}},

		{name: "a topic and a key behind the hundredth header line count", conf: full, headers: lines(100), body: "behind", status: 200,
			vars: map[string]string{"http_x_topic": "other", "http_x_key": "k"}, record: &record{"other", anywhere, "k", "behind"}},
		{name: "a content type behind the hundredth header line counts", conf: full, headers: lines(100), body: `{"id": 1}`, status: 200,
			vars: map[string]string{"http_content_type": "application/json"}, record: &record{"orders", anywhere, "1", `{"id":1}`}},
		{name: "a header behind the hundredth line is refused as any other", conf: config(`,"topic":"orders","overrides":[]`), headers: lines(100), body: "x",
			vars: map[string]string{"http_topic": "other"}, status: 403},
		{name: "a topic counts that APISIX left out before a plugin took out others", conf: full, headers: lines(98), body: "taken out", status: 200,
			vars: map[string]string{"http_x_topic": "other"}, record: &record{"other", anywhere, "fixed", "taken out"}},
		{name: "of two topics, one before the hundredth line, the first counts", conf: full, headers: lines(99, "x-topic", "other"), body: "first", status: 200,
			vars: map[string]string{"http_x_topic": "other, orders"}, record: &record{"other", anywhere, "fixed", "first"}},
		{name: "few headers are not asked for", conf: full, headers: lines(80), body: "few", status: 200,
			vars: map[string]string{"http_x_topic": "other"}, record: &record{"orders", anywhere, "fixed", "few"}},
		{name: "any header can be a record's, and some are missing", conf: config(`,"topic":"orders","overrides":["headers"]`), headers: lines(100),
			body: "x", status: 431, reply: members{"delivered": "no"}},
		{name: "any header can be an attribute of an event, and some are missing", conf: config(`,"topic":"orders","cloudevents":true`),
			headers: lines(99, "ce-specversion", "1.0"), body: "x", status: 431, reply: members{"delivered": "no"}},

		{name: "invalid JSON is refused", conf: plain, headers: jsonType, body: `{"a": }`, status: 400, reply: members{"delivered": "no"}},
		{name: "a bad override is refused", conf: full, headers: header("x-partition", "first"), status: 400,
			reply: members{"message": "header x-partition: expected an integer from -1 to 2147483647"}},
		{name: "a topic that the route does not allow is refused", conf: config(`,"topic":"orders","topics":["or*"]`),
			headers: header("topic", "other"), status: 403},
		{name: "an override that the route does not allow is refused", conf: config(`,"topic":"orders","overrides":[]`), headers: header("key", "k"), status: 403},
		{name: "a topic that is not there is not found", conf: sync, headers: header("topic", "absent"), status: 404, reply: members{"message": "the topic does not exist"}},
		{name: "a partition that is not there is not found", conf: sync, headers: header("partition", "9"), status: 404},
		{name: "a client of the REST Proxy is answered in its media type", conf: config(`,"topic":"orders","dialects":["confluent"],"partition":2,"delivery":"sync"`),
			headers: header("content-type", "application/vnd.kafka.binary.v2+json"), body: `{"records":[{"value":"cHJveHk="}]}`, status: 200,
			media: "application/vnd.kafka.v2+json", record: &record{"orders", 2, nil, "proxy"}},
		{name: "and refused in it", conf: config(`,"topic":"orders","dialects":["confluent"]`), headers: header("content-type", "application/vnd.kafka.avro.v2+json"),
			body: `{}`, status: 415, media: "application/vnd.kafka.v2+json", reply: members{"error_code": 415.0}},
		{name: "a sender of events asks whether it may", conf: config(`,"topic":"orders","cloudevents":true,"webhook_origins":["a.example"]`), method: "OPTIONS", status: 200,
			headers: header("webhook-request-origin", "a.example", "webhook-request-rate", "60"),
			extra:   header("Webhook-Allowed-Origin", "a.example", "Webhook-Allowed-Rate", "60")},
		{name: "GET is not allowed", conf: plain, method: "GET", status: 405, extra: header("Allow", "POST, PUT, PATCH")},
		{name: "a long body is refused", conf: config(`,"topic":"orders","max_body_bytes":3`), body: "long", status: 413},
		{name: "what is announced as too long is not even fetched", conf: config(`,"topic":"orders","max_body_bytes":3`),
			headers: header("content-length", "4"), status: 413},
		{name: "what is announced as larger than APISIX's protocol carries is refused by the plugin", status: 413, headers: header("content-length", "16777189"),
			conf: `{"config":{"bootstrap.servers":"%s","message.max.bytes":20000000},"topic":"orders"}`, reply: members{"message": "the body has 16777189 bytes, the limit is 16777188"}},
		{name: "what is not JSON is refused where JSON is required", conf: config(`,"topic":"orders","require":["json"]`), body: "x", status: 415},
		{name: "a body that the gateway lost is not taken for an empty one", conf: sync, headers: header("content-length", "5"), status: 503,
			extra: header("Retry-After", "1")},
		{name: "nor is one of which only the gateway knows how long it was", conf: sync, vars: map[string]string{"content_length": "5"}, status: 503,
			extra: header("Retry-After", "1")},
		{name: "without a broker the client is asked to come again", conf: `{"config":{"bootstrap.servers":"127.0.0.1:1"},"topic":"orders"}`,
			body: "x", status: 503, extra: header("Retry-After", "1"), reply: members{"message": "no Kafka broker can be reached", "delivered": "no"}},
	}
}

func TestHostsAnswerAlike(t *testing.T) {
	outcomes := map[string][]outcome{}
	for name, start := range hosts {
		t.Run(name, func(t *testing.T) {
			h := startHost(t, start)
			var want []record
			for _, r := range requests() {
				o := h.do(t, &r)
				outcomes[name] = append(outcomes[name], o)
				if r.record != nil {
					want = append(want, *r.record)
				}
				t.Run(r.name, func(t *testing.T) { r.verify(t, o) })
			}
			h.stop()
			compareRecords(t, h.records(t, len(want)), want)
		})
	}
	own, stock := outcomes["this project's host"], outcomes["the stock runner"]
	for i, r := range requests() {
		if !reflect.DeepEqual(own[i], stock[i]) {
			t.Errorf("%s:\nthis project's host %+v\nthe stock runner    %+v", r.name, own[i], stock[i])
		}
	}
}

func (r *request) verify(t *testing.T, o outcome) {
	t.Helper()
	want := slices.Concat(r.extra, header("Content-Type", cmp.Or(r.media, "application/json")))
	slices.SortFunc(want, byName)
	if o.Status != r.status || !slices.Equal(o.Headers, want) {
		t.Errorf("got %d %v; want %d %v", o.Status, o.Headers, r.status, want)
	}
	var reply members
	if err := json.Unmarshal([]byte(o.Body), &reply); err != nil || r.media == "" && reply["code"] != float64(r.status) {
		t.Errorf("%v: %s", err, o.Body)
	}
	for name, want := range r.reply {
		if reply[name] != want {
			t.Errorf("%s is %v, want %v", name, reply[name], want)
		}
	}
}

// compareRecords compares without order between partitions, which there is none.
func compareRecords(t *testing.T, got, want []record) {
	t.Helper()
	for _, w := range want {
		i := slices.IndexFunc(got, func(g record) bool {
			return g.topic == w.topic && g.key == w.key && g.value == w.value && (w.partition == anywhere || g.partition == w.partition)
		})
		if i < 0 {
			t.Errorf("the broker lacks %.100v", fmt.Sprint(w))
			continue
		}
		got = slices.Delete(got, i, i+1)
	}
	for _, g := range got {
		t.Errorf("the broker has besides %.100v", fmt.Sprint(g))
	}
}

// APISIX and the stock runner skip a plugin whose ParseConf fails, and forward the
// request to the route's upstream.
func TestInvalidConfigurationNeverFailsOpen(t *testing.T) {
	cases := []struct{ name, conf, reason string }{
		{"a key that does not exist", config(`,"topicc":"orders"`), `topicc: unknown key; did you mean \"topic\"?`},
		{"a value of the wrong type", config(`,"partition":"first"`), "partition: expected an integer"},
		{"a property that may not be set", `{"config":{"plugin.library.paths":"x"}}`, "config.plugin.library.paths: it may not be set"},
		{"a property that librdkafka does not know", `{"config":{"bootstrap.servers":"%s","no.such.property":1},"topic":"orders"}`, "no.such.property"},
		{"sync delivery that nobody acknowledges", `{"config":{"bootstrap.servers":"%s","acks":"0x0"},"topic":"orders","delivery":"sync"}`, "config.acks: sync delivery needs acknowledgements: all, or 1"},
		{"no JSON", "moin", "the configuration is not valid JSON"},
		{"nothing", "", "the configuration is not valid JSON"},
	}
	for name, start := range hosts {
		t.Run(name, func(t *testing.T) {
			h := startHost(t, start)
			defer h.stop()
			for _, c := range cases {
				t.Run(c.name, func(t *testing.T) {
					r := request{conf: c.conf, body: "x", status: 500}
					o := h.do(t, &r)
					r.verify(t, o)
					if want := `{"code":500,"message":"the route's configuration is invalid","delivered":"no"}` + "\n"; o.Body != want {
						t.Errorf("got %s", o.Body)
					}
					program.Until(t, "the reason is logged: "+c.reason, func() bool { return strings.Contains(h.log.String(), c.reason) })
				})
			}
		})
	}
}

func TestDoubtfulConfigurationIsServedAndLogged(t *testing.T) {
	h := startHost(t, startOwnHost)
	defer h.stop()
	r := request{conf: config(`,"topic":"orders","jsonkey":"$.id"`), body: "x", status: 200}
	r.verify(t, h.do(t, &r))
	const want = ` plugin=kafkaupstream warning="jsonkey: it looks like JSONPath; jsonkey is a gjson path, and this one finds no key in most bodies; did you mean \"id\"?"`
	if log := h.log.String(); !strings.Contains(log, `level=WARN msg="a route's configuration is doubtful" route=`) || !strings.Contains(log, want) {
		t.Errorf("it is not in the log:\n%s", log)
	}
}

func TestInvalidConfigurationIsOneLineWithEveryProblem(t *testing.T) {
	h := startHost(t, startOwnHost)
	defer h.stop()
	conf := gateway.ConfEntry{Name: "kafkaupstream", Value: `{"config":{},"topicc":"orders","partition":"first"}`}
	if _, err := h.PrepareConf(context.Background(), "route#shop#ext-plugin-post-req#7", []gateway.ConfEntry{conf}); err != nil {
		t.Fatal(err)
	}
	lines := h.log.Lines()
	if len(lines) != 1 {
		t.Fatalf("%d lines: %q", len(lines), lines)
	}
	for _, part := range []string{"level=ERROR", "are answered 500", "route=shop", "plugin=kafkaupstream", "topicc: unknown key", "; partition: expected an integer"} {
		if !strings.Contains(lines[0], part) {
			t.Errorf("it lacks %q: %s", part, lines[0])
		}
	}
}

func TestUpstreamsResponseIsLeftAlone(t *testing.T) {
	for name, start := range hosts {
		t.Run(name, func(t *testing.T) {
			h := startHost(t, start)
			defer h.stop()
			conf := fmt.Sprintf(config(`,"topic":"orders"`), h.broker.ListenAddrs()[0])
			token, err := h.PrepareConf(context.Background(), "key", []gateway.ConfEntry{{Name: "kafkaupstream", Value: conf}})
			if err != nil {
				t.Fatal(err)
			}
			typ, payload := exchange(t, h.socket, 4, func(b *flatbuffers.Builder) flatbuffers.UOffsetT {
				HTTPRespCall.ReqStart(b)
				HTTPRespCall.ReqAddId(b, 7)
				HTTPRespCall.ReqAddStatus(b, 201)
				HTTPRespCall.ReqAddConfToken(b, token)
				return HTTPRespCall.ReqEnd(b)
			})
			r := HTTPRespCall.GetRootAsResp(payload, 0)
			if typ != 4 || r.Id() != 7 || r.Status() != 0 || r.HeadersLength() != 0 || r.BodyLength() != 0 {
				t.Errorf("got a frame of type %d: %x", typ, payload)
			}
		})
	}
}

// exchange sends one frame of the type on a connection of its own and returns the answer.
func exchange(t *testing.T, socket string, typ byte, build func(*flatbuffers.Builder) flatbuffers.UOffsetT) (byte, []byte) {
	t.Helper()
	c, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	b := flatbuffers.NewBuilder(64)
	b.Finish(build(b))
	n := len(b.FinishedBytes())
	if _, err := c.Write(append([]byte{typ, byte(n >> 16), byte(n >> 8), byte(n)}, b.FinishedBytes()...)); err != nil {
		t.Fatal(err)
	}
	head := make([]byte, 4)
	if _, err := io.ReadFull(c, head); err != nil {
		t.Fatal(err)
	}
	payload := make([]byte, int(head[1])<<16|int(head[2])<<8|int(head[3]))
	if _, err := io.ReadFull(c, payload); err != nil {
		t.Fatal(err)
	}
	return head[0], payload
}
