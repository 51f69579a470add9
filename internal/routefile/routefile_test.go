package routefile

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/internal/secrets"
)

// variables are the environment of an apisix.yaml.
func variables(name string) (string, error) {
	if name == "CONF" {
		return `{"topic":"env"}`, nil
	}
	return "", secrets.ErrNotSet
}

// show is the routes as a test writes them.
func show(routes []Route) string {
	var b strings.Builder
	for _, r := range routes {
		fmt.Fprintf(&b, "%s %s %v %v %v %s\n", r.Place, r.ID, r.Methods, r.Hosts, r.Paths, r.Conf)
		for _, d := range r.Doubts {
			fmt.Fprintln(&b, "doubt", d)
		}
	}
	return b.String()
}

func TestReadRoutes(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"YAML with defaults", `
defaults:
  config: {bootstrap.servers: "k:9092", linger.ms: 5}
  delivery: sync
routes:
  - id: orders
    match: {path: /orders/*, methods: POST}
    topic: orders
    config: {linger.ms: 1, acks: all}
  - id: audit
    match: {path: [/audit, "/a/{tenant}/x"], host: Audit.example.com}
    topic: audit
    delivery: durable
`, `routes[0] orders [POST] [] [/orders/{rest...}] {"config":{"acks":"all","bootstrap.servers":"k:9092","linger.ms":1},"delivery":"sync","topic":"orders"}
routes[1] audit [] [audit.example.com] [/audit /a/{tenant}/x] {"config":{"bootstrap.servers":"k:9092","linger.ms":5},"delivery":"durable","topic":"audit"}
`},
		{"JSON", `{"routes":[{"id":"a","match":{"path":"/a/"},"key":"ö\u00f6","config":{"x":9007199254740993,"y":1e3}}]}`,
			"routes[0] a [] [] [/a/{$}] {\"config\":{\"x\":9007199254740993,\"y\":1e3},\"key\":\"ö\\u00f6\"}\n"},
		{"YAML's own values", `
routes:
  - {id: a, match: {path: /}, topic: 2026-01-01, key: "yes", partition: 9007199254740993, batch: true, config: {a: 5, b: 1.5, c: null, d: true}, form: {a: .5, b: 0x10}}
`, `routes[0] a [] [] [/{$}] {"batch":true,"config":{"a":5,"b":1.5,"c":null,"d":true},"form":{"a":0.5,"b":16},"key":"yes","partition":9007199254740993,"topic":"2026-01-01"}` + "\n"},
		{"properties are texts, whatever YAML takes them for", `
defaults: {config: {a: 0123456, default.topic.config: {b: 1.10}}}
routes:
  - {id: a, match: {path: /a}, config: &c {sasl.password: 12345678901234567890123, d: 1e3, e: 1_000, f: 0x1F, g: True, h: .inf, i: -0, j: no, k: On, l: 1:30, m: 2026-01-01}}
  - {id: b, match: {path: /b}, config: *c}
  - {id: c, match: {path: /c}, config: {d: 0o17, <<: [{d: 0x1, n: 0x2}, &m {n: 0x3, o: 0x4, <<: {o: 0x5, p: 0x6}}]}}
  - {id: d, match: {path: /d}, <<: {config: {<<: *m}}, topic: no, key: on}
`, `routes[0] a [] [] [/a] {"config":{"a":"0123456","d":"1e3","default.topic.config":{"b":"1.10"},"e":"1_000","f":"0x1F","g":"True","h":".inf","i":"-0","j":"no","k":"On","l":"1:30","m":"2026-01-01","sasl.password":"12345678901234567890123"}}
routes[1] b [] [] [/b] {"config":{"a":"0123456","d":"1e3","default.topic.config":{"b":"1.10"},"e":"1_000","f":"0x1F","g":"True","h":".inf","i":"-0","j":"no","k":"On","l":"1:30","m":"2026-01-01","sasl.password":"12345678901234567890123"}}
routes[2] c [] [] [/c] {"config":{"a":"0123456","d":"0o17","default.topic.config":{"b":"1.10"},"n":"0x2","o":"0x4","p":"0x6"}}
routes[3] d [] [] [/d] {"config":{"a":"0123456","default.topic.config":{"b":"1.10"},"n":"0x3","o":"0x4","p":"0x6"},"key":"on","topic":"no"}
`},
		{"members in their order", `
routes:
  - {id: a, match: {path: /a}, record_headers: {b: 1, a: &a {y: [{d: 1, c: 2}], x: 2}}, config: {<<: {q: 1, b: 1}, b: *a, 'c"': {}}}
`, `routes[0] a [] [] [/a] {"config":{"b":{"y":[{"d":1,"c":2}],"x":2},"c\"":{},"q":1},"record_headers":{"b":1,"a":{"y":[{"d":1,"c":2}],"x":2}}}` + "\n"},
		{"anchors and merges", `
routes:
  - {id: a, match: {path: /a}, record_headers: &x {h: t}}
  - {id: b, match: {path: /b}, record_headers: {<<: *x}}
`, `routes[0] a [] [] [/a] {"record_headers":{"h":"t"}}` + "\n" + `routes[1] b [] [] [/b] {"record_headers":{"h":"t"}}` + "\n"},
		{"apisix.yaml", `
routes:
  - id: 1
    uris: [/a, /b/*]
    host: x.example.com
    methods: [POST]
    plugins:
      key-auth: {}
      ext-plugin-post-req:
        conf: [{name: kafkaupstream, value: '{"topic":"t"}'}]
  - id: other
    uri: /other
    upstream: {nodes: {"a:1": 1}}
#END
`, `routes[0] 1 [POST] [x.example.com] [/a /b/{rest...}] {"topic":"t"}
doubt plugins.key-auth: serve does not run APISIX's plugins; a gateway in front of it has to
`},
		{"apisix.yaml with keys that no route of APISIX's has", `
routes:
  - {id: a, uri: /a, method: [POST], hots: a.example, plugins: {ext-plugin-pre-req: {conf: [{name: kafkaupstream, value: '{}'}]}}}
  - {id: b, uri: /b, metod: [POST], upstream_id: 1}
#END
`, `routes[0] a [] [] [/a] {}
doubt hots: APISIX's routes have no such key, so APISIX refuses the route; did you mean "hosts"?
doubt method: APISIX's routes have no such key, so APISIX refuses the route; did you mean "methods"?
`},
		{"apisix.yaml with a reference", `
routes:
  - {id: a, uri: /a, plugins: {ext-plugin-pre-req: {conf: [{name: kafkaupstream, value: $env://CONF}]}}}
  - {id: b, uri: "/${{PATH_B:=b}}", plugins: {ext-plugin-pre-req: {conf: [{name: kafkaupstream, value: '{"topic":"b"}'}]}}}
#END
`, "routes[0] a [] [] [/a] {\"topic\":\"env\"}\nroutes[1] b [] [] [/b] {\"topic\":\"b\"}\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			routes, err := Read([]byte(c.text), variables)
			if got := show(routes); err != nil || got != c.want {
				t.Errorf("%v\n got %s\nwant %s", err, got, c.want)
			}
		})
	}
}

func TestReadSaysWhatIsWrongAndWhere(t *testing.T) {
	apisix := func(fields string) string {
		return `{"routes":[{"id":"a","uri":"/a",` + fields + `"plugins":{"ext-plugin-pre-req":{"conf":[{"name":"kafkaupstream","value":"{}"}]}}}]}`
	}
	for text, want := range map[string]string{
		"":                       "the file is empty",
		"{":                      "the file is not valid JSON: it ends too early, at line 1, column 2",
		"{\n  \"routes\": [], }": "the file is not valid JSON: error at line 2, column 17: found '}', expected the name of a member, in double quotes; the comma before it is one too many",
		"null":                   "the file holds null, nothing else",
		"a: b: secret":           "the file is neither JSON nor YAML: mapping values are not allowed in this context",
		"# nothing":              "the file is empty",
		"[1]":                    "the file must be an object with routes, and defaults for all of them",
		`{"routes":[{"id":"a","match":{"path":"/"},"topic":"a","topic":"b"}]}`:        `"topic" is given twice in one object, at line 1, column 61`,
		`{"routes":[{"id":"a","match":{"path":"/","path":"/b"},"topic":"routes"}]}`:   `"path" is given twice in one object, at line 1, column 47`,
		`{"routes":[],"defaults":{"config":{"acks":[1,{"acks":2}],"acks":{}}}}`:       `"acks" is given twice in one object, at line 1, column 63`,
		`{"routes":[],"x":[],"routes":[]}`:                                            `"routes" is given twice in one object, at line 1, column 28`,
		"routes: [{id: a, id: b}]":                                                    "the file is neither JSON nor YAML: unmarshal errors:\n  line 1: mapping key \"id\" already defined at line 1",
		"routes: [{&x id: a, *x : b}]":                                                `the file is neither JSON nor YAML: "id" is given twice in one object`,
		"routes: [{1: a}]":                                                            "the file is neither JSON nor YAML: it holds what JSON cannot: names that are not texts, or numbers without an end",
		"x: 1":                                                                        "the file must have routes, a list",
		"routes: []":                                                                  "the file has no route",
		"default: {delivery: sync}\nroutes: [{id: a, match: {path: /}}]":              `default: unknown key; did you mean "defaults"?`,
		"Defaults: {}\nx: 1\nroutes: [{}]":                                            "Defaults: unknown key; did you mean \"defaults\"?\nx: unknown key; the keys are \"defaults\", \"routes\"\nroutes[0]: id: a text that names the route in logs is required",
		"routes: [1]":                                                                 "routes[0]: a route is an object: id, match, and the keys of a configuration",
		"routes: [{match: {path: /}}]":                                                "routes[0]: id: a text that names the route in logs is required",
		"routes: [{id: a}]":                                                           "routes[0]: match: an object with a path is required",
		"routes: [{id: a, mtach: {path: /}, batch: true}]":                            "routes[0]: mtach: unknown key; did you mean \"match\"?\nroutes[0]: match: an object with a path is required",
		"routes: [{id: a, match: {}}]":                                                "routes[0]: match.path: it is required, / and all below is /*",
		"routes: [{id: a, match: {uri: /}}]":                                          `routes[0]: match.uri: unknown key; the keys are "host", "methods", "path"`,
		"routes: [{id: a, match: {path: /, method: PUT, hots: a}}]":                   "routes[0]: match.hots: unknown key; did you mean \"host\"?\nroutes[0]: match.method: unknown key; did you mean \"methods\"?",
		"routes: [{id: a, match: {path: /, methods: [POST, GTE]}}]":                   `routes[0]: match.methods: "GTE" is no method; did you mean "GET"?`,
		"routes: [{id: a, match: {path: a}}]":                                         `routes[0]: match.path: "a": a path begins with /`,
		"routes: [{id: a, match: {path: /a*}}]":                                       `routes[0]: match.path: "/a*": * stands at the end of a path only, after /`,
		"routes: [{id: a, match: {path: 1}}]":                                         "routes[0]: match.path: it is a text or a list of texts",
		"routes: [{id: a, match: {path: /, methods: [post]}}]":                        "routes[0]: match.methods: \"post\" is no method; did you mean \"POST\"?",
		"routes: [{id: a, match: {path: /, methods: [PUT, PUT]}}]":                    "routes[0]: match.methods: PUT is given twice",
		"routes: [{id: a, match: {path: /, host: '*.a'}}]":                            `routes[0]: match.host: "*.a": a host is a whole name without a port`,
		"routes: [{id: a, match: {path: /}}, {id: a, match: {path: /a}}, {}]":         "routes[1]: id: routes[0] has the id \"a\", too\nroutes[2]: id: a text that names the route in logs is required",
		"routes: [1]\n---\nroutes: []":                                                "the file is neither JSON nor YAML: a second document begins with ---, and only one can be read",
		"defaults: 1\nroutes: [1]":                                                    "defaults: it must be an object: keys of a route's configuration, for all routes",
		"defaults: {id: a}\nroutes: [1]":                                              "defaults.id: each route has its own",
		`{"routes":[{"uri":"/"}]}`:                                                    "no route of the file has the plugin kafkaupstream, or all that have it are disabled",
		apisix(`"status":0,`):                                                         "no route of the file has the plugin kafkaupstream, or all that have it are disabled",
		strings.Replace(apisix(""), `"conf":`, `"_meta":{"disable":true},"conf":`, 1): "no route of the file has the plugin kafkaupstream, or all that have it are disabled",
		strings.Replace(apisix(""), `"conf":`, `"_meta":{"filter":[["arg_a","==","1"]]},"conf":`, 1): "routes[0]: plugins.ext-plugin-pre-req._meta.filter: serve does not know it; a gateway in front can",
		strings.Replace(apisix(""), "ext-plugin-pre-req", "ext-plugin-post-resp", 1):                 "routes[0]: plugins.ext-plugin-post-resp: it runs when an upstream has answered, and this plugin answers requests; use ext-plugin-post-req",
		apisix(`"vars":[],`): "routes[0]: vars: serve does not know it; a gateway in front can",
		strings.Replace(apisix(""), `"{}"`, `"$secret://a/b/c"`, 1):                                                                          `routes[0]: the plugin's value: "$secret://a/b/c" is a reference that APISIX resolves and this check does not: it asks no secret manager`,
		`{"routes":[{"uri":"/"}],"services":[{"id":"s","plugins":{"ext-plugin-pre-req":{"conf":[{"name":"kafkaupstream","value":"{}"}]}}}]}`: "services[0]: serve takes this plugin on routes only, and this is a service",
	} {
		if _, err := Read([]byte(text), variables); err == nil || err.Error() != want {
			t.Errorf("%s\n got %v\nwant %s", text, err, want)
		}
	}
}

// What is read is a list of routes that have an id, a path and a configuration that is JSON, or an error.
func FuzzRead(f *testing.F) {
	f.Add("routes: [{id: a, match: {path: /a/*, host: b, methods: [POST]}, topic: t}]\ndefaults: {config: {x: 1}}")
	f.Add(`{"routes":[{"id":"a","uri":"/a","plugins":{"ext-plugin-pre-req":{"conf":[{"name":"kafkaupstream","value":"{}"}]}}}]}`)
	f.Add("a: &a [*a]")
	f.Add("routes: [{id: a, match: {path: /a}, <<: {b: 1}, &x b: !!binary aGk=, *x : !!set {c}, ? d : [1, e: 2]}]")
	f.Fuzz(func(t *testing.T, text string) {
		routes, err := Read([]byte(text), variables)
		if err != nil {
			return
		}
		for _, r := range routes {
			if len(r.Paths) == 0 || r.Place == "" || r.Match.Paths[0][0] != '/' {
				t.Errorf("%+v", r)
			}
			if r.Methods == nil && !json.Valid([]byte(r.Conf)) && !strings.Contains(text, "value") {
				t.Errorf("not JSON: %s", r.Conf)
			}
		}
	})
}
