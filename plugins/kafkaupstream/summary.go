package kafkaupstream

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

	Batch, Transactional, Tombstones, CloudEvents, Schema, Idempotency bool
	RequireJSON, RequireKey                                            bool
}

// Summary describes the route.
func (r *Route) Summary() Summary {
	s := Summary{
		Topic: r.topic.text, Key: r.key.text, JSONKey: r.jsonKey, HeaderPrefix: r.prefix, Topics: r.topics,
		Delivery: r.mode.Delivery.String(), Batch: r.batch, Transactional: r.mode.Transactional, Tombstones: r.tombstones,
		CloudEvents: r.cloudEvents, Schema: r.schemaConfig != nil, Idempotency: r.idempotent != nil,
		RequireJSON: r.requireJSON, RequireKey: r.requireKey,
	}
	if r.mode.Transactional && r.mode.Delivery == record.Async { // which waits as well
		s.Delivery = record.Sync.String()
	}
	for o, name := range overrideNames {
		if r.allowed[o] {
			s.Overrides = append(s.Overrides, name)
		}
	}
	return s
}
