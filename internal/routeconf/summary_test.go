package routeconf

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestASummarySaysWhatARouteDoes(t *testing.T) {
	defaults := Summary{Delivery: "async", Overrides: []string{"topic", "key", "partition"}}
	cases := []struct {
		name, conf string
		want       func(*Summary)
	}{
		{"a route of defaults", `{"config":{}}`, func(*Summary) {}},
		{"variables stay as they are written", `{"config":{},"topic":"o.$arg_a","key":"$method"}`,
			func(s *Summary) { s.Topic, s.Key = "o.$arg_a", "$method" }},
		{"what a client may override", `{"config":{},"headerprefix":"X-","overrides":["headers","key"],"topics":["a*"],"jsonkey":"id"}`,
			func(s *Summary) {
				s.HeaderPrefix, s.Overrides, s.Topics, s.JSONKey = "x-", []string{"key", "headers"}, []string{"a*"}, "id"
			}},
		{"acknowledged batches", `{"config":{},"delivery":"sync","batch":true,"require":["json","key"]}`,
			func(s *Summary) { s.Delivery, s.Batch, s.RequireJSON, s.RequireKey = "sync", true, true, true }},
		{"durable tombstones", `{"config":{},"delivery":"durable","tombstone_on_delete":true,"idempotency":{}}`,
			func(s *Summary) { s.Delivery, s.Tombstones, s.Idempotency = "durable", true, true }},
		{"a dialect", `{"config":{},"dialects":["confluent"]}`, func(s *Summary) { s.Confluent = true }},
		{"a transaction is acknowledged", `{"config":{},"transactional":true}`,
			func(s *Summary) { s.Delivery, s.Transactional = "sync", true }},
		{"events, and a schema", `{"config":{},"cloudevents":true,"schema":{"inline":{}}}`,
			func(s *Summary) { s.CloudEvents, s.Schema, s.RequireJSON = true, true, true }},
		{"a schema of keys", `{"config":{},"key_schema":{"inline":{}}}`, func(s *Summary) { s.Schema = true }},
		{"an envelope of JSON", `{"config":{},"envelope":"oslo"}`, func(s *Summary) { s.RequireJSON, s.Suffixed = true, true }},
		{"an envelope of requests", `{"config":{},"envelope":"http"}`, func(s *Summary) { s.WholeRequest = true }},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r, err := ParseRoute([]byte(strings.Replace(c.conf, `{}`, `{"bootstrap.servers":"b:1"}`, 1)), limits)
			if err != nil {
				t.Fatal(err)
			}
			want := defaults
			c.want(&want)
			if got := r.Summary(); !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

func TestASummaryHasNothingOfTheProperties(t *testing.T) {
	r, err := ParseRoute([]byte(`{"config":{"bootstrap.servers":"inner:9092","sasl.password":"hush","client.id":"mine"},"topic":"t"}`), limits)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"inner", "hush", "mine"} {
		if text := fmt.Sprintf("%+v", r.Summary()); strings.Contains(text, secret) {
			t.Errorf("%q is in %s", secret, text)
		}
	}
}
