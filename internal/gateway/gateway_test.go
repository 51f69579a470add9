package gateway

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/api7/ext-plugin-proto/go/A6/ExtraInfo"
)

func put(t testing.TB, g *Gateway, r Route) {
	t.Helper()
	if r.Conf == nil {
		r.Conf = []ConfEntry{{"p", "{}"}}
	}
	if err := g.PutRoute(r); err != nil {
		t.Fatal(err)
	}
}

func serve(t testing.TB, h http.Handler) *httptest.Server {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// anyRoute is a gateway with a route for every path, in front of r.
func anyRoute(t testing.TB, r *fakeRunner, o Options) (*Gateway, *httptest.Server) {
	t.Helper()
	g := New(newTestClient(t, startRunner(t, r), ClientOptions{}), o)
	put(t, g, Route{ID: "1", URIs: []string{"/*"}})
	return g, serve(t, g)
}

func request(t testing.TB, method, url string, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func do(t testing.TB, r *http.Request) (*http.Response, string) {
	t.Helper()
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

// raw sends bytes as they are and reads one answer.
func raw(t testing.TB, s *httptest.Server, text string) (*http.Response, string) {
	t.Helper()
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, text)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	return resp, string(body)
}

func TestRequestReachesTheRunnerAsAPISIXSendsIt(t *testing.T) {
	manyHeaders := ""
	for i := range 150 {
		manyHeaders += fmt.Sprintf("X-%03d: %d\r\n", i, i)
	}
	type got struct {
		method, path  string
		src           []byte
		args, headers []Entry
	}
	tests := []struct {
		name, text string
		check      func(g got) bool
	}{
		{"header names are lower-case, one entry a value, host included",
			"GET / HTTP/1.1\r\nHost: Foo:80\r\nX-Two: 1\r\nX-TWO: 2\r\nConnection: close\r\n\r\n",
			func(g got) bool {
				slices.SortStableFunc(g.headers, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
				return reflect.DeepEqual(g.headers, []Entry{{Name: "connection", Value: "close"},
					{Name: "host", Value: "Foo:80"}, {Name: "x-two", Value: "1"}, {Name: "x-two", Value: "2"}})
			}},
		{"a chunked body's encoding is a header",
			"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n",
			func(g got) bool {
				return slices.Contains(g.headers, Entry{Name: "transfer-encoding", Value: "chunked"})
			}},
		{"a content length is a header",
			"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx",
			func(g got) bool { return slices.Contains(g.headers, Entry{Name: "content-length", Value: "1"}) }},
		{"of more than a hundred headers a hundred are sent, host among them",
			"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + manyHeaders + "\r\n",
			func(g got) bool {
				return len(g.headers) == 100 && slices.Contains(g.headers, Entry{Name: "host", Value: "a"})
			}},
		{"arguments are decoded in order, with and without values",
			"GET /?b=1&a=%41+x&b=&c&=nameless&d=%zz&e%3D=1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
			func(g got) bool {
				return reflect.DeepEqual(g.args, []Entry{{Name: "b", Value: "1"}, {Name: "a", Value: "A x"}, {Name: "b"},
					{Name: "c", NoValue: true}, {Name: "d", Value: "%zz"}, {Name: "e=", Value: "1"}})
			}},
		{"the path is decoded and normalized as nginx does it",
			"GET /a%20b//c/./d/../e/?x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
			func(g got) bool { return g.path == "/a b/c/e/" }},
		{"a method is the protocol's", "PROPFIND / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
			func(g got) bool { return g.method == "PROPFIND" }},
		{"the source is four bytes of IPv4", "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
			func(g got) bool { return bytes.Equal(g.src, []byte{127, 0, 0, 1}) }},
	}
	var last got
	_, server := anyRoute(t, &fakeRunner{call: func(s *session) {
		q := s.request()
		last = got{q.Method().String(), string(q.Path()), q.SrcIpBytes(),
			readEntries(q.ArgsLength(), q.Args), readEntries(q.HeadersLength(), q.Headers)}
		s.stop(200, "ok")
	}}, Options{})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if resp, _ := raw(t, server, tt.text); resp.StatusCode != 200 {
				t.Fatal(resp.Status)
			}
			if !tt.check(last) {
				t.Errorf("got %+v", last)
			}
		})
	}
}

func TestSourceAddresses(t *testing.T) {
	for remote, want := range map[string]string{
		"10.1.2.3:80": "\x0a\x01\x02\x03", "[::ffff:10.1.2.3]:80": "\x0a\x01\x02\x03", "@": "\x7f\x00\x00\x01",
		"[2001:db8::1%eth0]:80": "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01",
	} {
		if got := string(remoteAddr(remote).AsSlice()); got != want {
			t.Errorf("%s: %x", remote, got)
		}
	}
}

func TestVariables(t *testing.T) {
	got := map[string]string{}
	names := []string{"request_id", "remote_addr", "request_method", "uri", "request_uri", "host", "scheme", "args",
		"arg_a", "arg_flag", "arg_none", "http_x_two", "http_X-Two", "http_none", "http_host", "http_cookie",
		"remote_user", "server_protocol", "content_length", "content_type", "consumer_name", "route_id", "upstream_addr"}
	_, server := anyRoute(t, &fakeRunner{call: func(s *session) {
		for _, name := range names {
			if b, err := s.ask(ExtraInfo.InfoVar, name); err == nil && b != nil {
				got[name] = string(b)
			}
		}
		again, _ := s.ask(ExtraInfo.InfoVar, "request_id")
		if string(again) != got["request_id"] {
			got["request_id"] = "changes"
		}
		s.stop(200, "")
	}}, Options{Vars: map[string]string{"consumer_name": "jack"}})
	raw(t, server, "POST /p%20q?a=1&flag&a=2 HTTP/1.1\r\nHost: Foo.org:8080\r\nX-Two: 1\r\nX-Two: 2\r\nCookie: a=1\r\n"+
		"Authorization: Basic amlsbDpzZWNyZXQ=\r\nContent-Type: text/x\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
	if len(got["request_id"]) != 32 {
		t.Errorf("request_id %q", got["request_id"])
	}
	delete(got, "request_id")
	want := map[string]string{
		"remote_addr": "127.0.0.1", "request_method": "POST", "uri": "/p q", "request_uri": "/p%20q?a=1&flag&a=2",
		"host": "foo.org", "scheme": "http", "args": "a=1&flag&a=2", "arg_a": "1", "arg_flag": "true",
		"http_x_two": "1, 2", "http_X-Two": "1, 2", "http_host": "Foo.org:8080", "http_cookie": "a=1",
		"remote_user": "jill", "server_protocol": "HTTP/1.1", "content_length": "2", "content_type": "text/x",
		"consumer_name": "jack", "route_id": "1",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("\n got %v\nwant %v", got, want)
	}
}

func TestGatewaysAnswerToTheClient(t *testing.T) {
	const none = `{"error_msg":"missing upstream configuration in Route or Service"}` + "\n"
	stop := func(status int, body string, headers ...Entry) func(*session) {
		return func(s *session) { s.stop(status, body, headers...) }
	}
	tests := []struct {
		name   string
		method string
		runner func(*session)
		status int
		body   string // "html": nginx's page
		header map[string][]string
	}{
		{"a stop's status, headers and body", "GET",
			stop(418, "tea", Entry{Name: "content-type", Value: "text/x"}, Entry{Name: "a", Value: "1"}, Entry{Name: "A", Value: "2"}),
			418, "tea", map[string][]string{"Content-Type": {"text/x"}, "A": {"1", "2"}}},
		{"status 0 is 200", "GET", stop(0, "x"), 200, "x", nil},
		{"a stop without a type is text/plain and is not guessed", "GET", stop(200, "<html>"), 200, "<html>",
			map[string][]string{"Content-Type": {"text/plain"}}},
		{"a stop without a body is empty below 300", "GET", stop(200, ""), 200, "", nil},
		{"a stop without a body has nginx's page from 300 on", "GET", stop(403, "", Entry{Name: "a", Value: "1"}), 403, "html",
			map[string][]string{"A": {"1"}}},
		{"a length of the runner's is not believed", "GET", stop(200, "abc", Entry{Name: "Content-Length", Value: "1"},
			Entry{Name: "Transfer-Encoding", Value: "chunked"}), 200, "abc", map[string][]string{"Content-Length": {"3"}}},
		{"a header that HTTP does not allow is left out", "GET",
			stop(200, "abc", Entry{Name: "a b", Value: "1"}, Entry{Name: "", Value: "1"}, Entry{Name: "c", Value: "x\r\ny: z"}),
			200, "abc", map[string][]string{"A b": nil, "Y": nil}},
		{"a length of the runner's does not fit nginx's page", "GET", stop(403, "", Entry{Name: "Content-Length", Value: "0"}),
			403, "html", nil},
		{"204 has no body and no length", "GET", stop(204, "abc"), 204, "", map[string][]string{"Content-Length": nil}},
		{"304 has no body and no length", "GET", stop(304, "abc"), 304, "", map[string][]string{"Content-Length": nil}},
		{"HEAD has no body but its length", "HEAD", stop(200, "abc"), 200, "", map[string][]string{"Content-Length": {"3"}}},
		{"HEAD has no page", "HEAD", stop(403, ""), 403, "", nil},
		{"101 is 500", "GET", stop(101, ""), 500, "html", nil},
		{"100 is 500", "GET", stop(100, "x"), 500, "html", nil},
		{"99 is 500", "GET", stop(99, "x"), 500, "html", nil},
		{"600 is 500", "GET", stop(600, "x"), 500, "html", nil},
		{"65535 is 500", "GET", stop(65535, "x"), 500, "html", nil},
		{"no action has no upstream", "GET", func(s *session) { s.respond(Response{}) }, 503, none, nil},
		{"a rewrite has no upstream", "GET", func(s *session) { s.respond(Response{Action: actionRewrite}) }, 503, none, nil},
		{"a method that the protocol does not know is 405", "BREW", nil, 405, "html", nil},
		{"a runner's error is 503", "GET", func(s *session) { s.fail(1) }, 503, "html", nil},
		{"a runner that closes is 503", "GET", func(s *session) { s.Close() }, 503, "html", nil},
		{"nonsense from the runner is 503", "GET", func(s *session) { s.write(2, []byte("nonsense")) }, 503, "html", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := &fakeRunner{call: tt.runner}
			_, server := anyRoute(t, r, Options{})
			resp, body := do(t, request(t, tt.method, server.URL, nil))
			if tt.body == "html" && strings.Contains(body, fmt.Sprintf("<title>%d ", tt.status)) {
				body = "html"
			}
			if resp.StatusCode != tt.status || body != tt.body {
				t.Errorf("got %d %q", resp.StatusCode, body)
			}
			for name, want := range tt.header {
				if got := resp.Header[name]; !slices.Equal(got, want) {
					t.Errorf("%s: got %q", name, got)
				}
			}
			if n := r.calls.Load(); n > 1 {
				t.Errorf("the runner was called %d times", n)
			}
		})
	}
}

func TestRequestThatNeverGetsToTheRunner(t *testing.T) {
	r := startRunner(t, &fakeRunner{})
	g := New(newTestClient(t, r, ClientOptions{}), Options{})
	put(t, g, Route{ID: "1", URIs: []string{"/here"}})
	server := serve(t, g)
	tests := []struct {
		name, text string
		status     int
		body       string
	}{
		{"without a route is 404", "GET /elsewhere HTTP/1.1\r\nHost: a\r\n\r\n", 404, `{"error_msg":"404 Route Not Found"}` + "\n"},
		{"that leaves the root is 400", "GET /../here HTTP/1.1\r\nHost: a\r\n\r\n", 400, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			resp, body := raw(t, server, tt.text)
			if resp.StatusCode != tt.status || tt.body != "" && body != tt.body {
				t.Errorf("got %d %q", resp.StatusCode, body)
			}
		})
	}
	if r.connections.Load() != 0 {
		t.Error("the runner was called")
	}
}

func TestGatewayWithoutARunner(t *testing.T) {
	for _, tt := range []struct {
		name    string
		degrade bool
		want    string
	}{
		{"the answer is 503", false, "<title>503 "},
		{"a route that allows degradation passes the request on", true, "missing upstream"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := New(NewClient(socketPath(t), ClientOptions{}), Options{})
			put(t, g, Route{ID: "1", URIs: []string{"/*"}, AllowDegradation: tt.degrade})
			resp, body := do(t, request(t, "GET", serve(t, g).URL, nil))
			if resp.StatusCode != 503 || !strings.Contains(body, tt.want) {
				t.Errorf("got %d %q", resp.StatusCode, body)
			}
		})
	}
}

// echo answers with the body.
func echo(s *session) {
	if b, err := s.ask(ExtraInfo.InfoReqBody, ""); err == nil {
		s.stop(200, string(b))
	}
}

func TestBodies(t *testing.T) {
	chunked := func(size int) io.Reader { return io.MultiReader(bytes.NewReader(make([]byte, size))) }
	sized := func(size int) io.Reader { return bytes.NewReader(make([]byte, size)) }
	tests := []struct {
		name   string
		body   io.Reader
		status int
		size   int
	}{
		{"no body arrives empty", nil, 200, 0},
		{"a sized body arrives", sized(100_000), 200, 100_000},
		{"a chunked body arrives", chunked(100_000), 200, 100_000},
		{"a sized body that fits into no frame is 503", sized(MaxBody + 1), 503, -1},
		{"a chunked body that fits into no frame is 503", chunked(MaxBody + 1), 503, -1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, server := anyRoute(t, &fakeRunner{call: echo}, Options{})
			resp, body := do(t, request(t, "POST", server.URL, tt.body))
			if resp.StatusCode != tt.status || tt.size >= 0 && len(body) != tt.size {
				t.Errorf("got %d with %d bytes", resp.StatusCode, len(body))
			}
		})
	}
}

func TestLargestBodyArrives(t *testing.T) {
	got := -1
	_, server := anyRoute(t, &fakeRunner{call: func(s *session) {
		b, _ := s.ask(ExtraInfo.InfoReqBody, "")
		got = len(b)
		s.stop(200, "ok")
	}}, Options{})
	resp, _ := do(t, request(t, "POST", server.URL, bytes.NewReader(make([]byte, MaxBody))))
	if resp.StatusCode != 200 || got != MaxBody {
		t.Errorf("got %d with %d bytes", resp.StatusCode, got)
	}
}

func TestBodyIsFetchedOnlyWhenAskedFor(t *testing.T) {
	const head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
	for _, tt := range []struct {
		name   string
		call   func(*session)
		status int
	}{
		{"a client that waits for 100 gets it when the runner asks", echo, 100},
		{"a client that waits for 100 gets the answer when the runner does not ask", nil, 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, server := anyRoute(t, &fakeRunner{call: tt.call}, Options{})
			if resp, _ := raw(t, server, head); resp.StatusCode != tt.status {
				t.Errorf("got %s", resp.Status)
			}
		})
	}
}

func TestClientThatLeavesDuringItsBodyEndsTheCall(t *testing.T) {
	asking, ended := make(chan bool), make(chan error)
	_, server := anyRoute(t, &fakeRunner{call: func(s *session) {
		s.write(3, questionPayload(ExtraInfo.InfoReqBody, ""))
		asking <- true
		_, err := s.answer()
		ended <- err
	}}, Options{})
	c, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab")
	<-asking
	c.Close()
	if err := <-ended; err != io.EOF {
		t.Errorf("the runner got %v instead of the connection's end", err)
	}
}

func TestTokens(t *testing.T) {
	t.Run("concurrent first requests share one PrepareConf", func(t *testing.T) {
		const requests = 100
		var g *Gateway
		release := make(chan bool)
		r := &fakeRunner{prepare: func(s *session, _ string, _ []ConfEntry) {
			<-release
			s.token(1)
		}}
		g, _ = anyRoute(t, r, Options{})
		var wg sync.WaitGroup
		for range requests {
			wg.Go(func() {
				w := httptest.NewRecorder()
				g.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
				if w.Code != 200 {
					t.Error(w.Code)
				}
			})
		}
		close(release)
		wg.Wait()
		if n := r.prepared.Load(); n != 1 {
			t.Errorf("%d PrepareConf", n)
		}
	})

	t.Run("the key names route, plugin and version, and each change gives a new one", func(t *testing.T) {
		var keys []string
		var tokens []uint32
		r := &fakeRunner{
			prepare: func(s *session, key string, _ []ConfEntry) {
				keys = append(keys, key)
				s.token(uint32(len(keys)))
			},
			call: func(s *session) {
				tokens = append(tokens, s.request().ConfToken())
				s.stop(200, "")
			},
		}
		g, server := anyRoute(t, r, Options{})
		var want []string
		for _, phase := range []string{PostReq, PreReq, PreReq} {
			put(t, g, Route{ID: "1", URIs: []string{"/*"}, Phase: phase})
			want = append(want, fmt.Sprintf("route#1#%s#%d", phase, g.Routes()[0].Version))
			for range 2 {
				do(t, request(t, "GET", server.URL, nil))
			}
		}
		if !slices.Equal(keys, want) || want[1] == want[2] {
			t.Errorf("\n got %q\nwant %q", keys, want)
		}
		if !slices.Equal(tokens, []uint32{1, 1, 2, 2, 3, 3}) {
			t.Errorf("tokens %d", tokens)
		}
	})

	t.Run("an unknown token is prepared again, the body read once", func(t *testing.T) {
		r := &fakeRunner{}
		r.call = func(s *session) {
			token := s.request().ConfToken()
			b, err := s.ask(ExtraInfo.InfoReqBody, "")
			switch {
			case err != nil:
			case token < 3:
				s.fail(2)
			default:
				s.stop(200, string(b))
			}
		}
		_, server := anyRoute(t, r, Options{})
		for range 2 {
			resp, body := do(t, request(t, "POST", server.URL, strings.NewReader("hello")))
			if resp.StatusCode != 200 || body != "hello" {
				t.Errorf("got %d %q", resp.StatusCode, body)
			}
		}
		if p, c := r.prepared.Load(), r.calls.Load(); p != 3 || c != 4 {
			t.Errorf("%d PrepareConf, %d calls", p, c)
		}
	})

	t.Run("after three tries it is 503", func(t *testing.T) {
		r := &fakeRunner{call: func(s *session) { s.fail(2) }}
		_, server := anyRoute(t, r, Options{})
		if resp, _ := do(t, request(t, "GET", server.URL, nil)); resp.StatusCode != 503 {
			t.Error(resp.Status)
		}
		if p, c := r.prepared.Load(), r.calls.Load(); p != 3 || c != 3 {
			t.Errorf("%d PrepareConf, %d calls", p, c)
		}
	})

	t.Run("one route's unknown token flushes those of all routes", func(t *testing.T) {
		forget := false
		r := &fakeRunner{}
		r.call = func(s *session) {
			if forget {
				forget = false
				s.fail(2)
				return
			}
			s.stop(200, "")
		}
		g, server := anyRoute(t, r, Options{})
		put(t, g, Route{ID: "2", URIs: []string{"/2"}})
		both := func() {
			do(t, request(t, "GET", server.URL+"/1", nil))
			do(t, request(t, "GET", server.URL+"/2", nil))
		}
		both()
		forget = true
		both()
		both()
		if p := r.prepared.Load(); p != 4 {
			t.Errorf("%d PrepareConf", p)
		}
	})

	t.Run("a PrepareConf that fails is 503 for that time only", func(t *testing.T) {
		failed := false
		r := &fakeRunner{prepare: func(s *session, _ string, _ []ConfEntry) {
			if !failed {
				failed = true
				s.fail(1)
				return
			}
			s.token(1)
		}}
		_, server := anyRoute(t, r, Options{})
		for _, want := range []int{503, 200} {
			if resp, _ := do(t, request(t, "GET", server.URL, nil)); resp.StatusCode != want {
				t.Errorf("got %d, want %d", resp.StatusCode, want)
			}
		}
	})
}

func TestThousandsOfRequestsAtOnce(t *testing.T) {
	const requests = 3000
	arrived := make(chan bool, 2*requests)
	release := make(chan bool)
	r := &fakeRunner{call: func(s *session) {
		arrived <- true
		<-release
		echo(s)
	}}
	g, _ := anyRoute(t, r, Options{})
	var wg sync.WaitGroup
	for i := range requests {
		wg.Go(func() {
			body := fmt.Sprint("body ", i)
			w := httptest.NewRecorder()
			g.ServeHTTP(w, httptest.NewRequest("POST", "/", strings.NewReader(body)))
			if w.Code != 200 || w.Body.String() != body {
				t.Errorf("got %d %q", w.Code, w.Body)
				arrived <- false
			}
		})
	}
	for range requests {
		<-arrived
	}
	close(release)
	wg.Wait()
}

// heapAfterGC collects once only: a pool keeps its contents for one cycle.
func heapAfterGC() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestLargeConfigurationDoesNotStayAllocated(t *testing.T) {
	r := startRunner(t, &fakeRunner{prepare: func(s *session, _ string, _ []ConfEntry) {
		s.payload = nil
		s.token(1)
	}})
	c := newTestClient(t, r, ClientOptions{})
	prepare := func(size int) {
		if _, err := c.PrepareConf(bg, "k", []ConfEntry{{"p", strings.Repeat("x", size)}}); err != nil {
			t.Fatal(err)
		}
	}
	prepare(10)
	runtime.GC() // what earlier tests have left in pools
	runtime.GC()
	before := heapAfterGC()
	prepare(15 << 20)
	if after := heapAfterGC(); after > before+4<<20 {
		t.Errorf("%d kB more than before", (after-before)>>10)
	}
}

func TestLargeBodyDoesNotStayAllocated(t *testing.T) {
	g, _ := anyRoute(t, &fakeRunner{call: func(s *session) {
		s.ask(ExtraInfo.InfoReqBody, "")
		s.payload = nil
		s.stop(200, "ok")
	}}, Options{})
	send := func(size int) {
		for _, body := range []io.Reader{bytes.NewReader(make([]byte, size)), io.MultiReader(bytes.NewReader(make([]byte, size)))} {
			w := httptest.NewRecorder()
			if g.ServeHTTP(w, httptest.NewRequest("POST", "/", body)); w.Code != 200 {
				t.Fatal(w.Code)
			}
		}
	}
	send(10)
	runtime.GC() // what earlier tests have left in pools
	runtime.GC()
	before := heapAfterGC()
	send(MaxBody)
	if after := heapAfterGC(); after > before+4<<20 {
		t.Errorf("%d kB more than before", (after-before)>>10)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func TestBodyThatFitsIntoNoFrameIsReadToItsEndAndNotKept(t *testing.T) {
	const size = 256 << 20
	body := &io.LimitedReader{R: zeros{}, N: size}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := readRequestBody(body)
	runtime.ReadMemStats(&after)
	if !errors.Is(err, ErrFrameTooLarge) || !errors.Is(err, ErrAbort) || body.N != 0 {
		t.Errorf("%d bytes left, error %v", body.N, err)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > size/2 {
		t.Errorf("%d MB allocated", n>>20)
	}
}

func TestHooks(t *testing.T) {
	var told []Route
	var deleted []string
	sent := make(chan []ConfEntry, 1)
	r := startRunner(t, &fakeRunner{prepare: func(s *session, _ string, conf []ConfEntry) {
		sent <- conf
		s.token(1)
	}})
	g := New(newTestClient(t, r, ClientOptions{}), Options{
		Rewrite:  func(name, value string) string { return name + ":" + value },
		OnRoute:  func(r Route) { told = append(told, r) },
		OnDelete: func(id string) { deleted = append(deleted, id) },
	})
	if err := g.PutRoute(Route{ID: "1", Conf: []ConfEntry{{"p", "v"}}}); err == nil || len(g.Routes()) != 0 || len(told) != 0 {
		t.Errorf("a refused route is in use: %v", err)
	}
	put(t, g, Route{ID: "1", URIs: []string{"/"}, Conf: []ConfEntry{{"p", "v"}, {"q", "w"}}})
	do(t, request(t, "GET", serve(t, g).URL, nil))
	want := []ConfEntry{{"p", "p:v"}, {"q", "q:w"}}
	if got := <-sent; !slices.Equal(got, want) {
		t.Errorf("the runner got %v", got)
	}
	if len(told) != 1 || !slices.Equal(told[0].Conf, want) || told[0].Phase != PostReq || told[0].Version == 0 {
		t.Errorf("told %+v", told)
	}
	if got := g.Routes()[0].Conf; !slices.Equal(got, want) {
		t.Errorf("the route in use has %v", got)
	}
	if _, shown := admin(t, g, "GET", "/apisix/admin/routes/1", ""); !strings.Contains(shown, `"value":"v"`) {
		t.Errorf("the Admin API shows %s", shown)
	}
	g.DeleteRoute("2")
	g.DeleteRoute("1")
	if !slices.Equal(deleted, []string{"1"}) {
		t.Errorf("told of the deletion of %q", deleted)
	}
}

func TestHangingRunnerEndsInTheTimeout(t *testing.T) {
	r := startRunner(t, &fakeRunner{call: func(s *session) { io.Copy(io.Discard, s) }})
	g := New(newTestClient(t, r, ClientOptions{Timeout: 20 * time.Millisecond}), Options{})
	put(t, g, Route{ID: "1", URIs: []string{"/"}})
	if resp, _ := do(t, request(t, "GET", serve(t, g).URL, nil)); resp.StatusCode != 503 {
		t.Error(resp.Status)
	}
}
