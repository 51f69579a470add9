package console

import (
	"cmp"

	"github.com/kafkaupstream/kafkaupstream/internal/routeconf"
)

// Route is a route of the gateway.
type Route struct {
	ID string
	// URIs are exact paths, or prefixes that end in "*". Methods and Hosts restrict the route where they are not empty.
	URIs, Methods, Hosts []string
	// Summary is what the route does; nil where Problem says why it cannot be used.
	Summary *routeconf.Summary
	Problem string
	// Conf is the text of the configuration as far as it is shown, and Hidden has the keys beside it whose values may hold secrets.
	Conf   string
	Hidden []string
}

// shownRoute is what a page shows of a route.
type shownRoute struct {
	ID       string   `json:"id"`
	URIs     []string `json:"uris"`
	Methods  []string `json:"methods"`
	Hosts    []string `json:"hosts"`
	Problem  string   `json:"problem,omitempty"`
	Topic    string   `json:"topic,omitempty"` // "": the request says which
	Key      string   `json:"key,omitempty"`
	Delivery string   `json:"delivery,omitempty"`
	// Features are what makes the route more than an ordinary one, in a word each.
	Features []string `json:"features"`
	// Overrides are what headers of the request decide; HeaderPrefix before one of them makes the header's name.
	Overrides    []string `json:"overrides"`
	HeaderPrefix string   `json:"headerPrefix,omitempty"`
	Presets      []Preset `json:"presets"`
	Conf         string   `json:"conf"`
	Hidden       []string `json:"hidden"`
}

func (r *Route) shown() shownRoute {
	v := shownRoute{
		ID: r.ID, URIs: r.URIs, Methods: orEmpty(r.Methods), Hosts: orEmpty(r.Hosts), Problem: r.Problem,
		Overrides: []string{}, Features: []string{}, Presets: []Preset{}, Conf: r.Conf, Hidden: orEmpty(r.Hidden),
	}
	s := r.Summary
	if s == nil {
		return v
	}
	v.Topic, v.Delivery = s.Topic, s.Delivery
	v.Overrides, v.HeaderPrefix = orEmpty(s.Overrides), s.HeaderPrefix
	if v.Key = s.Key; s.JSONKey != "" {
		v.Key = cmp.Or(s.JSONKey+" of the body", s.Key)
	}
	for _, f := range []struct {
		name string
		on   bool
	}{
		{"batch", s.Batch}, {"REST Proxy", s.Confluent}, {"transactional", s.Transactional}, {"tombstones", s.Tombstones},
		{"cloudevents", s.CloudEvents}, {"schema", s.Schema}, {"idempotency", s.Idempotency},
		{"JSON only", s.RequireJSON}, {"key required", s.RequireKey},
	} {
		if f.on {
			v.Features = append(v.Features, f.name)
		}
	}
	v.Presets = presets(r)
	return v
}

func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
