package httpfront

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/internal/routefile"
	"github.com/kafkaupstream/kafkaupstream/plugins/kafkaupstream"
	"github.com/kafkaupstream/kafkaupstream/test/await"
)

// kafka takes every record, and has room for so many bytes.
type kafka struct {
	mu         sync.Mutex
	records    []string // topic, key and value
	room, held int
	most       int
	wait       chan struct{} // nil: records are acknowledged at once
	asked      chan struct{} // gets one for each record, where wait is set
}

func (k *kafka) Way(*kafkaconf.Connection, bool) record.Way { return k }
func (k *kafka) Together(*kafkaconf.Connection) record.Way  { return k }
func (k *kafka) Transactions() bool                         { return false }
func (k *kafka) Warm(*kafkaconf.Connection)                 {}
func (k *kafka) Release(_ *kafkaconf.Connection, n int)     { k.take(-n) }
func (k *kafka) Hold(_ *kafkaconf.Connection, n int) bool   { return k.take(n) }

func (k *kafka) holds() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.held
}

func (k *kafka) take(n int) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if n > 0 && k.room > 0 && k.held+n > k.room {
		return false
	}
	k.held += n
	k.most = max(k.most, k.held)
	return true
}

func (k *kafka) Deliver(_ context.Context, b *record.Batch) {
	for i := range b.Records {
		r := &b.Records[i]
		if k.wait != nil {
			k.asked <- struct{}{}
			<-k.wait
		}
		k.mu.Lock()
		k.records = append(k.records, fmt.Sprintf("%s %s %s", r.Topic, r.Key, r.Value))
		b.Outcomes[i].Ack = record.Ack{Offset: int64(len(k.records))}
		k.mu.Unlock()
	}
}

func (k *kafka) last() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.records) == 0 {
		return ""
	}
	return k.records[len(k.records)-1]
}

// front is a server with routes, and a Kafka behind it.
type front struct {
	*Server
	t       *testing.T
	kafka   *kafka
	handler *kafkaupstream.Handler
	address string
}

func bounds() Bounds {
	return Bounds{HeaderTimeout: time.Minute, ReadTimeout: time.Minute, IdleTimeout: time.Minute, HeaderBytes: 8 << 10, Connections: 100}
}

func start(t *testing.T, opts Options, routes string) *front {
	t.Helper()
	return startOn(t, opts, routes, direct)
}

func direct(l net.Listener) net.Listener { return l }

// startOn starts a front whose listener is what on makes of a TCP listener.
func startOn(t *testing.T, opts Options, routes string, on func(net.Listener) net.Listener) *front {
	t.Helper()
	f := &front{t: t, kafka: &kafka{}}
	opts.Log = slog.New(slog.DiscardHandler)
	f.handler = kafkaupstream.NewHandler(kafkaupstream.HandlerOptions{Producers: f.kafka, Log: opts.Log})
	if opts.Trust == nil {
		opts.Trust = &Trust{}
	}
	if opts.Bounds == (Bounds{}) {
		opts.Bounds = bounds()
	}
	f.serve(opts, routes, on)
	return f
}

// serve serves the routes with the front's handler until the test ends.
func (f *front) serve(opts Options, routes string, on func(net.Listener) net.Listener) {
	t := f.t
	t.Helper()
	opts.Handler = f.handler
	built, err := f.build(routes, opts.Trust, nil)
	if err != nil {
		t.Fatal(err)
	}
	f.Server = New(opts, built)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.address = l.Addr().String()
	served := make(chan error, 1)
	go func() { served <- f.Serve(on(l)) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if _, err := f.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
}

func (f *front) build(routes string, trust *Trust, before *Routes) (*Routes, error) {
	list, err := routefile.Read([]byte("defaults: {delivery: sync, config: {bootstrap.servers: 'k:9092'}}\nroutes:\n"+routes), nil)
	if err != nil {
		f.t.Fatal(err)
	}
	built, _, err := Build(list, f.handler, trust, before)
	return built, err
}

// ask sends a request as it stands and returns the status, the header and the body. Lines end as in HTTP.
func (f *front) ask(text string) (int, http.Header, string) {
	f.t.Helper()
	c := f.dial()
	defer c.Close()
	return c.ask(text)
}

type conn struct {
	net.Conn
	t *testing.T
	r *bufio.Reader
}

func (f *front) dial() *conn {
	f.t.Helper()
	c, err := net.Dial("tcp", f.address)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { c.Close() })
	return &conn{c, f.t, bufio.NewReader(c)}
}

func (c *conn) send(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c, strings.ReplaceAll(text, "\n", "\r\n")); err != nil {
		c.t.Fatal(err)
	}
}

func (c *conn) reply() (int, http.Header, string) {
	c.t.Helper()
	r, err := http.ReadResponse(c.r, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	if text := string(body); strings.HasPrefix(text, "{") && !strings.HasSuffix(text, "}\n") {
		c.t.Errorf("a reply without a line break at its end: %q", text)
	}
	return r.StatusCode, r.Header, string(body)
}

func (c *conn) ask(text string) (int, http.Header, string) {
	c.t.Helper()
	c.send(text)
	return c.reply()
}

// docs/routes.md documents this for repeated headers and arguments.
func TestOfAHeaderOrAnArgumentThatIsGivenTwiceTheFirstCounts(t *testing.T) {
	f := start(t, Options{}, "  - {id: a, match: {path: /a}, topic: t, headerprefix: x-, overrides: [key]}\n  - {id: b, match: {path: /b}, topic: t, key: $arg_id}\n")
	for request, want := range map[string]string{
		"POST /a HTTP/1.1\nHost: h\nContent-Length: 1\nX-Key: first\nX-Key: second\n\nx": "first",
		"POST /b?id=first&id=second HTTP/1.1\nHost: h\nContent-Length: 1\n\nx":           "first",
	} {
		status, _, body := f.ask(request)
		if got := f.kafka.last(); status != 200 || !strings.Contains(got, want) || strings.Contains(got, "second") {
			t.Errorf("%s: %d %s %s", request, status, got, body)
		}
	}
}

// Nothing of a query is lost, whatever it holds, and of two fronts one does not see another tenant than the other.
func TestQueryIsReadAsAPISIXReadsIt(t *testing.T) {
	b := bounds()
	b.HeaderBytes = 64 << 10
	f := start(t, Options{Bounds: b}, "  - {id: a, match: {path: /a}, topic: t, envelope: http}\n  - {id: b, match: {path: /b}, topic: t, key: $arg_tenant}\n")
	for target, want := range map[string]string{
		"/a?a=1;b=2":                    `"uri_args":{"a":"1;b=2"}`,
		"/a?x=100%&y=%zz":               `"uri_args":{"x":"100%","y":"%zz"}`,
		"/a?b=1&a=2&b=%33&c":            `"uri_args":{"a":"2","b":["1","3"],"c":""}`,
		"/b?tenant=mine;x&tenant=other": "t mine;x ",
		"/b?x=%&tenant=50%+a":           "t 50% a ",
		"/b?tenant=a#&tenant=b":         "t a ",
		"/b?" + strings.Repeat("a&", 20000) + "tenant=last": "t last ",
	} {
		status, _, body := f.ask("POST " + target + " HTTP/1.1\nHost: h\nContent-Length: 1\n\nx")
		if got := f.kafka.last(); status != 200 || !strings.Contains(got, want) {
			t.Errorf("%.40s: %d %s %s", target, status, got, body)
		}
	}
}

// TestWhatIsNoRequestIsAnsweredByNetHTTP has what docs/replies.md and serve.md say is answered before there is a request of a route's:
// in a text, not in JSON. All else is JSON.
func TestWhatIsNoRequestIsAnsweredByNetHTTP(t *testing.T) {
	f := start(t, Options{}, anyRoute)
	for _, c := range []struct {
		name, request string
		status        int
		json          bool
	}{
		{"a header that is too large", "POST /a HTTP/1.1\nHost: h\nX-A: " + strings.Repeat("a", 40<<10) + "\n\n", 431, false},
		{"no Host", "POST /a HTTP/1.1\nContent-Length: 1\n\nx", 400, false},
		{"a path that is no URL's", "POST /%zz HTTP/1.1\nHost: h\nContent-Length: 1\n\nx", 400, false},
		{"a length that is no number", "POST /a HTTP/1.1\nHost: h\nContent-Length: x\n\nx", 400, false},
		{"an expectation that is none", "POST /a HTTP/1.1\nHost: h\nExpect: more\nContent-Length: 1\n\nx", 417, false},
		{"an encoding of the transfer that is none", "POST /a HTTP/1.1\nHost: h\nTransfer-Encoding: gzip\n\nx", 501, false},
		{"a method that produces nothing", "GET /a HTTP/1.1\nHost: h\n\n", 405, true},
		{"a header that the route does not take", "POST /a HTTP/1.1\nHost: h\nContent-Length: 1\nX-Partition: x\n\nx", 403, true},
		{"a body that is cut off", "POST /a HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\n\nz\n", 400, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, header, body := f.ask(c.request)
			if isJSON := header.Get("Content-Type") == "application/json"; status != c.status || isJSON != c.json {
				t.Errorf("status %d, %s: %s", status, header.Get("Content-Type"), body)
			}
		})
	}
}

func TestConnectionsThatAreIdleOrTooManyAreClosed(t *testing.T) {
	used := func(b Bounds) (*front, *conn) {
		f := start(t, Options{Bounds: b}, anyRoute)
		c := f.dial()
		if status, _, body := c.ask("POST /a HTTP/1.1\nHost: h\nContent-Length: 1\n\nx"); status != 200 {
			t.Fatal(status, body)
		}
		return f, c
	}
	one, short := bounds(), bounds()
	one.Connections, short.IdleTimeout = 1, 50*time.Millisecond
	f, _ := used(one)
	if _, err := f.dial().Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("one too many: %v", err)
	}
	_, c := used(short)
	if _, err := c.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("after the idle timeout: %v", err)
	}
}

// What the front refuses itself is a problem as all other errors are.
func TestRefusalsOfTheFrontAreProblemDetailsWhereTheClientAsks(t *testing.T) {
	trust := &Trust{Secret: "s3cret", Variables: map[string]string{"consumer_name": "X-Consumer-Username"}}
	f := start(t, Options{Trust: trust}, "  - {id: a, match: {path: /a, methods: POST}, topic: t.$consumer_name}\n")
	const twice = SecretHeader + ": s3cret\nX-Consumer-Username: a\nX-Consumer-Username: b\n"
	for _, c := range []struct {
		request, header, kind string
		status                int
	}{
		{"POST /b", "", "no_route", 404},
		{"PUT /a", "", "method_not_allowed", 405},
		{"POST /a//../..", "", "invalid_request", 400},
		{"POST /a", "", "not_allowed", 403},
		{"POST /a", twice, "invalid_request", 400},
	} {
		status, header, body := f.ask(c.request + " HTTP/1.1\nHost: h\nAccept: application/problem+json\n" + c.header + "Content-Length: 1\n\nx")
		if status != c.status || header.Get("Content-Type") != "application/problem+json" || !strings.Contains(body, "problems.md#"+c.kind+`"`) {
			t.Errorf("%s: %d %s %s", c.request, status, header.Get("Content-Type"), body)
		}
	}
}

const anyRoute = "  - {id: a, match: {path: /*}, topic: t, headerprefix: x-, overrides: [key, topic, headers]}\n"

func TestServerTakesRequestsAsHTTPHasThem(t *testing.T) {
	f := start(t, Options{}, anyRoute)
	for _, c := range []struct {
		name, request string
		status        int
		record        string
	}{
		{"a body of known length", "POST /a HTTP/1.1\nHost: h\nContent-Length: 3\n\nabc", 200, "t  abc"},
		{"a chunked body", "POST /a HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\n\n3\nabc\n2\nde\n0\n\n", 200, "t  abcde"},
		{"no body", "POST /a HTTP/1.1\nHost: h\n\n", 200, "t  "},
		{"an empty chunked body", "POST /a HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\n\n0\n\n", 200, "t  "},
		{"HTTP/1.0", "POST /a HTTP/1.0\nContent-Length: 1\n\n0", 200, "t  0"},
		{"JSON is compacted", "POST /a HTTP/1.1\nHost: h\nContent-Type: application/json\nContent-Length: 8\n\n{\"a\": 1}", 200, `t  {"a":1}`},
		{"override headers, in any letter case", "PUT /a HTTP/1.1\nHost: h\nX-KEY: k\nx-Topic: u\nContent-Length: 1\n\n1", 200, "u k 1"},
		{"a path that is not clean", "POST //b/../a HTTP/1.1\nHost: h\nContent-Length: 1\n\n2", 200, "t  2"},
		{"a length that is none", "POST /a HTTP/1.1\nHost: h\nContent-Length: -1\n\n", 400, ""},
		{"two lengths", "POST /a HTTP/1.1\nHost: h\nContent-Length: 1\nContent-Length: 2\n\nab", 400, ""},
		{"a header that is too large", "POST /a HTTP/1.1\nHost: h\nX: " + strings.Repeat("x", 12<<10) + "\n\n", 431, ""},
		{"a chunk that is none", "POST /a HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\n\nxyz\n", 400, ""},
		{"a method that produces nothing", "GET /a HTTP/1.1\nHost: h\n\n", 405, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f.kafka.records = nil
			status, _, body := f.ask(c.request)
			if status != c.status || f.kafka.last() != c.record {
				t.Errorf("status %d, record %q, reply %s", status, f.kafka.last(), body)
			}
		})
	}
}

func TestServerContinuesAndPipelines(t *testing.T) {
	f := start(t, Options{}, anyRoute)
	c := f.dial()
	c.send("POST /a HTTP/1.1\nHost: h\nExpect: 100-continue\nContent-Length: 1\n\n")
	line, err := textproto.NewReader(c.r).ReadLine()
	if err != nil || line != "HTTP/1.1 100 Continue" {
		t.Fatal(line, err)
	}
	if _, err := c.r.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if status, _, _ := c.ask("x"); status != 200 {
		t.Error(status)
	}
	for _, body := range []string{"1", "2", "3"} {
		c.send("POST /a HTTP/1.1\nHost: h\nContent-Length: 1\n\n" + body)
	}
	for i := range 3 {
		if status, _, body := c.reply(); status != 200 || !strings.Contains(body, fmt.Sprintf(`"offset":%d`, i+2)) {
			t.Error(status, body)
		}
	}
}

// A body that is refused before it is read must not be taken for the next request.
func TestServerTakesNothingOfABodyForARequest(t *testing.T) {
	f := start(t, Options{}, "  - {id: a, match: {path: /a}, topic: t, max_body_bytes: 10}\n")
	hidden := "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx"
	for _, head := range []string{fmt.Sprintf("Content-Length: %d\n\n", len(hidden)), fmt.Sprintf("Transfer-Encoding: chunked\n\n%x\n", len(hidden))} {
		c := f.dial()
		c.send("POST /a HTTP/1.1\nHost: h\n" + head)
		if _, err := io.WriteString(c, hidden+"\r\n0\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if status, _, body := c.reply(); status != 413 {
			t.Error(status, body)
		}
		if err := c.Conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		rest, err := io.ReadAll(c.r)
		if err == nil && bytes.Contains(rest, []byte(" 200 ")) || f.kafka.last() != "" {
			t.Errorf("%q, record %q", rest, f.kafka.last())
		}
	}
}

func TestServerSpeaksHTTP2WithoutTLS(t *testing.T) {
	f := start(t, Options{}, anyRoute)
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &protocols}
	defer transport.CloseIdleConnections()
	r, err := (&http.Client{Transport: transport}).Post("http://"+f.address+"/a", "text/plain", strings.NewReader("h2"))
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if r.StatusCode != 200 || r.ProtoMajor != 2 || f.kafka.last() != "t  h2" {
		t.Error(r.Status, r.Proto, f.kafka.last())
	}
}

func TestServerFindsTheRouteOfARequest(t *testing.T) {
	f := start(t, Options{}, `
  - {id: one, match: {path: /one, methods: [POST, PUT]}, topic: one}
  - {id: below, match: {path: /below/*}, topic: below}
  - {id: deeper, match: {path: "/below/{a}/deep"}, topic: deeper}
  - {id: slash, match: {path: /slash/}, topic: slash}
  - {id: host, match: {path: /one, host: Other.example.com}, topic: host}
  - {id: wide, match: {path: /wide/*}, topic: wide}
  - {id: narrow, match: {path: /wide/a/*}, topic: narrow}
  - {id: named, match: {path: "/wide/b/{id}/*"}, topic: named}
  - {id: slashed, match: {path: /wide/c/}, topic: slashed}
  - {id: put, match: {path: /wide/d/*, methods: PUT}, topic: put}
  - {id: segment, match: {path: "/wide/e/{x}"}, topic: segment}
  - {id: two, match: {path: "/two/{x}/{y}"}, topic: two}
`)
	for _, c := range []struct {
		request string
		status  int
		topic   string
		allow   string
	}{
		{"POST /one", 200, "one", ""},
		{"POST /one?x=1", 200, "one", ""},
		{"PATCH /one", 405, "", "POST, PUT"},
		{"POST /one/", 404, "", ""},
		{"POST /below", 404, "", ""},
		{"POST /below/", 200, "below", ""},
		{"POST /below/a/b", 200, "below", ""},
		{"POST /below/a/deep", 200, "deeper", ""},
		{"POST /below/%2e%2e/one", 200, "one", ""},
		{"POST /one/.", 404, "", ""},
		{"POST /one/x/..", 404, "", ""},
		{"POST /slash/x/..", 200, "slash", ""},
		{"POST /below/a#/../../one", 200, "below", ""}, // which nginx passes on as it stands
		{"POST /below/../../one", 400, "", ""},
		{"POST /one%00", 400, "", ""},
		{"POST /slash", 404, "", ""},
		{"POST /slash/", 200, "slash", ""},
		{"PUT /slash", 404, "", ""},
		{"POST /nowhere", 404, "", ""},
		{"POST /wide/a", 200, "wide", ""}, // of which the narrower takes what is below it only
		{"POST /wide/a/", 200, "narrow", ""},
		{"POST /wide/a/x/", 200, "narrow", ""},
		{"POST /wide/b/7", 200, "wide", ""},
		{"POST /wide/b/7/x", 200, "named", ""},
		{"POST /wide/c", 200, "wide", ""},
		{"POST /wide/c/", 200, "slashed", ""},
		{"PUT /wide/d", 200, "wide", ""},
		{"PUT /wide/d/x", 200, "put", ""},
		{"POST /wide/e/x", 200, "segment", ""},
		{"POST /wide/e/", 200, "wide", ""}, // whose last segment is empty
		{"POST /wide/e/x/", 200, "wide", ""},
		{"POST /two/x/y", 200, "two", ""},
		{"POST /two/x/", 404, "", ""},
		{"POST /two/", 404, "", ""},
		{"POST other.example.com/one", 200, "host", ""},
		{"POST other.example.com:81/one", 200, "host", ""},
		{"OPTIONS *", 400, "", ""},
	} {
		t.Run(c.request, func(t *testing.T) {
			f.kafka.records = nil
			method, target, _ := strings.Cut(c.request, " ")
			host := "h"
			if !strings.HasPrefix(target, "/") && target != "*" {
				host, target, _ = strings.Cut(target, "/")
				target = "/" + target
			}
			status, header, body := f.ask(method + " " + target + " HTTP/1.1\nHost: " + host + "\nContent-Length: 1\nConnection: close\n\nx")
			topic, _, _ := strings.Cut(f.kafka.last(), " ")
			if status != c.status || topic != c.topic || header.Get("Allow") != c.allow {
				t.Errorf("status %d, topic %q, Allow %q: %s", status, topic, header.Get("Allow"), body)
			}
		})
	}
}

func TestHostIsThatOfTheRouteHoweverItIsWritten(t *testing.T) {
	f := start(t, Options{}, `
  - {id: a, match: {path: /a, host: A.example}, topic: tenant, key: $host}
  - {id: b, match: {path: /a, host: b.example.}, topic: other, key: $host}
  - {id: all, match: {path: /a}, topic: all, key: $host}
`)
	for host, want := range map[string]string{
		"a.example": "tenant a.example x", "A.Example": "tenant a.example x", "a.example.": "tenant a.example x", "A.EXAMPLE.:8080": "tenant a.example x",
		"b.example": "other b.example x", "c.example:80": "all c.example x", "[::1]:80": "all ::1 x",
	} {
		if status, _, body := f.ask("POST /a HTTP/1.1\nHost: " + host + "\nContent-Length: 1\nConnection: close\n\nx"); status != 200 || f.kafka.last() != want {
			t.Errorf("%s: %d %s, record %q", host, status, body, f.kafka.last())
		}
	}
}

func TestBuildSaysWhatIsWrongWithWhichRoute(t *testing.T) {
	f := start(t, Options{}, anyRoute)
	for routes, want := range map[string]string{
		"  - {id: a, match: {path: /a}, topik: t}":                                                                                                                                     `routes[0] (a): topik: unknown key; did you mean "topic"?`,
		"  - {id: a, match: {path: /a}, topic: t}\n  - {id: b, match: {path: /a}, topic: t}":                                                                                           "routes[1] (b): match: \"/a\": routes[0] (a) has this path, too",
		"  - {id: a, match: {path: [/a, '/{x}/f']}, topic: t}\n  - {id: b, match: {path: '/f/{x}'}, topic: t}":                                                                         "routes[1] (b): match: \"/f/{x}\": routes[0] (a) has \"/{x}/f\", and some requests fit both",
		"  - {id: a, match: {path: [/d/*, /d/*], host: a.example, methods: PUT}, topic: t}":                                                                                            "routes[0] (a): match: \"PUT a.example/d/*\" is given twice",
		"  - {id: a, match: {path: /a}, topic: t, delivery: durable, transactional: true, key: $consumer_name, topik: t}\n  - {id: b, match: {path: /a}, topic: t, delivery: durable}": "routes[0] (a): topik: unknown key; did you mean \"topic\"?\nroutes[1] (b): match: \"/a\": routes[0] (a) has this path, too\nroutes[1] (b): delivery: ",
		"  - {id: a, match: {path: '/{'}, topic: t}":                                                                                                                                   `routes[0] (a): match: parsing "/{": `,
		"  - {id: a, match: {path: /a}, topic: $consumer_name}":                                                                                                                        "routes[0] (a): the variable $consumer_name is APISIX's",
		"  - {id: a, match: {path: /a}, topic: t, delivery: durable}":                                                                                                                  "routes[0] (a): delivery: ",
	} {
		if _, err := f.build(routes, &Trust{}, nil); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s\n got %v\nwant %s", routes, err, want)
		}
	}
}

func TestSetRoutesExchangesThemBetweenRequests(t *testing.T) {
	f := start(t, Options{}, "  - {id: a, match: {path: /a}, topic: t}\n  - {id: b, match: {path: /b}, topic: u}\n")
	before := f.Routes()
	next, err := f.build("  - {id: a, match: {path: /c}, topic: t}\n", &Trust{}, before)
	if err != nil {
		t.Fatal(err)
	}
	const request = "POST /%s HTTP/1.1\nHost: h\nContent-Length: 1\n\nx"
	c := f.dial()
	if status, _, _ := c.ask(fmt.Sprintf(request, "a")); status != 200 {
		t.Error(status)
	}
	f.SetRoutes(next)
	for path, want := range map[string]int{"a": 404, "b": 404, "c": 200} {
		if status, _, _ := c.ask(fmt.Sprintf(request, path)); status != want {
			t.Errorf("%s: %d", path, status)
		}
	}
	for conf, served := range next.byConf {
		if before.byConf[conf] != served {
			t.Error("an unchanged route was made again")
		}
	}
	f.SetRoutes(nil)
	if status, _, _ := c.ask(fmt.Sprintf(request, "c")); status != 200 || f.Stats().Valid != 0 || f.Stats().Reads != 2 {
		t.Error(status, f.Stats())
	}
}

func TestBodyIsBoundedAndItsMemoryCounted(t *testing.T) {
	f := start(t, Options{}, "  - {id: a, match: {path: /a}, topic: t, max_body_bytes: 100000}\n")
	big := strings.Repeat("x", 100001)
	chunked := func(body string) string {
		return fmt.Sprintf("POST /a HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\n\n%x\n%s\n0\n\n", len(body), body)
	}
	if status, _, _ := f.ask(chunked(big)); status != 413 {
		t.Error(status)
	}
	if status, _, _ := f.ask("POST /a HTTP/1.1\nHost: h\nContent-Length: 100001\n\n" + big); status != 413 {
		t.Error(status)
	}
	if status, _, body := f.ask(chunked(big[1:])); status != 200 || f.kafka.most < 100000 {
		t.Error(status, body, f.kafka.most)
	}
	f.kafka.mu.Lock()
	f.kafka.room = 10000
	f.kafka.mu.Unlock()
	for _, request := range []string{chunked(big[1:]), "POST /a HTTP/1.1\nHost: h\nContent-Length: 10001\n\n" + big[:10001]} {
		if status, header, body := f.ask(request); status != 503 || header.Get("Retry-After") != "1" {
			t.Error(status, body)
		}
	}
	await.Within(t, 20*time.Second, "all memory is given back", func() bool {
		f.kafka.mu.Lock()
		defer f.kafka.mu.Unlock()
		return f.kafka.held == 0 && f.kafka.most <= 262144+100000
	})
}

func TestBodyThatDoesNotComeIsAnswered(t *testing.T) {
	b := bounds()
	b.ReadTimeout = 50 * time.Millisecond
	f := start(t, Options{Bounds: b}, anyRoute)
	if status, _, body := f.ask("POST /a HTTP/1.1\nHost: h\nContent-Length: 9\n\nslow"); status != 408 {
		t.Error(status, body)
	}
	c := f.dial()
	c.send("POST /a HTTP/1.1\nHost: h\nContent-Length: 9\n\ncut")
	if err := c.Conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if status, _, body := c.reply(); status != 400 {
		t.Error(status, body)
	}
	if f.kafka.last() != "" {
		t.Error(f.kafka.last())
	}
}

func TestShutdownFinishesRequests(t *testing.T) {
	f := start(t, Options{}, anyRoute)
	f.kafka.wait, f.kafka.asked = make(chan struct{}), make(chan struct{}, 1)
	c := f.dial()
	c.send("POST /a HTTP/1.1\nHost: h\nContent-Length: 1\n\nx")
	<-f.kafka.asked
	f.Leave()
	ended := make(chan error)
	go func() {
		_, err := f.Shutdown(context.Background())
		ended <- err
	}()
	await.Within(t, 20*time.Second, "no connection is accepted", func() bool {
		c, err := net.Dial("tcp", f.address)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	f.kafka.wait <- struct{}{}
	if status, _, _ := c.reply(); status != 200 {
		t.Error(status)
	}
	if _, err := c.r.ReadByte(); !errors.Is(err, io.EOF) {
		t.Error("the connection goes on:", err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestShutdownCutsOffWhatTakesTooLong(t *testing.T) {
	f := start(t, Options{}, anyRoute)
	f.kafka.wait, f.kafka.asked = make(chan struct{}), make(chan struct{}, 1)
	f.dial().send("POST /a HTTP/1.1\nHost: h\nContent-Length: 1\n\nx")
	<-f.kafka.asked
	f.dial().send("POST /a HTTP/1.1\nHo") // which is no request yet
	await.Within(t, 20*time.Second, "both are connected", func() bool { return f.Stats().Connections == 2 })
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if cut, err := f.Shutdown(ctx); cut != 1 || !errors.Is(err, context.Canceled) {
		t.Error(cut, err)
	}
	close(f.kafka.wait)
	await.Within(t, 20*time.Second, "the request has ended", func() bool { return f.underWay() == 0 })
	if cut, err := f.Shutdown(ctx); cut != 0 || err != nil {
		t.Error(cut, err)
	}
}

func TestTrustCountsTheGatewaysWordOnly(t *testing.T) {
	trust := &Trust{Secret: "s3cret", Variables: map[string]string{"consumer_name": "X-Consumer-Username"}}
	f := start(t, Options{Trust: trust}, `
  - {id: a, match: {path: /a}, topic: t.$consumer_name}
  - {id: b, match: {path: /b}, topic: t, key: "$src_ip $host $request_uri $cookie_c $scheme $args $request_method $route_id"}
`)
	for _, c := range []struct {
		name, request string
		status        int
		record        string
	}{
		{"the gateway says who it is", "POST /a HTTP/1.1\nX-Gateway-Secret: s3cret\nX-Consumer-Username: joe\n", 200, "t.joe  x"},
		{"the gateway says nothing", "POST /a HTTP/1.1\nX-Gateway-Secret: s3cret\n", 500, ""},
		{"a client says who it is", "POST /a HTTP/1.1\nX-Consumer-Username: joe\n", 403, ""},
		{"a client guesses", "POST /a HTTP/1.1\nX-Gateway-Secret: s3cre\nX-Consumer-Username: joe\n", 403, ""},
		{"a client says where it is", "POST /b?q=1 HTTP/1.1\nX-Forwarded-For: 9.9.9.9\nCookie: c=d\n", 200, "t 127.0.0.1 h /b?q=1 d http q=1 POST b x"},
		{"the gateway says where it is", "POST /b?q=1 HTTP/1.1\nX-Gateway-Secret: s3cret\nX-Forwarded-For: 6.6.6.6, 9.9.9.9\nCookie: c=d\n", 200, "t 9.9.9.9 h /b?q=1 d http q=1 POST b x"},
		{"the gateway says nonsense", "POST /b?q=1 HTTP/1.1\nX-Gateway-Secret: s3cret\nX-Forwarded-For: joe\nCookie: c=d\n", 200, "t 127.0.0.1 h /b?q=1 d http q=1 POST b x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f.kafka.records = nil
			if status, _, body := f.ask(c.request + "Host: h:80\nContent-Length: 1\n\nx"); status != c.status || f.kafka.last() != c.record {
				t.Errorf("status %d, record %q, reply %s", status, f.kafka.last(), body)
			}
		})
	}
	if n := f.Stats().Unproven; n != 2 {
		t.Error(n, "requests from others than the gateway")
	}
}

// lateListener holds each Accept back, as a busy machine does.
// A gateway may add its header to what a client has sent instead of replacing it.
func TestTrustDoesNotChooseBetweenTwoWordsOfTheGateways(t *testing.T) {
	trust := &Trust{Secret: "s3cret", Variables: map[string]string{"consumer_name": "X-Consumer-Username"}}
	f := start(t, Options{Trust: trust}, `
  - {id: a, match: {path: /a}, topic: t.$consumer_name}
  - {id: b, match: {path: /b}, topic: t}
`)
	const twice = "X-Consumer-Username: admin\nX-Consumer-Username: joe\n"
	for _, path := range []string{"/a", "/b"} { // which may be a scope of idempotency keys
		status, _, body := f.ask("POST " + path + " HTTP/1.1\nHost: h\nX-Gateway-Secret: s3cret\n" + twice + "Content-Length: 1\n\nx")
		if status != 400 || !strings.Contains(body, "X-Consumer-Username") || f.kafka.last() != "" {
			t.Error(path, status, body, f.kafka.last())
		}
	}
	if status, _, body := f.ask("POST /b HTTP/1.1\nHost: h\n" + twice + "Content-Length: 1\n\nx"); status != 200 { // a client's word, which does not count
		t.Error(status, body)
	}
}

// An entry that has no effect would be taken for one that has.
func TestTrustTakesVariablesThatAGatewayCanSay(t *testing.T) {
	for _, c := range []struct{ text, name, header string }{
		{"remote_user=x-remote-user", "remote_user", "X-Remote-User"}, {"a=b", "a", "B"},
		{text: "a"}, {text: "=b"}, {text: "a="}, {text: "a=b c"}, {text: "a=b:"}, {text: "a=é"}, {text: "a=host"}, {text: "a=" + SecretHeader},
		{text: "remote_addr=X-Real-IP"}, {text: "src_ip=a"}, {text: "host=a"}, {text: "uri=a"}, {text: "arg_a=a"}, {text: "http_a=a"}, {text: "cookie_a=a"},
	} {
		if name, header, err := ParseVariable(c.text); name != c.name || header != c.header || (err == nil) != (c.name != "") {
			t.Errorf("%s: %q, %q, %v", c.text, name, header, err)
		}
	}
}

func TestTrustKeepsTheSecretOutOfRecords(t *testing.T) {
	f := start(t, Options{Trust: &Trust{Secret: "s3cret"}}, `
  - {id: a, match: {path: /a}, topic: t, envelope: http, envelope_headers: ["*"]}
  - {id: b, match: {path: /b}, topic: t, record_headers: {s: $http_x_gateway_secret}}
`)
	if status, _, body := f.ask("POST /a HTTP/1.1\nHost: h\nX-Gateway-Secret: s3cret\nX: y\nContent-Length: 1\n\nx"); status != 200 ||
		strings.Contains(strings.ToLower(f.kafka.last()), "secret") || !strings.Contains(f.kafka.last(), `"x":"y"`) {
		t.Error(status, body, f.kafka.last())
	}
	if status, _, body := f.ask("POST /b HTTP/1.1\nHost: h\nX-Gateway-Secret: s3cret\nContent-Length: 1\n\nx"); status != 400 {
		t.Error(status, body, f.kafka.last())
	}
}

type lateListener struct {
	*net.TCPListener
	asked, accepts chan struct{}
}

func (l lateListener) Accept() (net.Conn, error) {
	select {
	case l.asked <- struct{}{}:
	default:
	}
	<-l.accepts
	return l.TCPListener.Accept()
}

// What a client has sent on a connection that it has just opened is answered, whether the connection is accepted yet or not.
func TestShutdownAnswersRequestsOnNewConnections(t *testing.T) {
	const request = "POST /a HTTP/1.1\nHost: h\nContent-Length: 1\n\nx"
	answered := func(t *testing.T, c *conn, ended <-chan error) {
		t.Helper()
		if status, _, _ := c.reply(); status != 200 {
			t.Error(status)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	shutdown := func(f *front) <-chan error {
		ended := make(chan error, 1)
		go func() {
			_, err := f.Shutdown(context.Background())
			ended <- err
		}()
		return ended
	}
	t.Run("accepted", func(t *testing.T) {
		f := start(t, Options{}, anyRoute)
		c := f.dial()
		await.Within(t, 20*time.Second, "the connection is accepted", func() bool { return f.Stats().Connections == 1 })
		ended := shutdown(f)
		await.Within(t, 20*time.Second, "no connection is accepted", func() bool {
			c, err := net.Dial("tcp", f.address)
			if err == nil {
				c.Close()
			}
			return err != nil
		})
		c.send(request)
		answered(t, c, ended)
	})
	t.Run("not accepted yet", func(t *testing.T) {
		asked, accepts := make(chan struct{}, 1), make(chan struct{})
		f := startOn(t, Options{}, anyRoute, func(l net.Listener) net.Listener { return lateListener{l.(*net.TCPListener), asked, accepts} })
		<-asked
		c := f.dial()
		c.send(request)
		ended := shutdown(f)
		await.Within(t, 20*time.Second, "Shutdown has begun", f.Leaving)
		close(accepts)
		answered(t, c, ended)
	})
}

// Whoever takes no reply, or does not send the rest of a request, holds up the end of the server no longer than others need, and its
// requests are not among those cut off.
func TestShutdownDoesNotWaitForClientsThatDoNothing(t *testing.T) {
	for name, text := range map[string]string{
		"of HTTP/1.1": fmt.Sprintf("POST /a HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(manyRecords), manyRecords),
		"of HTTP/2":   noWindow + post2(1, "[1]") + post2(3, manyRecords),
	} {
		t.Run(name, func(t *testing.T) {
			f := startOn(t, Options{}, batches, func(l net.Listener) net.Listener { return fewBytes{l} })
			c := f.dial()
			if err := c.Conn.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(c, text); err != nil {
				t.Fatal(err)
			}
			f.dial().send("POST /a HTTP/1.1\nHost: h\nContent-Length: 2\n\n1")
			await.Within(t, 20*time.Second, "the requests are answered, and a body is awaited", func() bool {
				return f.begun.Load() > 1 && f.answered.Load() == f.begun.Load()-1
			})
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			if cut, err := f.Shutdown(ctx); cut != 0 || err != nil || ctx.Err() != nil {
				t.Error(cut, err, ctx.Err())
			}
		})
	}
}

// pipes is a listener on which clients connect by net.Pipe, since the clock of a synctest.Test waits for a network's connections.
type pipes struct {
	net.Listener // whose address it has
	clients      chan net.Conn
	closed       chan struct{}
	close        func()
}

func newPipes(l net.Listener) *pipes {
	closed := make(chan struct{})
	return &pipes{l, make(chan net.Conn), closed, sync.OnceFunc(func() { close(closed) })}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.clients:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.close()
	return p.Listener.Close()
}

func (p *pipes) dial() net.Conn {
	client, server := net.Pipe()
	p.clients <- server
	return client
}

// A body that is arriving has the time that ctx gives, and is cut off with the rest then; one of which no more comes has two seconds.
func TestShutdownTakesABodyThatIsArriving(t *testing.T) {
	for _, c := range []struct {
		name        string
		pause, time time.Duration
		cut, status int
	}{
		{"to its end", takeTime / 2, time.Minute, 0, 200},
		{"until ctx ends", takeTime / 2, 4 * takeTime, 1, 0},
		{"and not one of which no more comes", 2 * takeTime, time.Minute, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var l *pipes
				f := startOn(t, Options{}, anyRoute, func(tcp net.Listener) net.Listener { l = newPipes(tcp); return l })
				synctest.Wait()
				client := l.dial()
				defer client.Close()
				var work sync.WaitGroup
				work.Go(func() {
					_, err := io.WriteString(client, "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n")
					for n := 0; err == nil && n < 10; n++ {
						time.Sleep(c.pause)
						_, err = io.WriteString(client, "x")
					}
				})
				status := 0
				work.Go(func() {
					if reply, err := http.ReadResponse(bufio.NewReader(client), nil); err == nil {
						status = reply.StatusCode
					}
				})
				synctest.Wait()
				ctx, cancel := context.WithTimeout(t.Context(), c.time)
				defer cancel()
				cut, err := f.Shutdown(ctx)
				if work.Wait(); cut != c.cut || (err != nil) != (c.cut > 0) || status != c.status {
					t.Errorf("%d are cut off: %v; the status is %d", cut, err, status)
				}
			})
		})
	}
}

func TestShutdownDoesNotWaitForConnectionsWithoutARequest(t *testing.T) {
	f := start(t, Options{}, anyRoute)
	f.dial()
	await.Within(t, 20*time.Second, "the connection is accepted", func() bool { return f.Stats().Connections == 1 })
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second) // net/http waits five for a request
	defer cancel()
	if _, err := f.Shutdown(ctx); err != nil {
		t.Error(err)
	}
}
