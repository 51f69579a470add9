package console

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/internal/routeconf"
)

// testBroker returns an error when it is set to the state that it has.
type testBroker struct{ away bool }

func (b *testBroker) Away() bool { return b.away }

func (b *testBroker) SetAway(away bool) error {
	if b.away == away {
		return errors.New("as it was")
	}
	b.away = away
	return nil
}

func newTestConsole(t *testing.T) *Console {
	t.Helper()
	c := New(Options{
		Gateway: "http://127.0.0.1:9080", Brokers: "127.0.0.1:9092", Broker: &testBroker{}, ListenHost: "dev.example", AllowOrigins: []string{"http://localhost:3000"},
		Routes: func() []Route {
			return []Route{{ID: "a", URIs: []string{"/a"}, Summary: &routeconf.Summary{Topic: "t", Delivery: "sync"}}, {ID: "b", Problem: "no", Hosts: []string{"orders.example", "*.shop.example"}}}
		},
		Partitions: func() (map[string]int, error) { return map[string]int{"t": 4, "a": 1}, nil },
	})
	t.Cleanup(c.Close)
	return c
}

func ask(h http.Handler, method, target, host string, headers ...string) *http.Response {
	return askWith(h, method, target, host, "", headers...)
}

func askWith(h http.Handler, method, target, host, body string, headers ...string) *http.Response {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Host = host
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

// A page of somebody else's needs no answer to produce a record: a simple POST is enough.
func TestGatewayIsForItsOwnPageOnly(t *testing.T) {
	const here = "127.0.0.1:9080"
	cases := []struct {
		name, host string
		headers    []string
		want       int
	}{
		{"a program", here, nil, 200},
		{"a program that names the host of a route", "orders.example", nil, 200},
		{"its own page", here, []string{"Origin", "http://" + here, "Sec-Fetch-Site", "same-origin"}, 200},
		{"its own page, in an older browser", here, []string{"Origin", "http://" + here}, 200},
		{"its own page, under the name that it listens on", "dev.example:9080", []string{"Origin", "http://dev.example:9080"}, 200},
		{"a page that is allowed", here, []string{"Origin", "http://localhost:3000", "Sec-Fetch-Site", "cross-site"}, 200},
		{"a page that is allowed, and another port of it", here, []string{"Origin", "http://localhost:3001"}, 403},
		{"another page", here, []string{"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"}, 403},
		{"another page, in an older browser", here, []string{"Origin", "https://evil.example"}, 403},
		{"another page, without an Origin", here, []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"a page without an origin", here, []string{"Origin", "null"}, 403},
		{"a page of another port", here, []string{"Origin", "http://127.0.0.1:1", "Sec-Fetch-Site", "same-site"}, 403},
		{"a page of the same host over TLS", here, []string{"Origin", "https://" + here}, 403},
		{"a page that somebody else's DNS points here", "evil.example:9080", []string{"Origin", "http://evil.example:9080"}, 403},
	}
	const refusal = `{"code":403,"message":"the development gateway is not for other web pages; --allow-origin names those that it is for","delivered":"no"}` + "\n"
	c := newTestConsole(t)
	front := c.Before(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(200) }))
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS"} {
				if resp := ask(front, method, "/orders", tc.host, tc.headers...); resp.StatusCode != tc.want {
					t.Errorf("%s: %d, want %d", method, resp.StatusCode, tc.want)
				} else if body, err := io.ReadAll(resp.Body); tc.want == 403 && (err != nil || string(body) != refusal || resp.Header.Get("Content-Type") != "application/json") {
					t.Errorf("%s: %s %q, %v", method, resp.Header.Get("Content-Type"), body, err)
				}
			}
		})
	}
}

// A browser names the origin of no GET to the page's own host, which somebody else's DNS may point here. On some routes a GET makes a record.
func TestGatewayTakesAGetByItsNamesOnly(t *testing.T) {
	c := newTestConsole(t)
	front := c.Before(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(200) }))
	for host, want := range map[string]int{
		"127.0.0.1:9080": 200, "localhost": 200, "dev.example:9080": 200, "orders.example:9080": 200, "Orders.Example": 200, "eu.shop.example": 200,
		"evil.example:9080": 403, "shop.example.evil": 403, "": 403,
	} {
		for _, method := range []string{"GET", "HEAD"} {
			if resp := ask(front, method, "/orders", host); resp.StatusCode != want {
				t.Errorf("%s of %q: %d, want %d", method, host, resp.StatusCode, want)
			}
		}
	}
}

// A page of somebody else's must neither read the console nor be of its origin.
func TestConsoleIsForItsOwnPageOnly(t *testing.T) {
	const here = "127.0.0.1:9080"
	cases := []struct {
		name, path, host string
		headers          []string
		want             int
	}{
		{"by address", "", here, nil, 200},
		{"by another address of this machine", "", "192.168.1.7:9080", nil, 200},
		{"by an IPv6 address", "", "[::1]:9080", nil, 200},
		{"by an IPv6 address without a port", "", "[::1]", nil, 200},
		{"as localhost", "", "LocalHost:9080", nil, 200},
		{"as a name below localhost", "", "x.localhost", nil, 200},
		{"as what it listens on", "", "dev.example:9080", nil, 200},
		{"as a name that somebody else's DNS points here", "", "evil.example:9080", nil, 403},
		{"as a name that looks like an address", "", "127.0.0.1.evil.example", nil, 403},
		{"as a name that ends like localhost", "", "notlocalhost", nil, 403},
		{"without a name", "", "", nil, 403},
		{"an asset, by such a name", "app.js", "evil.example", nil, 403},
		{"the routes, by such a name", "routes", "evil.example", nil, 403},

		{"a link of another page leads to the page", "", here, []string{"Sec-Fetch-Site", "cross-site"}, 200},
		{"its own page asks for the routes", "routes", here, []string{"Sec-Fetch-Site", "same-origin", "Origin", "http://" + here}, 200},
		{"a person asks for the routes", "routes", here, []string{"Sec-Fetch-Site", "none"}, 200},
		{"a program asks for the routes", "routes", here, nil, 200},
		{"another page asks for the routes", "routes", here, []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"a page of another port asks for the routes", "routes", here, []string{"Sec-Fetch-Site", "same-site"}, 403},
		{"another page asks, in an older browser", "routes", here, []string{"Origin", "http://evil.example"}, 403},
		{"a page without an origin asks", "routes", here, []string{"Origin", "null"}, 403},
		{"its own page asks for the topics", "topics", here, []string{"Sec-Fetch-Site", "same-origin"}, 200},
		{"another page asks for the topics", "topics", here, []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"another page asks for the records", "records", here, []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"a page of another port asks for the records", "records", here, []string{"Origin", "http://127.0.0.1:1"}, 403},
	}
	c := newTestConsole(t)
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			resp := ask(c, "GET", Path+tc.path, tc.host, tc.headers...)
			if resp.StatusCode != tc.want {
				t.Errorf("%d, want %d", resp.StatusCode, tc.want)
			}
			for name, want := range map[string]string{"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "same-origin"} {
				if got := resp.Header.Get(name); got != want {
					t.Errorf("%s: %q", name, got)
				}
			}
		})
	}
}

func TestOnlyTheOwnPageChangesSomething(t *testing.T) {
	const here = "127.0.0.1:9080"
	own := []string{"Origin", "http://" + here, "Sec-Fetch-Site", "same-origin"}
	cases := []struct {
		name, method, body string
		headers            []string
		want               int
	}{
		{"its own page", "POST", `{"away": true}`, own, 204},
		{"its own page, in an older browser", "POST", `{"away": true}`, own[:2], 204},
		{"a program", "POST", `{"away": true}`, nil, 403},
		{"another page", "POST", `{"away": true}`, []string{"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"}, 403},
		{"a page that the gateway is open to", "POST", `{"away": true}`, []string{"Origin", "http://localhost:3000", "Sec-Fetch-Site", "cross-site"}, 403},
		{"a page without an origin", "POST", `{"away": true}`, []string{"Origin", "null"}, 403},
		{"another page, without an Origin", "POST", `{"away": true}`, []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"GET", "GET", "", own, 405},
		{"nothing", "POST", "", own, 400},
		{"no JSON", "POST", "away", own, 400},
		{"neither", "POST", "{}", own, 400},
		{"another type", "POST", `{"away": "yes"}`, own, 400},
		{"what the broker refuses", "POST", `{"away": false}`, own, 400},
		{"too much", "POST", strings.Repeat(" ", maxChange) + `{"away": true}`, own, 400},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			c := newTestConsole(t)
			resp := askWith(c, tc.method, Path+"broker", here, tc.body, tc.headers...)
			if resp.StatusCode != tc.want || c.options.Broker.Away() != (tc.want == 204) {
				t.Errorf("%d, away: %v, want %d", resp.StatusCode, c.options.Broker.Away(), tc.want)
			}
		})
	}
	c := newTestConsole(t)
	if resp := askWith(c, "POST", Path+"broker", "evil.example:9080", `{"away": true}`, "Origin", "http://evil.example:9080"); resp.StatusCode != 403 {
		t.Errorf("under a name that somebody else's DNS points here: %d", resp.StatusCode)
	}
}

func TestPageChangesARoute(t *testing.T) {
	var put []Edit
	c := New(Options{PutRoute: func(e Edit) error {
		put = append(put, e)
		if e.New {
			return errors.New("topicc: unknown key")
		}
		return nil
	}})
	t.Cleanup(c.Close)
	const here = "127.0.0.1:9080"
	if resp := askWith(c, "POST", Path+"route", here, `{"id": "a", "uris": ["/a", "/b*"], "conf": "{}"}`, "Origin", "http://"+here); resp.StatusCode != 204 {
		t.Errorf("%d", resp.StatusCode)
	}
	resp := askWith(c, "POST", Path+"route", here, `{"id": "b", "new": true}`, "Origin", "http://"+here)
	if body, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != 400 || string(body) != "topicc: unknown key\n" {
		t.Errorf("%v %d %q", err, resp.StatusCode, body)
	}
	if resp := askWith(c, "POST", Path+"route", here, `{"id": "c"}`); resp.StatusCode != 403 {
		t.Errorf("of a program: %d", resp.StatusCode)
	}
	want := []Edit{{ID: "a", URIs: []string{"/a", "/b*"}, Conf: "{}"}, {ID: "b", New: true}}
	if !reflect.DeepEqual(put, want) {
		t.Errorf("%+v", put)
	}
}

// A cluster of others' is not dev's to take away.
func TestBrokersOfOthersAreNotTakenAway(t *testing.T) {
	c := New(Options{Routes: func() []Route { return nil }})
	t.Cleanup(c.Close)
	if resp := askWith(c, "POST", Path+"broker", "localhost", `{"away": true}`, "Origin", "http://localhost"); resp.StatusCode != 405 {
		t.Errorf("%d", resp.StatusCode)
	}
	about, err := io.ReadAll(ask(c, "GET", Path+"routes", "localhost").Body)
	if err != nil || !strings.Contains(string(about), `"away":false,`) || !strings.Contains(string(about), `"embedded":false`) {
		t.Errorf("%v %s", err, about)
	}
}

func TestPolicyAllowsNothingThatIsNotEmbedded(t *testing.T) {
	for _, directive := range strings.Split(policy, "; ") {
		for _, source := range strings.Fields(directive)[1:] {
			if source != "'self'" && source != "'none'" && source != "'script'" {
				t.Errorf("%s", directive)
			}
		}
	}
	for _, needed := range []string{"default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'", "form-action 'none'", "require-trusted-types-for 'script'"} {
		if !strings.Contains(policy, needed) {
			t.Errorf("it lacks %s", needed)
		}
	}
}

func TestConsoleServes(t *testing.T) {
	c := newTestConsole(t)
	next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	cases := []struct {
		name, method, path string
		status             int
		contentType        string
	}{
		{"the page", "GET", Path, 200, "text/html; charset=utf-8"},
		{"the page's head", "HEAD", Path, 200, "text/html; charset=utf-8"},
		{"scripts", "GET", Path + "app.js", 200, "text/javascript; charset=utf-8"},
		{"style", "GET", Path + "style.css", 200, "text/css; charset=utf-8"},
		{"an icon", "GET", Path + "icon.svg", 200, "image/svg+xml"},
		{"the routes", "GET", Path + "routes", 200, "application/json"},
		{"what is not there", "GET", Path + "nothing", 404, "text/plain; charset=utf-8"},
		{"what is outside", "GET", Path + "../console.go", 404, "text/plain; charset=utf-8"},
		{"the folder", "GET", Path + ".", 404, "text/plain; charset=utf-8"},
		{"other methods", "POST", Path, 405, "text/plain; charset=utf-8"},
		{"the path without a slash leads to it", "GET", "/_console", 308, "text/html; charset=utf-8"},
		{"another path is the gateway's", "GET", "/_consoles/", 418, ""},
		{"so is the root", "GET", "/", 418, ""},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			resp := ask(c.Before(next), tc.method, tc.path, "localhost")
			if got := resp.Header.Get("Content-Type"); resp.StatusCode != tc.status || got != tc.contentType {
				t.Errorf("%d %q, want %d %q", resp.StatusCode, got, tc.status, tc.contentType)
			}
		})
	}
}

func TestPageIsToldOfTheTopics(t *testing.T) {
	many := map[string]int{}
	for i := range maxTopics + 1 {
		many[fmt.Sprintf("t%06d", i)] = 1
	}
	for _, tc := range []struct {
		name   string
		counts map[string]int
		err    error
		status int
		want   string
	}{
		{"in order", map[string]int{"t": 4, "<a>": 1}, nil, 200, `{"topics":[["<a>",1],["t",4]]}`},
		{"none", nil, nil, 200, `{"topics":[]}`},
		{"brokers that do not answer", nil, errors.New("timed out"), 503, "the brokers do not say what topics there are: timed out"},
		{"more than can be chosen among", many, nil, 200, `{"topics":[["t000000",1],`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := New(Options{Partitions: func() (map[string]int, error) { return tc.counts, tc.err }})
			t.Cleanup(c.Close)
			resp := ask(c, "GET", Path+"topics", "localhost")
			body, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode != tc.status || !strings.HasPrefix(string(body), tc.want) || strings.Count(string(body), "[") > maxTopics+1 {
				t.Errorf("%v %d %.200s", err, resp.StatusCode, body)
			}
		})
	}
}

func TestPageIsToldOfTheRoutes(t *testing.T) {
	var about struct {
		Gateway, Brokers string
		Embedded         bool
		Routes           []struct {
			ID, Topic, Delivery, Problem string
			URIs, Methods, Features      []string
			Presets                      []Preset
		}
	}
	if err := json.NewDecoder(ask(newTestConsole(t), "GET", Path+"routes", "localhost").Body).Decode(&about); err != nil {
		t.Fatal(err)
	}
	if about.Gateway != "http://127.0.0.1:9080" || about.Brokers != "127.0.0.1:9092" || !about.Embedded || len(about.Routes) != 2 {
		t.Fatalf("%+v", about)
	}
	if a := about.Routes[0]; a.ID != "a" || a.Topic != "t" || a.Delivery != "sync" || a.URIs[0] != "/a" || a.Methods == nil || len(a.Presets) == 0 {
		t.Errorf("%+v", a)
	}
	if b := about.Routes[1]; b.Problem != "no" || len(b.Presets) != 0 {
		t.Errorf("%+v", b)
	}
}

// The policy would stop these too, in the browser and too late.
func TestAssetsStandAlone(t *testing.T) {
	files, err := assets.ReadDir("assets")
	if err != nil {
		t.Fatal(err)
	}
	forbidden := map[string]*regexp.Regexp{
		"an address elsewhere": regexp.MustCompile(`(src|href|url|from|import)\s*[=(]?\s*["'(]?\s*(https?:)?//`),
		"inline style":         regexp.MustCompile(`<style|\sstyle=`),
		"an inline handler":    regexp.MustCompile(`<[^>]*\son[a-z]+=`),
		"an inline script":     regexp.MustCompile(`<script(>|[^>]*>[^<])`),
		"text taken as markup": regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\(|new Function`),
	}
	for _, f := range files {
		content, err := assets.ReadFile("assets/" + f.Name())
		if err != nil {
			t.Fatal(err)
		}
		if mediaTypes[path.Ext(f.Name())] == "" {
			t.Errorf("%s has no media type", f.Name())
		}
		for what, pattern := range forbidden {
			if found := pattern.Find(content); found != nil {
				t.Errorf("%s has %s: %s", f.Name(), what, found)
			}
		}
	}
	page, _ := io.ReadAll(ask(newTestConsole(t), "GET", Path, "localhost").Body)
	for _, ref := range regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllSubmatch(page, -1) {
		if _, err := assets.ReadFile("assets/" + string(ref[1])); err != nil {
			t.Error(err)
		}
	}
}
