package kafkaupstream

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/kafkaupstream/kafkaupstream/internal/envelope"
	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

func (c *configReader) readEnvelope(path string, v any) {
	choices := map[string]func(){}
	for name, e := range envelope.Named() {
		choices[name] = func() { c.route.envelope, c.route.envelopeName = e, name }
	}
	c.oneOf(path, v, choices)
}

// checkEnvelope looks at what a route cannot have beside its envelope.
func (c *configReader) checkEnvelope() {
	e := c.route.envelope
	if e == nil {
		return
	}
	switch s := c.route.schemaConfig; {
	case c.route.cloudEvents:
		c.problem("envelope", "it cannot be combined with cloudevents: a record has one form")
	case c.route.tombstones:
		c.problem("envelope", "it cannot be combined with tombstone_on_delete: its readers cannot take a null value")
	case s != nil && s.wireFormat:
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
		c.problem(path, "with \"envelope\": %q the compression can be %s only: %s", c.route.envelopeName, strings.Join(e.Codecs, " or "), e.Why)
	}
}

// Topics returns all topics that the configuration can come to, nil when they depend on
// the request's headers or variables.
func (r *Route) Topics() []string {
	topic := r.Topic()
	switch {
	case topic == "":
		return nil
	case r.envelope == nil || r.envelope.Suffixes == nil:
		return []string{topic + r.topicEnd}
	}
	var all []string
	for _, suffix := range r.envelope.Suffixes {
		all = append(all, topic+suffix+r.topicEnd)
	}
	return all
}

// suffixed reports whether records' topics are longer than what topic or its header say.
func (r *Route) suffixed() bool {
	return r.topicEnd != "" || r.envelope != nil && r.envelope.Suffixes != nil
}

// checkTopics looks at the topics of a configuration.
func (c *configReader) checkTopics() {
	all := c.route.Topics()
	if c.route.suffixed() {
		for _, topic := range all {
			if why := invalidTopic(topic); why != "" {
				c.problem("topic", "with what the envelope and the virtual host put behind it: %s", why)
				return
			}
		}
	}
	if len(all) > 0 && !slices.ContainsFunc(all, c.route.topicAllowed) {
		c.problem("topic", "it matches none of the patterns in topics")
	}
}

// wrap puts the record's value into the route's envelope, and returns what that puts
// behind the topic.
func (r *Route) wrap(w *work, rec *record.Record, isJSON bool) (suffix string, refused *Reply) {
	if rec.Value != nil && !isJSON {
		return "", refuse(415, "the route takes JSON only, since it has an envelope")
	}
	made, err := r.envelope.Wrap(rec.Value, r.conn.MessageMaxBytes)
	var not *envelope.Refused
	switch {
	case errors.As(err, &not):
		return "", mismatch("the value is not what the envelope "+r.envelopeName+" takes", not.Problems, not.More)
	case err != nil:
		return "", refuse(413, fmt.Sprintf("the record has more than %d bytes in its envelope, which is the limit", r.conn.MessageMaxBytes))
	case w.holdMore(len(made.Value)) != nil:
		return "", noRoom()
	}
	rec.Value = made.Value
	return made.Suffix, nil
}

// extend puts behind the record's topic what the envelope and the virtual host say, and
// checks what comes of it.
func (r *Route) extend(rec *record.Record, suffix string) *Reply {
	rec.Topic += suffix + r.topicEnd
	if why := invalidTopic(rec.Topic); why != "" {
		return refuse(400, "the topic with what the route puts behind it: "+why)
	}
	if !r.topicAllowed(rec.Topic) {
		return refuse(403, "the route does not allow this topic")
	}
	return nil
}
