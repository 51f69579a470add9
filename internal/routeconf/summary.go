package routeconf

import "github.com/kafkaupstream/kafkaupstream/internal/record"

// Summary is what a route does, for a person to look at. Nothing of `config` is in it,
// and so no secret and no broker's address.
type Summary struct {
	// Topic and Key are as configured: they may hold variables.
	Topic, Key string
	JSONKey    string
	// HeaderPrefix comes before the names in Overrides to make headers' names.
	HeaderPrefix string
	Overrides    []string
	// Topics are the patterns that a topic from a header must match; nil: any.
	Topics []string
	// Delivery is async, sync or durable.
	Delivery string

	Batch, Confluent, Transactional, Tombstones, CloudEvents, Schema, Idempotency bool
	// RequireJSON: the route takes JSON only.
	RequireJSON, RequireKey bool
	// WholeRequest: records are of whole requests, of other methods too. Suffixed: topics get a suffix before Topics are looked at.
	WholeRequest, Suffixed bool
}

func (r *Route) Summary() Summary {
	s := Summary{
		Topic: r.TopicText.Text, Key: r.Key.Text, JSONKey: r.JSONKey, HeaderPrefix: r.Prefix, Topics: r.Patterns,
		Delivery: r.Mode.Delivery.String(), Batch: r.Batch, Confluent: r.Confluent, Transactional: r.Mode.Transactional, Tombstones: r.Tombstones,
		CloudEvents: r.CloudEvents, Schema: r.Schema != nil || r.KeySchema != nil, Idempotency: r.Idempotency != nil,
		RequireJSON: r.JSONOnly(), RequireKey: r.RequireKey, WholeRequest: r.WholeRequest(), Suffixed: r.Suffixed(),
	}
	if r.Mode.Transactional && r.Mode.Delivery == record.Async { // which waits as well
		s.Delivery = record.Sync.String()
	}
	for o, name := range OverrideNames {
		if r.Allowed[o] {
			s.Overrides = append(s.Overrides, name)
		}
	}
	return s
}
