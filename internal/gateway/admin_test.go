package gateway

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const conf = `"plugins":{"ext-plugin-post-req":{"conf":[{"name":"p","value":"{}"}]}}`

// admin does one request to the Admin API.
func admin(t *testing.T, g *Gateway, method, path, body string, headers ...string) (int, string) {
	t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Host, r.RemoteAddr = "127.0.0.1:9080", "127.0.0.1:50000"
	for i := 0; i < len(headers); i += 2 {
		switch headers[i] {
		case "Host":
			r.Host = headers[i+1]
			continue
		case "from":
			r.RemoteAddr = headers[i+1]
			continue
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	if ct := w.Header().Get("Content-Type"); ct != "application/json" {
		t.Errorf("content type %q", ct)
	}
	return w.Code, w.Body.String()
}

func TestAdminLifeOfARoute(t *testing.T) {
	g := New(nil, Options{Rewrite: func(_, value string) string { return "rewritten " + value }})
	const path = "/apisix/admin/routes/r-1"
	const body = `{"uri":"/x","name":"n","desc":"d","upstream":{"nodes":{"a:1":1}},"labels":{"a":"b"},` + conf + `}`

	step := func(name, method, path, body string, status int) map[string]any {
		t.Helper()
		code, text := admin(t, g, method, path, body, "X-API-KEY", "anything")
		if code != status {
			t.Fatalf("%s: %d %s", name, code, text)
		}
		m := map[string]any{}
		if err := json.Unmarshal([]byte(text), &m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	value := func(m map[string]any) map[string]any { v, _ := m["value"].(map[string]any); return v }

	created := step("create", "PUT", path, body, 201)
	if created["key"] != "/apisix/routes/r-1" || value(created)["id"] != "r-1" || value(created)["name"] != "n" ||
		value(created)["create_time"] == nil || value(created)["update_time"] == nil {
		t.Errorf("created %v", created)
	}
	updated := step("update", "PUT", path, strings.Replace(body, "/x", "/y", 1), 200)
	if value(updated)["uri"] != "/y" || value(updated)["create_time"] != value(created)["create_time"] {
		t.Errorf("updated %v", updated)
	}
	got := step("get", "GET", path, "", 200)
	plugin := value(got)["plugins"].(map[string]any)[PostReq].(map[string]any)["conf"].([]any)[0].(map[string]any)
	if plugin["value"] != "{}" || got["modifiedIndex"].(float64) <= got["createdIndex"].(float64) {
		t.Errorf("got %v", got)
	}
	if r := g.table.Load().match("GET", "h", "/y"); r == nil || r.Conf[0].Value != "rewritten {}" {
		t.Errorf("in use: %+v", r)
	}
	put(t, g, Route{ID: "from-go", URIs: []string{"/go"}, Disabled: true})
	list := step("list", "GET", "/apisix/admin/routes", "", 200)
	if list["total"] != 2.0 || len(list["list"].([]any)) != 2 {
		t.Errorf("list %v", list)
	}
	fromGo := value(step("get what Go put", "GET", "/apisix/admin/routes/from-go", "", 200))
	if fmt.Sprint(fromGo["uris"]) != "[/go]" || fromGo["status"] != 0.0 {
		t.Errorf("got %v", fromGo)
	}
	step("create with the ID in the body", "PUT", "/apisix/admin/routes", `{"id":7,"uri":"/7",`+conf+`}`, 201)
	if deleted := step("delete", "DELETE", path, "", 200); deleted["deleted"] != "1" || deleted["key"] != "/apisix/routes/r-1" {
		t.Errorf("deleted %v", deleted)
	}
	for _, method := range []string{"GET", "DELETE"} {
		if gone := step("gone", method, path, "", 404); gone["message"] != "Key not found" {
			t.Errorf("gone: %v", gone)
		}
	}
}

func TestAdminRefusals(t *testing.T) {
	plugin := func(s string) string { return `{"uri":"/","plugins":{"ext-plugin-pre-req":` + s + `}}` }
	wrongValue := func(got string) string {
		return "failed to check the configuration of plugin ext-plugin-pre-req err: property \"conf\" validation failed: " +
			"failed to validate item 1: property \"value\" validation failed: wrong type: expected string, got " + got
	}
	tests := []struct {
		name, method, path, body string
		status                   int
		want                     string
	}{
		{"a value that is an object", "PUT", "/1", plugin(`{"conf":[{"name":"p","value":{"a":1}}]}`), 400, wrongValue("table")},
		{"a value that is a list", "PUT", "/1", plugin(`{"conf":[{"name":"p","value":[]}]}`), 400, wrongValue("table")},
		{"a value that is a number", "PUT", "/1", plugin(`{"conf":[{"name":"p","value":1}]}`), 400, wrongValue("number")},
		{"a value that is null", "PUT", "/1", plugin(`{"conf":[{"name":"p","value":null}]}`), 400, wrongValue("userdata")},
		{"a plugin without value", "PUT", "/1", plugin(`{"conf":[{"name":"p"}]}`), 400, `property "value" is required`},
		{"a plugin without name", "PUT", "/1", plugin(`{"conf":[{"value":""}]}`), 400, `property "name" is required`},
		{"an entry that is no object", "PUT", "/1", plugin(`{"conf":["p"]}`), 400, "expected object, got string"},
		{"no conf", "PUT", "/1", plugin(`{}`), 400, `"conf" is required`},
		{"an empty conf", "PUT", "/1", plugin(`{"conf":[]}`), 400, `expect array to have at least 1 items`},
		{"a conf that is no list", "PUT", "/1", plugin(`{"conf":{}}`), 400, "expected array, got table"},
		{"a plugin that is no object", "PUT", "/1", plugin(`1`), 400, "expected object, got number"},
		{"_meta", "PUT", "/1", plugin(`{"_meta":{"disable":true},"conf":[{"name":"p","value":""}]}`), 400, `_meta`},
		{"a degradation that is no boolean", "PUT", "/1", plugin(`{"allow_degradation":1,"conf":[]}`), 400, "expected boolean, got number"},
		{"another plugin", "PUT", "/1", `{"uri":"/","plugins":{"key-auth":{}}}`, 400, "unknown plugin [key-auth]"},
		{"another plugin besides", "PUT", "/1", `{"uri":"/","plugins":{"ext-plugin-pre-req":{"conf":[{"name":"p","value":""}]},"limit-req":{}}}`,
			400, "unknown plugin [limit-req]"},
		{"both plugins", "PUT", "/1", `{"uri":"/","plugins":{"ext-plugin-pre-req":{},"ext-plugin-post-req":{}}}`, 400, "one of"},
		{"no plugin", "PUT", "/1", `{"uri":"/","plugins":{}}`, 400, "is required"},
		{"no plugins", "PUT", "/1", `{"uri":"/"}`, 400, `property \"plugins\" is required`},
		{"no path", "PUT", "/1", `{` + conf + `}`, 400, "uri"},
		{"uri and uris", "PUT", "/1", `{"uri":"/","uris":["/"],` + conf + `}`, 400, "only one of uri or uris is allowed"},
		{"host and hosts", "PUT", "/1", `{"uri":"/","host":"a","hosts":["b"],` + conf + `}`, 400, "only one of host or hosts is allowed"},
		{"a path that is a number", "PUT", "/1", `{"uri":1,` + conf + `}`, 400, "expected string, got number"},
		{"paths that are numbers", "PUT", "/1", `{"uris":[1],` + conf + `}`, 400, "failed to validate item 1"},
		{"an unknown method", "PUT", "/1", `{"uri":"/","methods":["FETCH"],` + conf + `}`, 400, "methods"},
		{"no method at all", "PUT", "/1", `{"uri":"/","methods":[],` + conf + `}`, 400, "methods"},
		{"a status other than 0 and 1", "PUT", "/1", `{"uri":"/","status":2,` + conf + `}`, 400, "status"},
		{"a priority that is no integer", "PUT", "/1", `{"uri":"/","priority":1.5,` + conf + `}`, 400, "priority"},
		{"an upstream that is no object", "PUT", "/1", `{"uri":"/","upstream":"u",` + conf + `}`, 400, "expected object, got string"},
		{"an unknown property", "PUT", "/1", `{"uri":"/","urii":"/",` + conf + `}`, 400, "additional properties forbidden, found urii"},
		{"a property that only APISIX has", "PUT", "/1", `{"uri":"/","vars":[],` + conf + `}`, 400, `not supported by this development gateway`},
		{"a time", "PUT", "/1", `{"uri":"/","create_time":1,` + conf + `}`, 400, "the property is forbidden:  create_time"},
		{"another ID in the body", "PUT", "/1", `{"uri":"/","id":"2",` + conf + `}`, 400, "wrong route id"},
		{"no ID", "PUT", "", `{"uri":"/",` + conf + `}`, 400, "missing route id"},
		{"an ID with other characters", "PUT", "/a$b", `{"uri":"/",` + conf + `}`, 400, "id"},
		{"no JSON", "PUT", "/1", `{`, 400, "invalid request body: "},
		{"JSON with more behind it", "PUT", "/1", `{} {}`, 400, "invalid request body: "},
		{"JSON null", "PUT", "/1", `null`, 400, "invalid request body: "},
		{"a list", "PUT", "/1", `[]`, 400, "invalid request body: "},
		{"no body", "PUT", "/1", ``, 400, "invalid request body: "},
		{"a body over 1.5 MiB", "PUT", "/1", `{"desc":"` + strings.Repeat("x", maxAdminBody) + `"}`, 400, "maximum size"},
		{"PATCH", "PATCH", "/1", `{}`, 405, "not supported `PATCH` method for route"},
		{"POST", "POST", "", `{"uri":"/",` + conf + `}`, 405, "not supported `POST` method for route"},
		{"DELETE without an ID", "DELETE", "", ``, 400, "missing route id"},
		{"another resource", "GET", "/../upstreams/1", ``, 404, "Unsupported resource type: upstreams/1"},
		{"a resource with a like name", "GET", "x", ``, 404, "Unsupported resource type: routesx"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := New(nil, Options{})
			code, body := admin(t, g, tt.method, "/apisix/admin/routes"+tt.path, tt.body)
			var m struct {
				Message string `json:"error_msg"`
			}
			if err := json.Unmarshal([]byte(body), &m); err != nil {
				t.Fatal(err)
			}
			want := strings.ReplaceAll(tt.want, `\"`, `"`)
			if code != tt.status || !strings.Contains(m.Message, want) {
				t.Errorf("got %d %s", code, body)
			}
			if len(g.Routes()) != 0 {
				t.Error("the route is in use")
			}
		})
	}
}

func TestAdminIsForThisMachineOnly(t *testing.T) {
	tests := []struct {
		name    string
		headers []string
		status  int
	}{
		{"a loopback address with port", []string{"Host", "127.0.0.1:9080"}, 200},
		{"another loopback address", []string{"Host", "127.1.2.3"}, 200},
		{"IPv6 loopback", []string{"Host", "[::1]:9080"}, 200},
		{"IPv6 loopback without port", []string{"Host", "[::1]"}, 200},
		{"localhost in any case", []string{"Host", "LocalHost:9080"}, 200},
		{"a name below localhost", []string{"Host", "gateway.localhost"}, 200},
		{"a name that DNS may have rebound", []string{"Host", "evil.example"}, 403},
		{"a name that begins like an address", []string{"Host", "127.0.0.1.evil.example:9080"}, 403},
		{"a name that ends like localhost", []string{"Host", "evillocalhost"}, 403},
		{"another address", []string{"Host", "192.168.0.1:9080"}, 403},
		{"no host", []string{"Host", ""}, 403},
		{"another machine, which names this one", []string{"from", "192.0.2.1:50000", "Host", "localhost:9080"}, 403},
		{"this machine, over IPv6", []string{"from", "[::1]:50000"}, 200},
		{"this machine, over a socket that takes both", []string{"from", "[::ffff:127.0.0.1]:50000"}, 200},
		{"a web page", []string{"Origin", "http://evil.example"}, 403},
		{"a local web page", []string{"Origin", "http://127.0.0.1:9080"}, 403},
		{"a sandboxed web page", []string{"Origin", "null"}, 403},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, path := range []string{"/apisix/admin/routes", "//apisix/x/../admin/routes"} {
				if code, body := admin(t, New(nil, Options{}), "GET", path, "", tt.headers...); code != tt.status {
					t.Errorf("%s: got %d %s", path, code, body)
				}
			}
		})
	}
}

func TestAdminRouteIsServed(t *testing.T) {
	g := New(newTestClient(t, startRunner(t, &fakeRunner{}), ClientOptions{}), Options{})
	server := serve(t, g)
	put := request(t, "PUT", server.URL+"/apisix/admin/routes/1", strings.NewReader(`{"uri":"/x",`+conf+`}`))
	if resp, body := do(t, put); resp.StatusCode != 201 {
		t.Fatal(body)
	}
	if resp, body := do(t, request(t, "GET", server.URL+"/x", nil)); resp.StatusCode != http.StatusOK || body != "ok" {
		t.Errorf("got %d %q", resp.StatusCode, body)
	}
}
