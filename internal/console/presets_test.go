package console

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/internal/routeconf"
)

// shown is a route with that configuration.
func shown(t *testing.T, conf string, uris, methods []string) shownRoute {
	t.Helper()
	parsed, err := routeconf.ParseRoute([]byte(strings.Replace(conf, "{}", `{"bootstrap.servers":"b:1"}`, 1)), routeconf.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	summary := parsed.Summary()
	return (&Route{ID: "r", URIs: uris, Methods: methods, Summary: &summary}).shown()
}

func TestPresetsFitTheRoute(t *testing.T) {
	cases := []struct {
		name, conf    string
		uris, methods []string
		want          string // names, and the statuses of refusals
	}{
		{"dev's own route", `{"config":{},"topic":"t"}`, []string{"/*"}, nil,
			"JSON, Text, Invalid JSON 400, Key header, Other topic, GET 405"},
		{"one that a client cannot change", `{"config":{},"topic":"t","overrides":[]}`, []string{"/t"}, []string{"POST"},
			"JSON, Text, Invalid JSON 400, Other topic 403"},
		{"a topic of the list may be chosen, not this one", `{"config":{},"topic":"orders","topics":["order*"]}`, []string{"/t"}, []string{"PUT"},
			"JSON, Text, Invalid JSON 400, Key header, Other topic 403"},
		{"JSON only", `{"config":{},"topic":"t","require":["json"],"overrides":["key"]}`, []string{"/t"}, []string{"POST"},
			"JSON, Text 415, Invalid JSON 400, Key header, Other topic 403"},
		{"all there is", `{"config":{},"topic":"t","batch":true,"tombstone_on_delete":true,"idempotency":{},"overrides":["topic","key","headers","dry-run"]}`, []string{"/*"}, nil,
			"JSON, Text, Invalid JSON 400, Batch, Repeat, Key header, Other topic, Record headers, Dry run, Tombstone, GET 405"},
		{"tombstones without a key", `{"config":{},"topic":"t","tombstone_on_delete":true,"overrides":[]}`, []string{"/t"}, []string{"POST", "DELETE"},
			"JSON, Text, Invalid JSON 400, Other topic 403"},
		{"events", `{"config":{},"topic":"t","cloudevents":true}`, []string{"/e"}, []string{"POST"},
			"CloudEvent, Structured event, No event 400"},
		{"a schema decides", `{"config":{},"topic":"t","schema":{"inline":{}},"overrides":[]}`, []string{"/e"}, []string{"POST"},
			"JSON, Text 415, Invalid JSON 400, Other topic 403"},
		{"the REST Proxy's clients", `{"config":{},"topic":"t","dialects":["confluent"],"overrides":[]}`, []string{"/t"}, []string{"POST"},
			"JSON, Text, Invalid JSON, REST Proxy, Other topic"},
		{"an envelope of JSON", `{"config":{},"topic":"t","envelope":"oslo","topics":["t.*"]}`, []string{"/t"}, []string{"POST"},
			"JSON, Text 415, Invalid JSON 400, Key header, Other topic"},
		{"an envelope of requests", `{"config":{},"topic":"t","envelope":"http","overrides":[]}`, []string{"/t"}, nil,
			"JSON, Text, Invalid JSON 400, Other topic 403, GET"},
		{"a schema of keys", `{"config":{},"topic":"t","key_schema":{"inline":{}},"overrides":[]}`, []string{"/t"}, []string{"POST"},
			"JSON, Text, Invalid JSON 400, Other topic 403"},
		{"a topic of the client's that may not be of the list", `{"config":{},"topic":"$arg_t","topics":["a"],"overrides":[]}`, []string{"/t"}, []string{"POST"},
			"JSON, Text, Invalid JSON, Other topic"},
		{"nothing that produces", `{"config":{},"topic":"t"}`, []string{"/e"}, []string{"GET"}, "GET 405"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, p := range shown(t, c.conf, c.uris, c.methods).Presets {
				name := p.Name
				if p.Status != 0 {
					name += fmt.Sprintf(" %d", p.Status)
				}
				got = append(got, name)
				if len(c.methods) > 0 && !slices.Contains(c.methods, p.Method) || p.Note == "" || !strings.HasPrefix(p.Path, "/") {
					t.Errorf("%+v", p)
				}
				if slices.ContainsFunc(p.Headers, func(h [2]string) bool { return h[1] == jsonType }) && json.Valid([]byte(p.Body)) == (p.Name == "Invalid JSON") {
					t.Errorf("%s: %s", p.Name, p.Body)
				}
			}
			if text := strings.Join(got, ", "); text != c.want {
				t.Errorf("got  %s\nwant %s", text, c.want)
			}
		})
	}
}

func TestPresetsGiveWhatTheRouteNeeds(t *testing.T) {
	cases := []struct {
		name, conf, uri string
		path            string
		headers         [][2]string // beside content-type
		body            string      // part of it
	}{
		{"a prefix gets an end", `{"config":{},"topic":"t"}`, "/a/*", "/a/anything", nil, `"item": "espresso"`},
		{"a topic, where the route has none", `{"config":{},"headerprefix":"x-"}`, "/a", "/a", [][2]string{{"x-topic", "orders"}}, ""},
		{"a topic in the path, where it can be in nothing else", `{"config":{},"batch":true,"overrides":[]}`, "/*", "/topics/orders", nil, ""},
		{"variables", `{"config":{},"topic":"o.$arg_region","key":"${http_x_id}-$arg_region-$arg_n"}`, "/a", "/a?region=sample&n=sample", [][2]string{{"x-id", "sample"}}, ""},
		{"a key, where one is required", `{"config":{},"topic":"t","require":["key"]}`, "/a", "/a", [][2]string{{"key", sampleKey}}, ""},
		{"a key in the body", `{"config":{},"topic":"t","jsonkey":"customer.id"}`, "/a", "/a", nil, `"customer": {"id": "customer-17"},`},
		{"a key instead of a field", `{"config":{},"topic":"t","jsonkey":"item"}`, "/a", "/a", nil, "{\n  \"item\": \"customer-17\",\n  \"quantity\": 2,"},
		{"no key in the body for a path that is a program", `{"config":{},"topic":"t","jsonkey":"a.#(b>1)"}`, "/a", "/a", nil, "{\n  \"item\""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p := shown(t, c.conf, []string{c.uri}, nil).Presets[0]
			headers := slices.DeleteFunc(p.Headers, func(h [2]string) bool { return h[0] == "content-type" })
			if p.Path != c.path || !slices.Equal(headers, c.headers) || !strings.Contains(p.Body, c.body) {
				t.Errorf("%s %q\n%s", p.Path, headers, p.Body)
			}
		})
	}
}
