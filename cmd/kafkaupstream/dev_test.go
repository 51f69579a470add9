package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kafkaupstream/kafkaupstream/test/cli/program"
	"github.com/kafkaupstream/kafkaupstream/test/devtest"
)

// devProcess is a running `kafkaupstream dev`.
type devProcess struct {
	*devtest.Gateway
	tmp string // its folder for temporary files
}

func startDev(t *testing.T, args ...string) *devProcess {
	t.Helper()
	tmp := shortDir(t)
	return &devProcess{devtest.Start(t, binary, program.Options{Args: args, Env: []string{"TMPDIR=" + tmp}}), tmp}
}

// shortDir is a folder whose path leaves room for a Unix socket's name.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "t")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// interrupt is Ctrl-C. What dev says on standard error in an ordinary run is nothing.
func (d *devProcess) interrupt(t *testing.T) (took time.Duration) {
	t.Helper()
	start := time.Now()
	d.Signal(syscall.SIGINT)
	if code := d.Exit(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	took = time.Since(start)
	if s := d.Stderr.String(); s != "" {
		t.Errorf("on standard error: %s", s)
	}
	if left, err := os.ReadDir(d.tmp); err != nil || len(left) > 0 {
		t.Errorf("left in the temporary folder: %v, %v", left, err)
	}
	if !d.GroupEmpty() {
		t.Error("a process is left")
	}
	return took
}

// records are the lines of records so far.
func (d *devProcess) records() []string {
	return slices.DeleteFunc(d.Stdout.Lines(), func(line string) bool { return !strings.HasPrefix(line, "record ") })
}

func (d *devProcess) waitForRecord(t *testing.T, parts ...string) {
	t.Helper()
	program.Until(t, fmt.Sprintf("a record's line with %q", parts), func() bool {
		return slices.ContainsFunc(d.records(), func(line string) bool {
			return !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(line, part) })
		})
	})
}

// With README's own configuration requests go to a broker of which dev knows nothing.
func TestDevSaysWhichRoutesHaveBrokersOfTheirOwn(t *testing.T) {
	const file = `{"routes":[{"id":"a","match":{"path":"/a"},"config":{"bootstrap.servers":"kafka:9092"}},{"id":"b","match":{"path":"/b"},"config":{}},
		{"id":"c","match":{"path":"/c"},"transport_url":"kafka://k1:1,k2:2/v"}]}`
	env, _, _ := fakeProcess(nil, "--front", "http")
	o, err := readDevOptions(env)
	if err != nil {
		t.Fatal(err)
	}
	o.text, o.brokers = []byte(file), "127.0.0.1:1"
	var said bytes.Buffer
	if err := o.readRoutes(&said); err != nil || said.String() != "kafkaupstream dev: route a has brokers of its own: kafka:9092\nkafkaupstream dev: route c has brokers of its own: k1:1,k2:2\n" {
		t.Errorf("%v: %s", err, &said)
	}
}

// A page of somebody else's needs no answer: a simple POST is enough to produce a record.
func TestDevRefusesOtherWebPages(t *testing.T) {
	t.Parallel()
	d := startDev(t, "--allow-origin", "http://localhost:3000,http://localhost:3001")
	for _, c := range []struct {
		from, origin, site string
		want               int
	}{
		{"another page", "https://evil.example", "cross-site", 403},
		{"another page, in an older browser", "https://evil.example", "", 403},
		{"a page without an origin", "null", "", 403},
		{"the console", d.URL, "same-origin", 200},
		{"a page that is allowed", "http://localhost:3001", "cross-site", 200},
		{"a program", "", "", 200},
	} {
		headers := []string{"content-type", "text/plain"}
		if c.origin != "" {
			headers = append(headers, "origin", c.origin)
		}
		if c.site != "" {
			headers = append(headers, "sec-fetch-site", c.site)
		}
		if got := program.Send(t, "POST", d.URL+"/x", "of "+c.from, headers...); got.Status != c.want {
			t.Errorf("%s: %+v, want %d", c.from, got, c.want)
		}
	}
	d.waitForRecord(t, "value=of a program")
	if all := strings.Join(d.records(), "\n"); strings.Contains(all, "another") || strings.Contains(all, "without") {
		t.Errorf("records of other pages:\n%s", all)
	}
}

// As APISIX, the gateway hands 100 header lines over, and has the others as variables.
func TestDevKnowsHeadersBehindTheHundredth(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	headers := []string{"topic", "behind", "key", "k", "content-type", "application/json"}
	for i := range 110 { // which are before them in the order of names
		headers = append(headers, fmt.Sprintf("a-%d", i), "v")
	}
	d.PutRoute(t, "orders", `{"config":{},"topic":"orders","overrides":["key"]}`)
	if got := program.Send(t, "POST", d.URL+"/orders", "x", headers...); got.Status != 403 {
		t.Errorf("a topic that is not allowed: %+v", got)
	}
	d.PutRoute(t, "orders", `{"config":{},"topic":"orders","delivery":"sync","partition":0}`)
	if got := program.Send(t, "POST", d.URL+"/orders", `{"a": 1}`, headers...); got.Status != 200 || !strings.Contains(got.Body, `"topic":"behind"`) {
		t.Errorf("a topic that is allowed: %+v", got)
	}
	d.PutRoute(t, "seen", `{"config":{},"topic":"seen","key":"$cookie_session","overrides":[]}`)
	if got := program.Send(t, "POST", d.URL+"/seen", `x`, "cookie", "a=b; session=s7"); got.Status != 200 {
		t.Errorf("a cookie: %+v", got)
	}
	d.waitForRecord(t, "record seen", "key=s7")
	if got := program.Send(t, "POST", d.URL+"/seen", `x`); got.Status != 400 || !strings.Contains(got.Body, "$cookie_session") {
		t.Errorf("without the cookie: %+v", got)
	}
}

const jsonType = "application/json"

func TestDevAnswersAndShowsWhatReachesTheBroker(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	cases := []struct {
		name    string
		method  string
		body    string
		headers []string
		status  int
		reply   string
		record  []string // parts of its line; nil: there is none
	}{
		{"JSON is compacted", "POST", `{"a": 1}`, []string{"content-type", jsonType}, 200,
			`{"code":200,"message":"written to Kafka","delivered":"yes","topic":"kafkaupstream","partition":`,
			[]string{"record kafkaupstream partition=", "offset=", "key=null", `value={"a":1}`}},
		{"a header sets the key", "POST", `{"b":2}`, []string{"content-type", jsonType, "key", "k-1"}, 200, "",
			[]string{"record kafkaupstream ", "key=k-1", `value={"b":2}`}},
		{"a header sets the topic", "POST", `{"c":3}`, []string{"content-type", jsonType, "topic", "another"}, 200, "",
			[]string{"record another ", `value={"c":3}`}},
		{"what is not JSON comes as it is", "POST", "plain  text", nil, 200, "", []string{"value=plain  text"}},
		{"invalid JSON is refused", "POST", `{"never": `, []string{"content-type", jsonType}, 400, `"code":400`, nil},
		{"GET produces nothing", "GET", "", nil, 405, `"code":405`, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := program.Send(t, c.method, d.URL+"/any/path", c.body, c.headers...)
			if got.Status != c.status || !strings.Contains(got.Body, c.reply) || got.Header.Get("Content-Type") != jsonType || !strings.HasSuffix(got.Body, "}\n") {
				t.Errorf("got %+v", got)
			}
			if allow := got.Header.Get("Allow"); (c.status == 405) != (allow == "POST, PUT, PATCH") {
				t.Errorf("Allow: %q", allow)
			}
			if c.record != nil {
				d.waitForRecord(t, c.record...)
			}
		})
	}
	d.interrupt(t)
	if got := d.records(); len(got) != 4 {
		t.Errorf("four records were sent, these were shown:\n%s", strings.Join(got, "\n"))
	}
}

func TestDevTakesRoutesAsAPISIXDoes(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	if got := d.PutRoute(t, "x", `{"config":{"acks":"all"},"topic":"orders","headerprefix":"X-Kafka-","delivery":"sync"}`); got.Status != 201 {
		t.Fatalf("the route was answered %+v", got)
	}
	got := program.Send(t, "POST", d.URL+"/x", `{"n": 1}`, "content-type", jsonType, "x-kafka-key", "k", "key", "not this one")
	var reply struct {
		Code      int
		Delivered string
		Topic     string
		Partition *int32
		Offset    *int64
		Timestamp int64
	}
	if err := json.Unmarshal([]byte(got.Body), &reply); err != nil {
		t.Fatalf("%v: %s", err, got.Body)
	}
	if got.Status != 200 || reply.Delivered != "yes" || reply.Topic != "orders" || reply.Partition == nil || reply.Offset == nil || *reply.Offset != 0 || reply.Timestamp == 0 {
		t.Fatalf("got %d %s", got.Status, got.Body)
	}
	d.waitForRecord(t, fmt.Sprintf("record orders partition=%d offset=0 key=k ", *reply.Partition), `value={"n":1}`)

	t.Run("a configuration that cannot be used is answered 500, with the reason in the log", func(t *testing.T) {
		d.PutRoute(t, "bad", `{"config":{},"topic":"a","topic":"b"}`)
		got := program.Send(t, "POST", d.URL+"/bad", "")
		if got.Status != 500 || strings.Contains(got.Body, "twice") {
			t.Errorf("got %+v", got)
		}
		program.Until(t, "the reason is logged", func() bool { return strings.Contains(d.Stderr.String(), "given twice") })
	})
}

func TestDevTakesItsRouteFromAFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "route.json")
	if err := os.WriteFile(file, []byte(`{"config": {}, "topic": "filed", "key": "fixed"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	d := startDev(t, "-f", file)
	if got := program.Send(t, "POST", d.URL+"/", "v"); got.Status != 200 {
		t.Fatalf("got %+v", got)
	}
	d.waitForRecord(t, "record filed ", "key=fixed", "value=v")
	d.interrupt(t)
}

const (
	ordersConf = `{"config":{},"topic":"orders","delivery":"sync"}`
	ordersYAML = "routes:\n  - id: orders\n    uri: /orders/*\n    methods: [POST]\n    plugins:\n      key-auth: {}\n      ext-plugin-post-req:\n        conf: [{name: kafkaupstream, value: '" + ordersConf + "'}]\n"
	ownFile    = "defaults: {config: {}, delivery: sync}\nroutes:\n  - {id: orders, match: {path: /orders/*, methods: POST}, topic: orders}\n  - {id: refunds, match: {path: /refunds, host: a.example}, topic: refunds}\n"
)

func TestDevReadsTheFilesThatCheckReads(t *testing.T) {
	quoted, _ := json.Marshal(ordersConf)
	plugins := `"plugins":{"ext-plugin-post-req":{"conf":[{"name":"other","value":"x"},{"name":"kafkaupstream","value":` + string(quoted) + `}]}}`
	for _, c := range []struct{ name, text, want string }{
		{"the plugin's configuration", ordersConf, "dev [] [/*]"},
		{"a route of APISIX", `{"id":"o","uris":["/a","/b"],"methods":["PUT"],` + plugins + `}`, "o [PUT] [/a /b]"},
		{"a route whose path is its name", `{"uri":"/a",` + plugins + `}`, "dev-0 [] [/a]"},
		{"an answer of the Admin API", `{"key":"/apisix/routes/1","value":{"uri":"/a",` + plugins + `}}`, "1 [] [/a]"},
		{"a service, which has no path", `{"key":"/apisix/services/1","value":{` + plugins + `}}`, "1 [] [/*]"},
		{"plugins that were cut out", `{` + plugins + `}`, "dev [] [/*]"},
		{"a list, of which one is disabled", `{"list":[{"value":{"id":"x","status":0,"uri":"/x",` + plugins + `}},{"value":{"id":"a","uri":"/a",` + plugins + `}}]}`, "a [] [/a]"},
		{"two of the same name", `[{"id":"a","uri":"/a",` + plugins + `},{"id":"a","uri":"/b",` + plugins + `}]`, "a [] [/a], dev-1 [] [/b]"},
		{"apisix.yaml with a key that APISIX has not", strings.Replace(ordersYAML, "methods:", "method:", 1) + "#END", "orders [] [/orders/*]; route orders: method: APISIX's routes have no such key, so APISIX refuses the route; did you mean \"methods\"?; route orders: dev does without plugins.key-auth"},
		{"apisix.yaml", ordersYAML + "#END", "orders [POST] [/orders/*]; route orders: dev does without plugins.key-auth"},
		{"a file of serve's", ownFile, "orders [POST] [/orders/*], refunds [] [/refunds] [a.example]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := readDevFile([]byte(c.text), frontAPISIX, func(string) (string, error) { return "", errors.New("no variable") })
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range f.routes {
				got = append(got, strings.TrimSuffix(fmt.Sprint(r.ID, " ", r.Methods, " ", r.URIs, " ", r.Hosts), " []"))
				if err := r.Validate(); err != nil {
					t.Error(err)
				}
			}
			if all := strings.Join(append([]string{strings.Join(got, ", ")}, f.doubts...), "; "); all != c.want {
				t.Errorf("got  %s\nwant %s", all, c.want)
			}
		})
	}
}

func TestDevPointsIntoTheFile(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, want string }{
		{"no JSON", `{"config": {},, "topic": "x"}`, "FILE: the route's configuration is invalid:\nthe configuration is not valid JSON: error at line 1, column 15: expected the name of a member, in double quotes\n"},
		{"more than one value", `{"config": {}} {}`, "FILE: the route's configuration is invalid:\nthe configuration goes on after its end: error at line 1, column 16: expected nothing after the value\n"},
		{"a wrong key of a file of serve's", strings.Replace(ownFile, "topic: refunds", "topicc: refunds", 1), "FILE routes[1]: the route's configuration is invalid:\ntopicc: unknown key"},
		{"a route of apisix.yaml", strings.Replace(ordersYAML, `"topic"`, `"topicc"`, 1) + "#END", "FILE routes[0].plugins.ext-plugin-post-req.conf[0].value: the route's configuration is invalid:\ntopicc: unknown key"},
		{"a path that dev does not have", strings.Replace(ownFile, "path: /refunds", "path: '/r/{id}'", 1), "FILE: routes[1]: match.path: \"/r/{id}\": dev's gateway has no names in paths"},
		{"no plugin of this name", `{"uri":"/a","plugins":{}}`, "FILE: no route in it has the plugin kafkaupstream\n"},
		{"nothing", "", "FILE: it is empty\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := write(t, c.text)
			p, code := program.Run(t, binary, program.Options{Args: []string{"dev", "--listen", "127.0.0.1:0", "-f", file}})
			if want := "kafkaupstream: " + strings.Replace(c.want, "FILE", file, 1); code != 1 || !strings.HasSuffix(p.Stderr.String(), want) && !strings.Contains(p.Stderr.String(), want) {
				t.Errorf("exit code %d, stderr %s\nwant %s", code, p.Stderr, want)
			}
		})
	}
}

func TestDevTakesRoutesFromStandardInputAndServesMetrics(t *testing.T) {
	t.Parallel()
	address := program.FreeAddress(t)
	d := &devProcess{devtest.Start(t, binary, program.Options{Args: []string{"-f", "-", "--admin", address}, Stdin: strings.NewReader(ownFile)}), ""}
	for path, want := range map[string]int{"/orders/1": 200, "/elsewhere": 404} {
		if got := program.Send(t, "POST", d.URL+path, "v"); got.Status != want {
			t.Errorf("%s: %+v, want %d", path, got, want)
		}
	}
	d.waitForRecord(t, "record orders ", "value=v")
	waitForMetric(t, address, `kafkaupstream_requests_total{code="200"}`, 1)
	if want := "metrics http://" + address + "/metrics"; !slices.Contains(d.Stdout.Lines(), want) {
		t.Errorf("it does not say %s:\n%s", want, d.Stdout)
	}
}

func TestDevOnAPortThatIsTaken(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	tmp := shortDir(t)
	for _, flag := range []string{"--listen", "--admin"} {
		p, code := program.Run(t, binary, program.Options{
			Args: []string{"dev", "--listen", "127.0.0.1:0", flag, l.Addr().String()}, Env: []string{"TMPDIR=" + tmp}})
		if code != 1 || p.Stdout.String() != "" || !strings.Contains(p.Stderr.String(), "kafkaupstream: "+flag+": "+l.Addr().String()+" is in use: "+flag+" takes another address\n") {
			t.Errorf("exit code %d, stdout %q, stderr %q", code, p.Stdout, p.Stderr)
		}
	}
	if left, _ := os.ReadDir(tmp); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestDevWhoseOutputNobodyReadsLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	tmp, address := shortDir(t), program.FreeAddress(t)
	pipe := program.Start(t, "/bin/bash", program.Options{
		Args: []string{"-c", binary + " dev --listen " + address + " | head -1; exit ${PIPESTATUS[0]}"}, Env: []string{"TMPDIR=" + tmp}})
	program.Until(t, "it ends with its next record, "+tmp, func() bool {
		_, _ = program.Try("POST", "http://"+address+"/", "x") // once it has ended nobody answers
		return pipe.Ended()
	})
	if code := pipe.Exit(); code != 0 {
		t.Errorf("exit code %d, stderr %s", code, pipe.Stderr)
	}
	if left, _ := os.ReadDir(tmp); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestDevsDoNotDisturbEachOther(t *testing.T) {
	t.Parallel()
	a, b := startDev(t), startDev(t)
	if a.URL == b.URL || a.Broker == b.Broker {
		t.Fatalf("both have %s, %s", a.URL, a.Broker)
	}
	for _, d := range []*devProcess{a, b} {
		if got := program.Send(t, "POST", d.URL+"/", "of "+d.URL); got.Status != 200 {
			t.Fatalf("got %+v", got)
		}
		d.waitForRecord(t, "value=of "+d.URL)
	}
	a.interrupt(t)
	if got := program.Send(t, "POST", b.URL+"/", "after"); got.Status != 200 {
		t.Errorf("once the other has gone: %+v", got)
	}
	b.waitForRecord(t, "value=after")
	b.interrupt(t)
	if len(a.records()) != 1 || len(b.records()) != 2 {
		t.Errorf("shown:\n%s\n%s", a.Stdout, b.Stdout)
	}
}

// prompt is how long Ctrl-C may take; it takes 20 to 80 ms.
const prompt = 500 * time.Millisecond

func TestCtrlCEndsDevPromptly(t *testing.T) {
	cases := []struct {
		name string
		use  func(t *testing.T, d *devProcess)
	}{
		{"before any request", func(*testing.T, *devProcess) {}},
		{"after a request, its connection kept alive", func(t *testing.T, d *devProcess) {
			program.Send(t, "POST", d.URL+"/", "v")
			d.waitForRecord(t, "value=v")
		}},
		{"right after a request", func(t *testing.T, d *devProcess) { program.Send(t, "POST", d.URL+"/", "v") }},
		{"after an acknowledged one", func(t *testing.T, d *devProcess) {
			d.PutRoute(t, "s", `{"config":{},"topic":"s","delivery":"sync"}`)
			program.Send(t, "POST", d.URL+"/s", "v")
		}},
		{"with a connection that a browser has opened ahead", func(t *testing.T, d *devProcess) {
			c, err := net.Dial("tcp", strings.TrimPrefix(d.URL, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
			program.Send(t, "POST", d.URL+"/", "v") // by now it is accepted
		}},
		{"with pages of the console open", func(t *testing.T, d *devProcess) {
			d.openStream(t)
			d.openStream(t)
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			d := startDev(t)
			c.use(t, d)
			if took := d.interrupt(t); took > prompt {
				t.Errorf("it took %v", took)
			} else {
				t.Logf("it took %v", took)
			}
		})
	}
}

func TestCtrlCCutsOffARequestThatNeverEnds(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	c, err := net.Dial("tcp", strings.TrimPrefix(d.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n")
	if _, err := io.ReadFull(c, make([]byte, len("HTTP/1.1 100 Continue"))); err != nil { // now the body is waited for
		t.Fatal(err)
	}
	d.interrupt(t)
}

func TestBrokersAreFilledInWhereThereAreNone(t *testing.T) {
	cases := []struct{ name, conf, want string }{
		{"into an empty config", `{"config":{}}`, `{"config":{"bootstrap.servers":"b:1"}}`},
		{"before other properties, which stay as they are written", `{ "config" : { "acks" : 1e0 }, "key": "<é>" }`,
			`{ "config" : {"bootstrap.servers":"b:1", "acks" : 1e0 }, "key": "<é>" }`},
		{"not beside those there are", `{"config":{"bootstrap.servers":"a:1"}}`, `{"config":{"bootstrap.servers":"a:1"}}`},
		{"nor beside their other name", `{"config":{"metadata.broker.list":"a:1"}}`, `{"config":{"metadata.broker.list":"a:1"}}`},
		{"a key given twice is left to be refused", `{"config":{},"topic":"a","topic":"b"}`, `{"config":{"bootstrap.servers":"b:1"},"topic":"a","topic":"b"}`},
		{"no config is left to be refused", `{"topic":"a"}`, `{"topic":"a"}`},
		{"null is no config", `{"config":null}`, `{"config":null}`},
		{"a list is no config", `{"config":[]}`, `{"config":[]}`},
		{"a list is no configuration", `[{"config":{}}]`, `[{"config":{}}]`},
		{"invalid JSON is left to be refused", `{"config":{}`, `{"config":{}`},
		{"nothing is left to be refused", ``, ``},
		{"not beside a transport URL's", `{"config":{},"transport_url":"kafka://a"}`, `{"config":{},"transport_url":"kafka://a"}`},
		{"nor for one that is left to be refused", `{"config":{},"transport_url":"a"}`, `{"config":{},"transport_url":"a"}`},
		{"beside a transport URL that has none", `{"transport_url":"kafka:///v","config":{"acks":1}}`, `{"transport_url":"kafka:///v","config":{"bootstrap.servers":"b:1","acks":1}}`},
		{"beside such a transport URL alone", `{"topic":"a","transport_url":"kafka:///v"}`, `{"config":{"bootstrap.servers":"b:1"},"topic":"a","transport_url":"kafka:///v"}`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := withBrokers(c.conf, "b:1"); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// The same dev with serve's front: names in paths, a gateway's word in headers, the console.
func TestDevServesPlainHTTP(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "routes.yaml")
	const routes = `
defaults: {delivery: sync, config: {}}
routes:
  - {id: lines, match: {path: "/orders/{id}/lines"}, topic: lines, key: $consumer_name, record_headers: {user: $remote_user, a: b}}
  - {id: audit, match: {path: /audit/*, methods: [POST]}, topic: audit, delivery: durable}
`
	if err := os.WriteFile(file, []byte(routes), 0o600); err != nil {
		t.Fatal(err)
	}
	admin := program.FreeAddress(t)
	d := startDev(t, "--front", "http", "-f", file, "--admin", admin, "--variable", "remote_user=x-user")
	if got := program.Send(t, "POST", d.URL+"/orders/7/lines", "x", "x-consumer-username", "joe", "x-user", "u"); got.Status != 200 || !strings.Contains(got.Body, `"topic":"lines"`) {
		t.Errorf("%+v", got)
	}
	d.waitForRecord(t, "record lines", "key=joe", "value=x")
	if got := program.Send(t, "POST", d.URL+"/audit/a", "y"); got.Status != 200 {
		t.Errorf("%+v", got)
	}
	d.waitForRecord(t, "record audit", "value=y")
	for request, want := range map[string]int{"POST /": 404, "PUT /audit/a": 405, "GET /apisix/admin/routes": 404} {
		method, path, _ := strings.Cut(request, " ")
		if got := program.Send(t, method, d.URL+path, "z"); got.Status != want {
			t.Errorf("%s: %+v", request, got)
		}
	}
	if got := program.Send(t, "GET", d.Console+"routes", ""); got.Status != 200 || !strings.Contains(got.Body, `"/orders/{id}/lines"`) || !strings.Contains(got.Body, `"/audit/*"`) {
		t.Errorf("%+v", got)
	}
	if n := samplesOf(admin)["kafkaupstream_http_routes"]; n != 2 {
		t.Error(n, "routes in the metrics")
	}
	if status, body := fetch(admin, "/readyz"); status != 200 || !strings.Contains(body, `"ready": true`) {
		t.Error("it is not ready:", status, body)
	}
	d.interrupt(t)
}

// What dev takes for a configuration, a route of APISIX or its apisix.yaml, it takes with either front.
func TestDevFileIsTheSameForBothFronts(t *testing.T) {
	for text, want := range map[string]string{
		`{"topic":"t"}`: "dev [/{rest...}] [] []",
		`{"uri":"/a/*","methods":["POST"],"host":"h.example","plugins":{"ext-plugin-post-req":{"conf":[{"name":"kafkaupstream","value":"{}"}]}}}`: "dev-0 [/a/{rest...}] [POST] [h.example]",
		"routes: [{id: a, match: {path: [/a, '/{x}/b/*', /c/]}, topic: t}]":                                                                       "a [/a /{x}/b/{rest...} /c/{$}] [] []",
		`{"uri":"/a*","plugins":{"ext-plugin-post-req":{"conf":[{"name":"kafkaupstream","value":"{}"}]}}}`:                                        `plugins.ext-plugin-post-req.conf[0].value: path: "/a*": * stands at the end of a path only, after /`,
	} {
		f, err := readDevFile([]byte(text), frontHTTP, func(string) (string, error) { return "", errors.New("no variable") })
		got := ""
		if err != nil {
			got = err.Error()
		} else {
			r := f.plain[0]
			got = fmt.Sprint(r.ID, " ", r.Paths, " ", r.Methods, " ", r.Hosts)
		}
		if got != want {
			t.Errorf("%s\n got %s\nwant %s", text, got, want)
		}
	}
}
