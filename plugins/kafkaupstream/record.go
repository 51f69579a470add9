package kafkaupstream

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/jsonvalue"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/internal/restproxy"
	"github.com/tidwall/gjson"
)

// maxTopicLen is Kafka's limit of a topic's name, in bytes.
const maxTopicLen = 249

// invalidTopic says what is wrong with a topic's name, "" when nothing is
// (org.apache.kafka.common.internals.Topic).
func invalidTopic(name string) string {
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

// draft is a record in the making, and where its values come from.
type draft struct {
	record.Record
	from      origins
	tombstone bool // it says that its key is gone
}

// target resolves where the records go, and what they have besides key and value: a
// header's value over the configuration's.
func (r *Route) target(req Request, d *draft) *Reply {
	var given [strictOverrides]string
	for o := range strictOverrides {
		given[o] = req.Header(r.headers[o])
		if given[o] != "" && !r.allowed[o] {
			return refuse(403, fmt.Sprintf("the route does not let the header %s be set", r.headers[o]))
		}
	}
	d.Partition = r.partition
	if p := given[overridePartition]; p != "" {
		n, err := strconv.ParseInt(p, 10, 32)
		if err != nil || n < -1 {
			return refuse(400, fmt.Sprintf("header %s: expected an integer from -1 to 2147483647", r.headers[overridePartition]))
		}
		d.Partition = int32(n)
		d.from[overridePartition] = fromHeader
	}
	if refused := r.topicOf(req, given[overrideTopic], d); refused != nil {
		return refused
	}
	if k := given[overrideKey]; k != "" {
		d.Key = []byte(k)
		d.from[overrideKey] = fromHeader
	}
	if r.allowed[overrideTimestamp] {
		if refused := r.timestamp(req, &d.Record); refused != nil {
			return refused
		}
	}
	if r.recordHeader != nil || r.allowed[overrideHeaders] {
		return r.recordHeaders(req, &d.Record)
	}
	return nil
}

func (r *Route) topicOf(req Request, given string, d *draft) *Reply {
	switch {
	case given != "":
		if why := invalidTopic(given); why != "" {
			return refuse(400, fmt.Sprintf("header %s: %s", r.headers[overrideTopic], why))
		}
		d.Topic = given
		d.from[overrideTopic] = fromHeader
	case r.topic.variable():
		topic, refused := r.topic.expand(req)
		if refused != nil {
			return refused
		}
		if why := invalidTopic(topic); why != "" {
			return refuse(400, "the topic that the route makes of this request: "+why)
		}
		d.Topic = topic
	case r.topic.text == "" && r.batch && restproxy.Topic(req.Path()) != "":
		if !r.allowed[overrideTopic] { // the path is the client's word, as a header is
			return refuse(403, "the route does not let the path set the topic")
		}
		d.Topic = restproxy.Topic(req.Path())
		d.from[overrideTopic] = fromPath
		if why := invalidTopic(d.Topic); why != "" {
			return refuse(400, "the topic in the path: "+why)
		}
	case r.topic.text == "":
		return refuse(400, fmt.Sprintf("no topic: the route has none, and the header %s is not set", r.headers[overrideTopic]))
	default: // checked with the configuration
		d.Topic = r.topic.text
		return nil
	}
	if !r.suffixed() && !r.topicAllowed(d.Topic) { // otherwise extend looks at all of it
		return refuse(403, "the route does not allow this topic")
	}
	return nil
}

func (r *Route) timestamp(req Request, rec *record.Record) *Reply {
	text := req.Header(r.headers[overrideTimestamp])
	if text == "" {
		return nil
	}
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil || ms < record.MinTimestamp {
		return refuse(400, fmt.Sprintf("header %s: expected milliseconds since 1970, an integer from %d to %d",
			r.headers[overrideTimestamp], record.MinTimestamp, int64(math.MaxInt64)))
	}
	rec.Timestamp = time.UnixMilli(ms)
	return nil
}

// add finishes a record, and adds it to the request's.
func (r *Route) add(req Request, w *work, d *draft, isJSON bool) *Reply {
	if refused := r.finish(req, w, d, isJSON); refused != nil {
		return refused
	}
	if d.tombstone && d.Key == nil {
		return refuse(400, "a tombstone needs a key, and this one has none")
	}
	w.batch.Records = append(w.batch.Records, d.Record)
	if r.allowed[overrideDryRun] {
		w.froms = append(w.froms, d.from)
	}
	return nil
}

// finish resolves the key, holds the value against the schema, puts it into the envelope,
// in this order, and checks the whole record.
func (r *Route) finish(req Request, w *work, d *draft, isJSON bool) *Reply {
	rec := &d.Record
	if rec.Key == nil {
		if refused := r.keyOf(req, d, isJSON); refused != nil {
			return refused
		}
	}
	if rec.Key == nil && r.requireKey {
		return refuse(400, "the route takes records with a key only, and this one has none")
	}
	if r.schema != nil && rec.Value != nil {
		if !isJSON {
			return refuse(415, "the route takes JSON only, since it has a schema")
		}
		if refused := r.schema.validate(w.ctx, rec); refused != nil {
			return refused
		}
	}
	suffix := ""
	if r.envelope != nil {
		var refused *Reply
		if suffix, refused = r.wrap(w, rec, isJSON); refused != nil {
			return refused
		}
	}
	if r.suffixed() {
		if refused := r.extend(rec, suffix); refused != nil {
			return refused
		}
	}
	if size := recordSize(rec); size > r.conn.MessageMaxBytes {
		return tooLarge("record", int64(size), r.conn.MessageMaxBytes)
	}
	return nil
}

// recordSize is what a record counts for, in bytes.
func recordSize(rec *record.Record) int {
	size := len(rec.Key) + len(rec.Value)
	for i := range rec.Headers {
		size += len(rec.Headers[i].Key) + len(rec.Headers[i].Value)
	}
	return size
}

// keyOf takes the key that the body has under jsonkey, or else the configuration's.
func (r *Route) keyOf(req Request, d *draft, isJSON bool) *Reply {
	if isJSON && r.jsonKey != "" {
		if found := gjson.GetBytes(d.Value, r.jsonKey); found.Type != gjson.Null {
			key, err := jsonvalue.Text("the key under "+r.jsonKey, found)
			if err != nil {
				return refuse(400, err.Error())
			}
			if key != "" {
				d.Key = []byte(key)
				d.from[overrideKey] = fromBody
				return nil
			}
		}
	}
	key, refused := r.key.expand(req)
	if key != "" {
		d.Key = []byte(key)
	}
	return refused
}
