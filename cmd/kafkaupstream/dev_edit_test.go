package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/test/cli/program"
)

func TestConsoleIsShownNoSecretOfAConfiguration(t *testing.T) {
	cases := []struct {
		name, text, want string
		hidden           []string
	}{
		{"the connection", `{"config": {"sasl.password": "hush"}, "topic": "t", "timeout_ms": 1e3}`, `{"topic":"t","timeout_ms":1e3}`, []string{"config"}},
		{"a transport URL", `{"topic": "t", "transport_url": "kafka://u:hush@h/"}`, `{"topic":"t"}`, []string{"transport_url"}},
		{"registries", `{"schema": {"password": "hush"}, "key_schema": {"token": "hush"}, "dialects": {"x": "hush"}}`, `{}`, []string{"schema", "key_schema", "dialects"}},
		{"a key that is misspelt", `{"confg": {"sasl.password": "hush"}, "Config": "hush", "topic": "t"}`, `{"topic":"t"}`, nil},
		{"nothing", `{}`, `{}`, nil},
		{"no object", `["hush"]`, `{}`, nil},
		{"no JSON", `{"topic": "hush"`, `{}`, nil},
		{"more than one", `{"topic": "hush"} {}`, `{}`, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			shown, hidden := shownConf(c.text)
			if got := strings.Join(strings.Fields(shown), ""); got != c.want || !slices.Equal(hidden, c.hidden) {
				t.Errorf("%s, hidden %q", got, hidden)
			}
		})
	}
}

func TestEditedConfigurationKeepsWhatWasNotShown(t *testing.T) {
	const old = `{"config": {"acks": "all"}, "topic": "t", "schema": {"inline": {}}, "confg": 1}`
	cases := []struct{ name, text, want string }{
		{"the rest is new", `{ "topic": "u" }`, `{"config":{"acks": "all"},"schema":{"inline": {}}, "topic": "u" }`},
		{"nothing else", ` {} `, ` {"config":{"acks": "all"},"schema":{"inline": {}}} `},
		{"one is given", `{"config": {}, "topic": "u"}`, `{"schema":{"inline": {}},"config": {}, "topic": "u"}`},
		{"all are given", `{"config": {}, "schema": null}`, `{"config": {}, "schema": null}`},
		{"a key given twice is the plugin's to refuse", `{"topic": "u", "topic": "v"}`, `{"config":{"acks": "all"},"schema":{"inline": {}},"topic": "u", "topic": "v"}`},
		{"no object", `[]`, `[]`},
		{"no JSON", `{"topic": `, `{"topic": `},
		{"no text", ``, ``},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := keepHidden(c.text, old); got != c.want {
				t.Errorf("%s", got)
			}
		})
	}
	if got := keepHidden(`{"topic": "u"}`, `no JSON`); got != `{"topic": "u"}` {
		t.Errorf("beside what cannot be read: %s", got)
	}
}

func TestDevsConsoleChangesRoutes(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	d.PutRoute(t, "orders", `{"config":{"client.id":"hush"},"topic":"orders","delivery":"sync"}`)
	put := func(id, uri, conf string, isNew bool) program.Reply {
		body, err := json.Marshal(map[string]any{"id": id, "uris": []string{uri}, "conf": conf, "new": isNew})
		if err != nil {
			t.Fatal(err)
		}
		return program.Send(t, "POST", d.URL+"/_console/route", string(body), "origin", d.URL)
	}
	for _, c := range []struct {
		name, id, uri, conf string
		isNew               bool
		status              int
		want                string // of the answer, in whole
	}{
		{"changed", "orders", "/changed", `{"topic": "changed", "delivery": "sync"}`, false, 204, ""},
		{"added", "added", "/added", `{"config": {}, "topic": "added", "delivery": "durable"}`, true, 204, ""},
		{"a finding", "orders", "/orders", `{"topicc": "x", "delivery": "never"}`, false, 400,
			"topicc: unknown key; did you mean \"topic\"?\ndelivery: expected one of \"async\", \"durable\", \"sync\", got \"never\""},
		{"no JSON", "orders", "/orders", `{"topic": }`, false, 400, ""},
		{"an ID that there is", "orders", "/orders", `{"config": {}, "topic": "x"}`, true, 400, `there is a route "orders" already`},
		{"an ID that there is not", "gone", "/orders", `{"config": {}, "topic": "x"}`, false, 400, `there is no route "gone" any more`},
		{"an ID that APISIX refuses", "a b", "/orders", `{"config": {}, "topic": "x"}`, true, 400, ""},
		{"a path that APISIX refuses", "orders", "/*/x", `{"config": {}, "topic": "x"}`, false, 400, ""},
	} {
		got := put(c.id, c.uri, c.conf, c.isNew)
		if got.Status != c.status || c.want != "" && strings.TrimSpace(got.Body) != c.want {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
	if got := program.Send(t, "POST", d.URL+"/changed", "of the changed one"); got.Status != 200 || !strings.Contains(got.Body, `"topic":"changed"`) {
		t.Errorf("the changed one: %+v", got)
	}
	if got := program.Send(t, "POST", d.URL+"/added", "of the added one"); got.Status != 200 || !strings.Contains(got.Body, `"topic":"added"`) {
		t.Errorf("the added one: %+v", got)
	}
	if kept := program.Send(t, "GET", d.URL+"/apisix/admin/routes/orders", "").Body; !strings.Contains(kept, "hush") {
		t.Errorf("its config has gone: %s", kept)
	}
	if all := program.Send(t, "GET", d.URL+"/_console/routes", "").Body; strings.Contains(all, "hush") || !strings.Contains(all, `"editable":true`) {
		t.Errorf("a property's value is in it, or no route can be changed:\n%s", all)
	}
}

// With --front http the routes are those of the file.
func TestDevsConsoleLeavesTheRoutesOfServeAsTheyAre(t *testing.T) {
	t.Parallel()
	d := startDev(t, "--front", "http")
	if all := program.Send(t, "GET", d.URL+"/_console/routes", "").Body; !strings.Contains(all, `"editable":false`) {
		t.Errorf("routes can be changed:\n%s", all)
	}
	if got := program.Send(t, "POST", d.URL+"/_console/route", `{"id": "dev", "uris": ["/*"], "conf": "{}"}`, "origin", d.URL); got.Status != 405 {
		t.Errorf("%+v", got)
	}
}
