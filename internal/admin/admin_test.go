package admin

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/kafkaupstream/kafkaupstream/test/await"
)

type fixture struct {
	*Server
	url string
	log *await.Log
}

// serve starts a server on a free port of the loopback interface.
func serve(t *testing.T, o Options) *fixture {
	t.Helper()
	if o.Address == "" {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		o.Address = l.Addr().String()
		l.Close()
	}
	if o.Metrics == nil {
		o.Metrics = http.NotFoundHandler()
	}
	if o.Ready == nil {
		o.Ready = func() Readiness { return Readiness{} }
	}
	f := &fixture{url: "http://" + o.Address, log: &await.Log{}}
	o.Log = slog.New(slog.NewTextHandler(f.log, nil))
	f.Server = New(o)
	t.Cleanup(f.Close)
	f.Start()
	return f
}

func (f *fixture) get(t *testing.T, path string) (status int, body string) {
	t.Helper()
	var resp *http.Response
	await.True(t, path+" is answered", func() (ok bool) {
		var err error
		resp, err = http.Get(f.url + path)
		return err == nil
	})
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text)
}

func TestAdminServes(t *testing.T) {
	ready := Readiness{Warnings: []string{"w"}}
	f := serve(t, Options{
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("metrics")) }),
		Ready:   func() Readiness { return ready },
	})
	for path, want := range map[string]int{
		"/metrics": 200, "/healthz": 200, "/readyz": 200,
		"/": 404, "/metrics/": 404, "/debug/pprof/": 404, "/debug/pprof/heap": 404, "/debug/pprof/profile": 404, "/debug/vars": 404,
	} {
		if status, _ := f.get(t, path); status != want {
			t.Errorf("%s: %d, want %d", path, status, want)
		}
	}
	resp, err := http.Post(f.url+"/metrics", "text/plain", strings.NewReader("x"))
	if err != nil || resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %v, %v", resp.StatusCode, err)
	}
	resp.Body.Close()
	ready = Readiness{Reasons: []string{"the socket"}, Clusters: []Cluster{{Producer: "p", State: "down"}}}
	status, body := f.get(t, "/readyz")
	var got Readiness
	if err := json.Unmarshal([]byte(body), &got); err != nil || status != 503 || got.Ready || got.Reasons[0] != "the socket" || got.Clusters[0].Producer != "p" {
		t.Errorf("%d %s %v", status, body, err)
	}
}

func TestProfilesWhereAskedFor(t *testing.T) {
	f := serve(t, Options{Profiles: true})
	for path, want := range map[string]int{
		"/debug/pprof/": 200, "/debug/pprof/goroutine?debug=1": 200, "/debug/pprof/heap": 200,
		"/debug/pprof/cmdline": 404, "/debug/pprof/no-such": 404,
	} {
		if status, _ := f.get(t, path); status != want {
			t.Errorf("%s: %d, want %d", path, status, want)
		}
	}
}

func TestAddressThatIsTakenIsWaitedFor(t *testing.T) {
	stranger, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := serve(t, Options{Address: stranger.Addr().String()})
	await.True(t, "the log reports it", func() bool { return strings.Contains(f.log.String(), "cannot be served") })
	before := f.Attempts()
	await.True(t, "it is tried again", func() bool { return f.Attempts() > before })
	if n := strings.Count(f.log.String(), "cannot be served"); n != 1 {
		t.Errorf("the log reports it %d times", n)
	}
	stranger.Close()
	if status, _ := f.get(t, "/healthz"); status != 200 {
		t.Errorf("%d when the address is free", status)
	}
	if !strings.Contains(f.log.String(), "is free now") {
		t.Errorf("the log: %s", f.log)
	}
}

func TestCloseLetsGoAtOnce(t *testing.T) {
	answering, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	f := serve(t, Options{Metrics: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(answering)
		<-release
	})})
	f.get(t, "/healthz") // a connection that is kept
	go func() {
		if resp, err := http.Get(f.url + "/metrics"); err == nil {
			resp.Body.Close()
		}
	}()
	<-answering
	f.Close()
	l, err := net.Listen("tcp", strings.TrimPrefix(f.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	f.Close() // once more does nothing
	var none *Server
	none.Close()
}

func TestCloseEndsTheWaitingForAnAddress(t *testing.T) {
	stranger, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	f := serve(t, Options{Address: stranger.Addr().String()})
	await.True(t, "it is tried", func() bool { return f.Attempts() > 0 })
	f.Close()
}

func TestHeadersAndConnectionsAreBounded(t *testing.T) {
	f := serve(t, Options{})
	f.get(t, "/healthz")
	http.DefaultClient.CloseIdleConnections()
	req, _ := http.NewRequest("GET", f.url+"/healthz", nil)
	req.Header.Set("X", strings.Repeat("x", 2*maxHeaderBytes))
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("large headers: %v, %v", resp, err)
	}
	http.DefaultClient.CloseIdleConnections()

	address := strings.TrimPrefix(f.url, "http://")
	open := func() (answered bool, c net.Conn) {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		_, _ = c.Write([]byte("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"))
		_ = c.SetReadDeadline(time.Now().Add(readTimeout * 4))
		first := make([]byte, 12)
		_, err = io.ReadFull(c, first)
		return err == nil && bytes.Equal(first, []byte("HTTP/1.1 200")), c
	}
	var conns []net.Conn
	await.True(t, "connections are refused", func() bool {
		ok, c := open()
		conns = append(conns, c)
		return !ok
	})
	if n := len(conns); n > maxConnections+1 {
		t.Errorf("%d connections were answered", n-1)
	}
	conns[0].Close()
	await.True(t, "there is room again", func() bool { ok, _ := open(); return ok })
}
