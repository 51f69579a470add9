package routeconf

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/kafkaupstream/kafkaupstream/internal/envelope"
	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
)

// maxTopicLen is Kafka's limit of a topic's name, in bytes.
const maxTopicLen = 249

// InvalidTopic says what is wrong with a topic's name, "" when nothing is
// (org.apache.kafka.common.internals.Topic).
func InvalidTopic(name string) string {
	switch {
	case name == "":
		return "a topic's name cannot be empty"
	case len(name) > maxTopicLen:
		return fmt.Sprintf("a topic's name has at most %d characters, this one has %d", maxTopicLen, len(name))
	case name == "." || name == "..":
		return "a topic's name cannot be . or .."
	}
	for i := range len(name) {
		switch c := name[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '_', c == '-':
		default:
			return fmt.Sprintf("a topic's name has letters, digits, '.', '_' and '-' only; character %d is another", i+1)
		}
	}
	return ""
}

// Variables returns the names of the variables that the route's texts have, each once.
func (r *Route) Variables() []string {
	texts := []*Template{&r.TopicText, &r.Key}
	for i := range r.RecordHeaders {
		texts = append(texts, &r.RecordHeaders[i].Value)
	}
	if r.Idempotency != nil && r.Idempotency.Scope != nil {
		texts = append(texts, r.Idempotency.Scope)
	}
	var names []string
	for _, t := range texts {
		names = append(names, t.Variables()...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (c *configReader) readEnvelope(path string, v any) {
	choices := map[string]func(){}
	for name, e := range envelope.Named() {
		choices[name] = func() { c.route.Envelope, c.route.EnvelopeName = e, name }
	}
	c.oneOf(path, v, choices)
}

// WholeRequest reports whether a record is about the whole request, which then needs no body.
func (r *Route) WholeRequest() bool { return r.Envelope != nil && r.Envelope.Whole }

// JSONOnly reports whether the route takes no body but JSON.
func (r *Route) JSONOnly() bool {
	return r.RequireJSON || r.Schema != nil || r.Envelope != nil && !r.Envelope.Whole
}

// checkEnvelope looks at what a route cannot have beside its envelope.
func (c *configReader) checkEnvelope() {
	e := c.route.Envelope
	if c.route.EnvelopeHeaders != nil && !c.route.WholeRequest() {
		c.problem("envelope_headers", "it is for \"envelope\": \"http\"")
	}
	if e == nil {
		return
	}
	switch s := c.route.Schema; {
	case c.route.CloudEvents:
		c.problem("envelope", "it cannot be combined with cloudevents: a record has one form")
	case c.route.Tombstones:
		c.problem("envelope", "it cannot be combined with tombstone_on_delete: its readers cannot take a null value")
	case s != nil && s.Binary():
		c.problem("envelope", "it cannot be combined with a schema of Avro or Protobuf: its readers look for JSON")
	case s != nil && s.WireFormat:
		c.problem("envelope", "it cannot be combined with schema.wire_format: its readers look for JSON at the first byte")
	}
	if e.Codecs == nil {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(c.properties)) {
		if kafkaconf.Canonical(name) != "compression.type" {
			continue
		}
		if codec, err := kafkaconf.Value(name, c.properties[name]); err != nil || slices.Contains(e.Codecs, codec) {
			continue // what is no codec is refused as such
		}
		path := "config." + name
		if c.transport != nil && c.transport.Properties[name] != "" {
			path = "transport_url"
		}
		c.problem(path, "with \"envelope\": %q the compression can be %s only: %s", c.route.EnvelopeName, strings.Join(e.Codecs, " or "), e.Why)
	}
}

// Topics returns all topics that the configuration can come to, nil when they depend on
// the request's headers or variables.
func (r *Route) Topics() []string {
	topic := r.Topic()
	switch {
	case topic == "":
		return nil
	case r.Envelope == nil || r.Envelope.Suffixes == nil:
		return []string{topic + r.TopicEnd}
	}
	var all []string
	for _, suffix := range r.Envelope.Suffixes {
		all = append(all, topic+suffix+r.TopicEnd)
	}
	return all
}

// Suffixed reports whether records' topics are longer than what topic or its header say.
func (r *Route) Suffixed() bool {
	return r.TopicEnd != "" || r.Envelope != nil && r.Envelope.Suffixes != nil
}

// checkTopics looks at the topics of a configuration.
func (c *configReader) checkTopics() {
	all := c.route.Topics()
	if c.route.Suffixed() {
		for _, topic := range all {
			if why := InvalidTopic(topic); why != "" {
				c.problem("topic", "with what the envelope and the virtual host put behind it: %s", why)
				return
			}
		}
	}
	if len(all) > 0 && !slices.ContainsFunc(all, c.route.TopicAllowed) {
		c.problem("topic", "it matches none of the patterns in topics")
	}
}
