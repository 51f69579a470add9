package apisixroute

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/internal/secrets"
)

const value = `{"config":{"bootstrap.servers":"k:9092"},"topic":"it's \"a\" <b>"}`

func noVariables(string) (string, error) { return "", secrets.ErrNotSet }

func quoted(phase string) string {
	return `{"` + phase + `":{"conf":[{"name":"other","value":"x"},{"name":"kafkaupstream","value":"V"}]}}`
}

func TestConfigurationsAreFoundWhereverARouteIs(t *testing.T) {
	cases := []struct {
		name, text string
		want       []string // kind, path, phase of each value V
	}{
		{"a route", `{"uri":"/a","plugins":` + quoted(PostReq) + `}`, []string{"route plugins.ext-plugin-post-req.conf[1].value"}},
		{"a resource that does not tell what it is", `{"plugins":` + quoted(PreReq) + `}`, []string{" plugins.ext-plugin-pre-req.conf[1].value"}},
		{"both phases, in the order in which they run", `{"uri":"/a","plugins":{"ext-plugin-post-req":{"conf":[{"name":"p","value":"V"}]},"ext-plugin-pre-req":{"conf":[{"name":"p","value":"V"}]}}}`,
			[]string{"route plugins.ext-plugin-pre-req.conf[0].value", "route plugins.ext-plugin-post-req.conf[0].value"}},
		{"an answer of the Admin API", `{"key":"/apisix/routes/1","value":{"uri":"/a","plugins":` + quoted(PostReq) + `}}`,
			[]string{"route value.plugins.ext-plugin-post-req.conf[1].value"}},
		{"a service of the Admin API", `{"key":"/apisix/services/1","value":{"plugins":` + quoted(PostReq) + `}}`,
			[]string{"service value.plugins.ext-plugin-post-req.conf[1].value"}},
		{"an answer of version 2", `{"action":"get","node":{"key":"/apisix/routes/1","value":{"uri":"/a","plugins":` + quoted(PostReq) + `}}}`,
			[]string{"route node.value.plugins.ext-plugin-post-req.conf[1].value"}},
		{"a list of version 2", `{"node":{"dir":true,"nodes":[{"value":{"uri":"/a","plugins":` + quoted(PostReq) + `}}]}}`,
			[]string{"route node.nodes[0].value.plugins.ext-plugin-post-req.conf[1].value"}},
		{"a list of the Admin API", `{"total":2,"list":[{"value":{"uri":"/b","plugins":{}}},{"value":{"uri":"/a","plugins":` + quoted(PostReq) + `}}]}`,
			[]string{"route list[1].value.plugins.ext-plugin-post-req.conf[1].value"}},
		{"a list of routes", `[{"uri":"/a","plugins":` + quoted(PostReq) + `}]`, []string{"route [0].plugins.ext-plugin-post-req.conf[1].value"}},
		{"plugins that were cut out of a route", quoted(PostReq), []string{" plugins.ext-plugin-post-req.conf[1].value"}},
		{"apisix.yaml", "# mine\nroutes:\n  - uri: /a\n    plugins: " + quoted(PostReq) + "\nglobal_rules:\n  - id: 1\n    plugins:\n      ext-plugin-pre-req: {conf: [{name: p, value: V}]}\n#END\n",
			[]string{"global rule global_rules[0].plugins.ext-plugin-pre-req.conf[0].value", "route routes[0].plugins.ext-plugin-post-req.conf[1].value"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			doc, err := Read([]byte(c.text), noVariables)
			if err != nil || doc.Plugin || doc.NoEnd {
				t.Fatalf("%+v %v", doc, err)
			}
			var got []string
			for _, r := range doc.Resources {
				for _, e := range r.Entries {
					if e.Value == "V" {
						got = append(got, r.Kind+" "+e.Path)
					}
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestResourceIsCalledByItsKindAndId(t *testing.T) {
	const plugins = `"plugins":{}`
	for text, want := range map[string]string{
		`{"id":"orders","uri":"/a",` + plugins + `}`:                                "route orders",
		`{"id":7,"uri":"/a",` + plugins + `}`:                                       "route 7",
		`{"uri":"/a",` + plugins + `}`:                                              "route /a",
		`{"uris":["/a","/b"],` + plugins + `}`:                                      "route /a",
		`{"key":"/apisix/services/s1","value":{` + plugins + `}}`:                   "service s1",
		`{"key":"/apisix/routes/r1","value":{"id":"r2",` + plugins + `}}`:           "route r2",
		`{"id":{"a":1},` + plugins + `}`:                                            "",
		"routes:\n  - {id: 7, uri: /a}\n#END":                                       "route 7",
		"consumers:\n  - {username: jack, plugins: {}}\n#END":                       "consumer jack",
		`{"id":"` + strings.Repeat("x", 100) + `","uri":"/a",` + plugins + `}`:      "route " + strings.Repeat("x", 64),
		`{"id":"` + strings.Repeat("x", 63) + `\u00e4","uri":"/a",` + plugins + `}`: "route " + strings.Repeat("x", 63),
	} {
		doc, err := Read([]byte(text), noVariables)
		if err != nil || len(doc.Resources) != 1 {
			t.Fatalf("%s: %+v %v", text, doc, err)
		}
		if got := doc.Resources[0].Name(); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

func TestDocumentThatIsNoRoute(t *testing.T) {
	for _, text := range []string{`{"config":{},"topic":"a"}`, `{}`, `{"a":`, `{} {}`, `{"value":"a"}`, "\ufeff{}"} {
		if doc, err := Read([]byte(text), noVariables); err != nil || !doc.Plugin {
			t.Errorf("%s: %+v %v", text, doc, err)
		}
	}
	for text, want := range map[string]string{
		"":                              "it is empty",
		" \n":                           "it is empty",
		"null":                          "it holds null, nothing else",
		"# nothing":                     "it is empty",
		"hello":                         "it is neither JSON nor an apisix.yaml, which has routes",
		"rout: [{uri: /a}]":             "it has no `routes` (there is `rout`)",
		"defaults: {}\nroute: []":       "it has no `routes` (there is `route`)",
		"config: {a: b}\ntopic: t":      "the plugin's configuration must be JSON, and this is YAML",
		"a: b":                          "it is neither JSON nor an apisix.yaml, which has routes",
		"routes: []\n---\nroutes: []":   "it is neither JSON nor YAML: a second document begins with ---, and only one can be read",
		"routes: []\n---\n---\na: b":    "it is neither JSON nor YAML: a second document begins with ---, and only one can be read",
		"routes: [secret: {":            "it is neither JSON nor YAML: line 1: did not find expected node content",
		"routes: !!int `secret":         "it is neither JSON nor YAML: found character that cannot start any token",
		strings.Repeat("a", MaxBytes+1): "it has more than 8388608 bytes",
	} {
		if _, err := Read([]byte(text), noVariables); err == nil || err.Error() != want {
			t.Errorf("%.30q: %v", text, err)
		}
	}
}

func TestApisixYamlEndsInEND(t *testing.T) {
	for text, want := range map[string]bool{
		"routes: []\n#END": false, "routes: []\n---\n#END": false, "routes: []\n---\n# more\n---\n": true, "routes: []\n#END\n\n": false, "routes: []\n": true, "#END\nroutes: []\n": true,
	} {
		if doc, err := Read([]byte(text), noVariables); err != nil || doc.NoEnd != want {
			t.Errorf("%q: %+v %v", text, doc, err)
		}
	}
}

func example() *Route {
	return &Route{ID: "orders", URIs: []string{"/orders"}, Methods: []string{"POST"}, Phase: PostReq, Plugin: "kafkaupstream", Value: value}
}

func TestRouteThatAPISIXWouldRefuseIsNotWritten(t *testing.T) {
	if err := example().Validate(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Route){
		"id":      func(r *Route) { r.ID = "a b" },
		"uri":     func(r *Route) { r.URIs = []string{"orders"} },
		"host":    func(r *Route) { r.Hosts = []string{"a b"} },
		"name":    func(r *Route) { r.Name = strings.Repeat("n", 101) },
		"methods": func(r *Route) { r.Methods = []string{"FETCH"} },
	} {
		r := example()
		spoil(r)
		if err := r.Validate(); err == nil || !strings.Contains(err.Error(), `"`+name+`"`) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTopicsHaveDifferentIds(t *testing.T) {
	same := strings.Repeat("t", 64)
	for topic, want := range map[string]string{
		"orders":    "orders",
		same:        same,
		same + ".a": "ttttttttttttttttttttttttttttttttttttttttttttttttttt-5efd2c96186a",
		same + ".b": "ttttttttttttttttttttttttttttttttttttttttttttttttttt-c69c0cf5a772",
	} {
		r := example()
		if r.ID = ID(topic); r.ID != want || r.Validate() != nil {
			t.Errorf("%s: %s, %v", topic, r.ID, r.Validate())
		}
	}
}

func TestCurlCommandGivesCurlTheBody(t *testing.T) {
	r := example()
	command, err := r.Curl("http://127.0.0.1:9180/")
	if err != nil {
		t.Fatal(err)
	}
	script := "ADMIN_KEY='k y'; curl() { printf '%s\\n' \"$@\"; }; " + string(command)
	out, err := exec.Command("bash", "-c", script).Output()
	if err != nil {
		t.Fatal(err)
	}
	body, _ := r.JSON()
	want := "-sS\n--fail-with-body\n-X\nPUT\nhttp://127.0.0.1:9180/apisix/admin/routes/orders\n-H\nX-API-KEY: k y\n-d\n" + string(body)
	if string(out) != want {
		t.Errorf("got\n%s\nwant\n%s", out, want)
	}
}

// found is the one value in a document.
func found(t *testing.T, text []byte) string {
	t.Helper()
	doc, err := Read(text, noVariables)
	if err != nil || doc.Plugin || doc.NoEnd || len(doc.Resources) != 1 || len(doc.Resources[0].Entries) != 1 {
		t.Fatalf("%+v %v in\n%s", doc, err, text)
	}
	e := doc.Resources[0].Entries[0]
	if e.Name != "kafkaupstream" || e.Phase != PostReq || doc.Resources[0].Kind != "route" {
		t.Errorf("%+v", e)
	}
	if e.ValueErr != nil {
		return unread
	}
	text2, _ := e.Value.(string)
	return text2
}

// unread is what found returns of a reference that is not known.
const unread = "(a reference)"

func FuzzWrittenIsRead(f *testing.F) {
	for _, s := range []string{value, "", "a", "true", "'", "\"\\", "a: b # c", " x ", "${{A}}", "\u00e4\u2028\x7f\u0085", "line\nline"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		r := example()
		r.Value = strings.ToValidUTF8(value, "")
		want := r.Value
		if hasEnvPrefix(want) || strings.HasPrefix(want, secretPrefix) {
			want = unread
		}
		text, err := r.JSON()
		if err != nil || found(t, text) != want {
			t.Errorf("JSON: %v %q", err, text)
		}
		text, err = YAML([]*Route{r})
		if variable.Match(text) { // of which a default takes the place, or nothing
			return
		}
		if err != nil || found(t, text) != want {
			t.Errorf("YAML: %v %q", err, text)
		}
	})
}

func FuzzRead(f *testing.F) {
	f.Add(`{"uri":"/a","plugins":` + quoted(PostReq) + `}`)
	f.Add("routes:\n  - &a {uri: /a, plugins: {ext-plugin-post-req: {conf: [{name: p, value: V}]}}}\n  - *a\n#END")
	f.Add(`{"node":{"nodes":[{"value":{"plugins":{"ext-plugin-pre-req":{"conf":[1,{"value":{}}]}}}}]}}`)
	f.Fuzz(func(t *testing.T, text string) {
		doc, err := Read([]byte(text), noVariables)
		if (doc == nil) == (err == nil) {
			t.Errorf("%+v %v", doc, err)
		}
	})
}
