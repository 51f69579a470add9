package extplugin

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	pkghttp "github.com/apache/apisix-go-plugin-runner/pkg/http"

	"github.com/kafkaupstream/kafkaupstream/internal/gateway"
	"github.com/kafkaupstream/kafkaupstream/test/await"
)

// digest answers with the length and the hash of the body.
func digest(_ any, w http.ResponseWriter, r pkghttp.Request) {
	body, err := r.Body()
	if err != nil {
		return
	}
	sum := sha256.Sum256(body)
	fmt.Fprintf(w, "%d %s", len(body), hex.EncodeToString(sum[:]))
}

func TestBodiesOfEverySizePassAThousandTimes(t *testing.T) {
	h := startHost(t, "", &fakePlugin{name: "p", request: digest})
	token := h.token(t, "k", conf("p", "{}"))
	for _, c := range []struct{ size, times int }{
		{0, 1000}, {1, 1000}, {200, 1000}, {4090, 200}, {4096, 200}, {65530, 200}, {100 << 10, 1000}, {1 << 20, 1000}, {gateway.MaxBody, 20},
	} {
		t.Run(fmt.Sprint(c.size), func(t *testing.T) {
			times := c.times
			if testing.Short() || raceEnabled {
				times = max(times/10, 8)
			}
			body := bytes.Repeat([]byte("0123456789abcdef"), c.size/16+1)[:c.size]
			sum := sha256.Sum256(body)
			want := fmt.Sprintf("%d %s", c.size, hex.EncodeToString(sum[:]))
			var wg sync.WaitGroup
			var left atomic.Int64
			left.Store(int64(times))
			for range 8 {
				wg.Add(1)
				go func() {
					defer wg.Done()
					for left.Add(-1) >= 0 {
						resp, err := h.Call(context.Background(), token, &gateway.Request{Method: "POST", Body: bodyOf(body)})
						if err != nil {
							t.Errorf("call: %v", err)
							return
						}
						if string(resp.Body) != want {
							t.Errorf("got %s, want %s", resp.Body, want)
							return
						}
					}
				}()
			}
			wg.Wait()
		})
	}
}

func TestMemoryOfALargeBodyIsGivenBack(t *testing.T) {
	h := startHost(t, "", &fakePlugin{name: "p", request: digest})
	token := h.token(t, "k", conf("p", "{}"))
	body := make([]byte, gateway.MaxBody)
	inUse := func() int64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	h.call(t, token, &gateway.Request{Body: bodyOf([]byte("x"))})
	before := inUse()
	h.call(t, token, &gateway.Request{Body: bodyOf(body)})
	h.call(t, token, &gateway.Request{Body: bodyOf([]byte("x"))}) // the same connection, idle again
	if grown := inUse() - before; grown > 2<<20 {
		t.Errorf("%d bytes stay allocated after a body of %d", grown, len(body))
	}
	runtime.KeepAlive(body)
}

func TestPluginSeesTheRequest(t *testing.T) {
	var asked []string
	cases := []struct {
		says string
		do   func(w http.ResponseWriter, r pkghttp.Request)
		want string
	}{
		{"the method", func(w http.ResponseWriter, r pkghttp.Request) { fmt.Fprint(w, r.Method()) }, "PATCH"},
		{"the path", func(w http.ResponseWriter, r pkghttp.Request) { fmt.Fprintf(w, "%s", r.Path()) }, "/a/b"},
		{"the client's address", func(w http.ResponseWriter, r pkghttp.Request) { fmt.Fprint(w, r.SrcIP()) }, "10.1.2.3"},
		{"the request's number", func(w http.ResponseWriter, r pkghttp.Request) { fmt.Fprint(w, r.ID()) }, "77"},
		{"a header, in any case", func(w http.ResponseWriter, r pkghttp.Request) { fmt.Fprint(w, r.Header().Get("X-Thing")) }, "one"},
		{"no header that is not there", func(w http.ResponseWriter, r pkghttp.Request) { fmt.Fprintf(w, "%q", r.Header().Get("x-thin")) }, `""`},
		{"all values of a header in the view", func(w http.ResponseWriter, r pkghttp.Request) { fmt.Fprint(w, r.Header().View()["X-Thing"]) }, "[one two]"},
		{"the arguments", func(w http.ResponseWriter, r pkghttp.Request) { fmt.Fprint(w, r.Args()["q"]) }, "[1 2]"},
		{"a variable", func(w http.ResponseWriter, r pkghttp.Request) {
			v, err := r.Var("request_id")
			fmt.Fprintf(w, "%s %v", v, err)
		}, "value of request_id <nil>"},
		{"nothing for a variable that is not there", func(w http.ResponseWriter, r pkghttp.Request) {
			v, err := r.Var("none")
			fmt.Fprintf(w, "%v %v", v == nil, err)
		}, "true <nil>"},
		{"a variable and the body, each asked for once", func(w http.ResponseWriter, r pkghttp.Request) {
			asked = nil
			for range 3 {
				_, _ = r.Var("request_id")
				_, _ = r.Body()
				_, _ = r.Var("none")
			}
			v, _ := r.Var("request_id")
			b, _ := r.Body()
			fmt.Fprintf(w, "%s %s %v", v, b, asked)
		}, "value of request_id the body [request_id body none]"},
		{"a context that has not ended", func(w http.ResponseWriter, r pkghttp.Request) { fmt.Fprint(w, r.Context().Err()) }, "<nil>"},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			h := startHost(t, "", &fakePlugin{name: "p", request: func(_ any, w http.ResponseWriter, r pkghttp.Request) { c.do(w, r) }})
			token := h.token(t, "k", conf("p", "{}"))
			resp := h.call(t, token, &gateway.Request{
				ID: 77, Method: "PATCH", Path: "/a/b", SrcIP: net.IPv4(10, 1, 2, 3).To4(),
				Args:    []gateway.Entry{{Name: "q", Value: "1"}, {Name: "q", Value: "2"}, {Name: "flag", NoValue: true}},
				Headers: []gateway.Entry{{Name: "host", Value: "h"}, {Name: "x-thing", Value: "one"}, {Name: "x-thing", Value: "two"}},
				Body: func() ([]byte, error) {
					asked = append(asked, "body")
					return []byte("the body"), nil
				},
				Var: func(name string) (string, bool) {
					asked = append(asked, name)
					return "value of " + name, name != "none"
				},
			})
			if string(resp.Body) != c.want {
				t.Errorf("got %s, want %s", resp.Body, c.want)
			}
		})
	}
}

func TestPluginAnswersOrLetsPass(t *testing.T) {
	cases := []struct {
		says  string
		do    func(w http.ResponseWriter, r pkghttp.Request)
		check func(r *gateway.Response) bool
	}{
		{"writing a body stops with 200", func(w http.ResponseWriter, _ pkghttp.Request) { fmt.Fprint(w, "hi") },
			func(r *gateway.Response) bool {
				return r.Action == gateway.ActionStop && r.Status == 200 && string(r.Body) == "hi"
			}},
		{"a status and headers are sent", func(w http.ResponseWriter, _ pkghttp.Request) {
			w.Header().Add("X-A", "1")
			w.Header().Add("X-A", "2")
			w.WriteHeader(418)
			w.WriteHeader(500)
			fmt.Fprint(w, "tea")
		}, func(r *gateway.Response) bool {
			return r.Status == 418 && len(r.Headers) == 2 && r.Headers[0].Value == "1" && r.Headers[1].Value == "2" && string(r.Body) == "tea"
		}},
		{"doing nothing lets the request pass", func(http.ResponseWriter, pkghttp.Request) {},
			func(r *gateway.Response) bool { return r.Action == gateway.ActionNone }},
		{"what only a rewrite needs is a 500", func(_ http.ResponseWriter, r pkghttp.Request) { r.SetPath([]byte("/new")) },
			func(r *gateway.Response) bool { return r.Status == 500 }},
		{"a reply that fits no frame is a 500 and not a broken connection", func(w http.ResponseWriter, _ pkghttp.Request) {
			_, _ = w.Write(make([]byte, 1<<24))
		}, func(r *gateway.Response) bool {
			return r.Status == 500 && strings.Contains(string(r.Body), "internal error")
		}},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			h := startHost(t, "", &fakePlugin{name: "p", request: func(_ any, w http.ResponseWriter, r pkghttp.Request) { c.do(w, r) }})
			token := h.token(t, "k", conf("p", "{}"))
			for range 2 { // the second shows that nothing of the first is left
				resp := h.call(t, token, &gateway.Request{Args: []gateway.Entry{{Name: "a", Value: "1"}, {Name: "b", Value: "1"}, {Name: "c", Value: "1"}}})
				if !c.check(resp) {
					t.Errorf("got %+.300v", resp)
				}
			}
		})
	}
}

func TestTextIsParsedOnceForAllItsTokens(t *testing.T) {
	var parsed atomic.Int32
	h := startHost(t, "", &fakePlugin{name: "p", parse: func(in []byte) (any, error) {
		parsed.Add(1)
		return string(in), nil
	}, request: func(conf any, w http.ResponseWriter, _ pkghttp.Request) { fmt.Fprint(w, conf) }})
	tokens := map[uint32]bool{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			token := h.token(t, fmt.Sprintf("route#%d", i), conf("p", "same"))
			if r := h.call(t, token, &gateway.Request{}); string(r.Body) != "same" {
				t.Errorf("got %s", r.Body)
			}
			mu.Lock()
			tokens[token] = true
			mu.Unlock()
		}()
	}
	wg.Wait()
	if n := parsed.Load(); n != 1 || len(tokens) != 50 {
		t.Errorf("parsed %d times for %d tokens, want once for 50", n, len(tokens))
	}
	again := h.token(t, "route#0", conf("p", "same"))
	if !tokens[again] {
		t.Error("the same key gave another token")
	}
	other := h.token(t, "route#0 edited", conf("p", "other"))
	if r := h.call(t, other, &gateway.Request{}); string(r.Body) != "other" || parsed.Load() != 2 {
		t.Errorf("an edited text: got %s after %d parses", r.Body, parsed.Load())
	}
}

func TestConfigurationThatCannotBeUsedNeverFailsOpen(t *testing.T) {
	h := startHost(t, "", &fakePlugin{name: "p", parse: func(in []byte) (any, error) {
		switch string(in) {
		case "bad":
			return nil, errors.New("reason for the log")
		case "panic":
			panic("in ParseConf")
		}
		return nil, nil
	}})
	for _, c := range []gateway.ConfEntry{conf("p", "bad"), conf("p", "panic"), conf("no such plugin", "{}")} {
		t.Run(c.Name+" "+c.Value, func(t *testing.T) {
			r := h.call(t, h.token(t, c.Name+c.Value, c), &gateway.Request{})
			if r.Action != gateway.ActionStop || r.Status != 500 || strings.Contains(string(r.Body), "reason for the log") {
				t.Errorf("got %d %s", r.Status, r.Body)
			}
		})
	}
	const line = `level=ERROR msg="a route's configuration is invalid; its requests are answered 500" route=`
	for _, want := range []string{`pbad plugin=p error="reason for the log"`, `ppanic plugin=p error="the plugin panicked: `, `"no such plugin{}" plugin="no such plugin" error=`} {
		if n := strings.Count(h.log.String(), line+want); n != 1 {
			t.Errorf("the log has %q %d times:\n%s", want, n, h.log.String())
		}
	}
}

// parserPlugin leaves the log to the host.
type parserPlugin struct{ fakePlugin }

func (*parserPlugin) Parse(in []byte) (any, []error, error) {
	if string(in) == "doubtful" {
		return "served", []error{errors.New("first doubt"), errors.New("second doubt")}, nil
	}
	return "answers itself", nil, errors.Join(errors.New("first problem"), errors.New("second problem"))
}

func TestConfigurationsProblemsAreOneLineThatNamesTheRoute(t *testing.T) {
	h := startHost(t, "", &parserPlugin{fakePlugin{name: "p", request: func(conf any, w http.ResponseWriter, _ pkghttp.Request) { fmt.Fprint(w, conf) }}})
	for _, c := range []struct{ text, answer string }{{"doubtful", "served"}, {"wrong", "answers itself"}} {
		r := h.call(t, h.token(t, c.text, conf("p", c.text)), &gateway.Request{})
		if r.Status != 200 || !strings.HasPrefix(string(r.Body), c.answer) {
			t.Errorf("%s: got %d %s", c.text, r.Status, r.Body)
		}
	}
	h.token(t, "another route of the same text", conf("p", "wrong"))
	for _, want := range []string{
		`level=WARN msg="a route's configuration is doubtful" route=doubtful plugin=p warning="first doubt; second doubt"` + "\n",
		`level=ERROR msg="a route's configuration is invalid; its requests are answered 500" route=wrong plugin=p error="first problem; second problem"` + "\n",
		`level=ERROR msg="a route's configuration is invalid; its requests are answered 500" route="another route of the same text" plugin=p error="first problem; second problem"` + "\n",
	} {
		if strings.Count(h.log.String(), want) != 1 {
			t.Errorf("the log lacks %s", want)
		}
	}
	if n := strings.Count(h.log.String(), "a route's configuration"); n != 3 {
		t.Errorf("%d lines about three routes:\n%s", n, h.log.String())
	}
}

func TestTokensOfAnotherProcessAreRefusedWithTheProtocolsCode(t *testing.T) {
	p := func() Plugin { return &fakePlugin{name: "p", request: digest} }
	for range 20 {
		old, next := startHost(t, "", p()), startHost(t, "", p())
		stale := old.token(t, "route#1", conf("p", "{}"))
		for i := range 20 {
			next.token(t, fmt.Sprint("route#", i), conf("p", fmt.Sprint(i)))
		}
		_, err := next.Call(context.Background(), stale, &gateway.Request{Method: "POST"})
		if !errors.Is(err, gateway.ErrConfTokenNotFound) {
			t.Fatalf("got %v, want conf token not found", err)
		}
		// and the connection still serves
		next.call(t, next.token(t, "route#1", conf("p", "{}")), &gateway.Request{})
	}
}

func TestUnusedTokensExpire(t *testing.T) {
	store := newConfStore(&fakePlugin{name: "p"}, time.Hour, discard)
	now := time.Now()
	store.now = func() time.Time { return now }
	pass := func(d time.Duration) {
		now = now.Add(d)
		store.tick()
	}
	used, unused := store.prepare("a", []confText{{"p", "1"}}), store.prepare("b", []confText{{"p", "2"}})
	pass(50 * time.Minute)
	if _, ok := store.get(used); !ok {
		t.Error("a token is gone before its time")
	}
	pass(50 * time.Minute)
	store.expire()
	if _, ok := store.get(used); !ok {
		t.Error("a token that is in use is gone")
	}
	if _, ok := store.get(unused); ok {
		t.Error("an unused token still works")
	}
	if len(store.texts) != 1 || len(store.keys) != 1 {
		t.Errorf("%d texts and %d keys are kept, want 1", len(store.texts), len(store.keys))
	}
	if again := store.prepare("b", []confText{{"p", "2"}}); again == unused {
		t.Error("the token was given out again")
	}
}

func TestPanicIsA500AndTheNeighboursLiveOn(t *testing.T) {
	const secret = "payload-in-a-panic"
	waiting, release := make(chan struct{}), make(chan struct{})
	h := startHost(t, "", &fakePlugin{name: "p", request: func(conf any, w http.ResponseWriter, r pkghttp.Request) {
		switch conf {
		case "value":
			panic(secret)
		case "index":
			var none []int
			none[len(r.Method())]++
		case "slow":
			close(waiting)
			<-release
		}
		fmt.Fprint(w, "fine")
	}})
	neighbour := make(chan string, 1)
	slow := h.token(t, "slow", conf("p", "slow"))
	go func() { neighbour <- string(h.call(t, slow, &gateway.Request{}).Body) }()
	<-waiting
	for _, kind := range []string{"value", "index"} {
		token := h.token(t, kind, conf("p", kind))
		for range 3 {
			if r := h.call(t, token, &gateway.Request{}); r.Status != 500 {
				t.Errorf("got %d", r.Status)
			}
		}
	}
	close(release)
	if got := <-neighbour; got != "fine" {
		t.Errorf("the neighbour got %q", got)
	}
	log := h.log.String()
	if !strings.Contains(log, "host_test.go") || !strings.Contains(log, "index out of range") {
		t.Error("the log has no stack of the panic")
	}
	if strings.Contains(log, secret) {
		t.Error("the log has the value of the panic, which may be a payload")
	}
}

func TestRefusedCallIsLoggedWithItsRoute(t *testing.T) {
	h := startHost(t, "", &fakePlugin{name: "p", request: func(_ any, w http.ResponseWriter, _ pkghttp.Request) {
		w.Header().Set("X", strings.Repeat("x", 17<<20)) // larger than a frame
		w.WriteHeader(200)
	}})
	if _, err := h.Call(context.Background(), h.token(t, "route#shop#p#1", conf("p", "{}")), &gateway.Request{Method: "POST"}); err == nil {
		t.Error("the call was answered")
	}
	if log := h.log.String(); !strings.Contains(log, `msg="call refused" route=shop type=`) {
		t.Errorf("the log does not name the route:\n%s", log)
	}
}

func TestBodyThatIsLostEndsTheCallOnly(t *testing.T) {
	var bodyErr atomic.Value
	h := startHost(t, "", &fakePlugin{name: "p", request: func(_ any, w http.ResponseWriter, r pkghttp.Request) {
		_, err := r.Body()
		bodyErr.Store(fmt.Sprint(err))
		fmt.Fprint(w, "answered")
	}})
	token := h.token(t, "k", conf("p", "{}"))
	_, err := h.Call(context.Background(), token, &gateway.Request{Method: "POST", Body: func() ([]byte, error) { return nil, gateway.ErrAbort }})
	if err == nil {
		t.Fatal("the call was answered")
	}
	await.True(t, "the plugin learns of it", func() bool { return bodyErr.Load() != nil })
	if got := bodyErr.Load(); got != "The connection is closed" {
		t.Errorf("Body returned %v", got)
	}
	const line = `msg="connection of APISIX lost during a call" route=k error=`
	await.True(t, "the log names the route", func() bool { return strings.Contains(h.log.String(), line) })
	h.call(t, token, &gateway.Request{Body: bodyOf([]byte("x"))})
}
