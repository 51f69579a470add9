package kafkaupstream

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/jsonvalue"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/internal/routeconf"
	"github.com/tidwall/gjson"
)

// draft is a record in the making, and where its values come from.
type draft struct {
	record.Record
	from      origins
	tombstone bool // it says that its key is gone

	keyJSON   []byte // the key as the body has it; nil: it is a text
	keyBinary bool   // the key is neither
	// What a client of the REST Proxy has named; nil: the route's.
	schema, keySchema  *routeSchema
	valueUsed, keyUsed usedSchema
}

// target resolves where the records go, and what they have besides key and value: a
// header's value over the configuration's.
func (r *Served) target(req Request, w *work) *Reply {
	d := &w.base
	var given [routeconf.StrictOverrides]string
	for o := range routeconf.StrictOverrides {
		given[o] = req.Header(r.HeaderNames[o])
		if given[o] != "" && !r.Allowed[o] {
			return refuse(403, fmt.Sprintf("the route does not let the header %s be set", r.HeaderNames[o]))
		}
	}
	d.Partition = r.Partition
	if p := given[routeconf.OverridePartition]; p != "" {
		n, err := strconv.ParseInt(p, 10, 32)
		if err != nil || n < -1 {
			return refuse(400, fmt.Sprintf("header %s: expected an integer from -1 to 2147483647", r.HeaderNames[routeconf.OverridePartition]))
		}
		d.Partition = int32(n)
		d.from[routeconf.OverridePartition] = fromHeader
	}
	if refused := r.path(w); refused != nil {
		return refused
	}
	if refused := r.topicOf(req, given[routeconf.OverrideTopic], w); refused != nil {
		return refused
	}
	if k := given[routeconf.OverrideKey]; k != "" {
		d.Key = []byte(k)
		d.from[routeconf.OverrideKey] = fromHeader
	}
	if r.Allowed[routeconf.OverrideTimestamp] {
		if refused := r.timestamp(req, &d.Record); refused != nil {
			return refused
		}
	}
	if r.RecordHeaders != nil || r.Allowed[routeconf.OverrideHeaders] {
		return r.recordHeaders(req, &d.Record)
	}
	return nil
}

// path takes the partition of a path of the REST Proxy.
func (r *Served) path(w *work) *Reply {
	if w.asked == nil || w.path.Version != 2 || w.path.Partition < 0 {
		return nil
	}
	if !r.lets(routeconf.OverridePartition) {
		return refuse(403, "the route does not let the path set the partition")
	}
	if w.base.from[routeconf.OverridePartition] == fromHeader && w.base.Partition != w.path.Partition {
		return refuse(400, "the path and the header name different partitions")
	}
	w.base.Partition, w.base.from[routeconf.OverridePartition] = w.path.Partition, fromPath
	return nil
}

func (r *Served) topicOf(req Request, given string, w *work) *Reply {
	d := &w.base
	switch {
	case given != "":
		if why := routeconf.InvalidTopic(given); why != "" {
			return refuse(400, fmt.Sprintf("header %s: %s", r.HeaderNames[routeconf.OverrideTopic], why))
		}
		d.Topic = given
		d.from[routeconf.OverrideTopic] = fromHeader
	case r.TopicText.Variable():
		topic, refused := expand(&r.TopicText, req)
		if refused != nil {
			return refused
		}
		if why := routeconf.InvalidTopic(topic); why != "" {
			return refuse(400, "the topic that the route makes of this request: "+why)
		}
		d.Topic = topic
	case r.TopicText.Text == "" && w.path.Topic != "":
		if !r.lets(routeconf.OverrideTopic) { // the path is the client's word, as a header is
			return refuse(403, "the route does not let the path set the topic")
		}
		d.Topic = w.path.Topic
		d.from[routeconf.OverrideTopic] = fromPath
		if why := routeconf.InvalidTopic(d.Topic); why != "" {
			return refuse(400, "the topic in the path: "+why)
		}
	case r.TopicText.Text == "":
		return refuse(400, fmt.Sprintf("no topic: the route has none, and the header %s is not set", r.HeaderNames[routeconf.OverrideTopic]))
	default: // checked with the configuration
		d.Topic = r.TopicText.Text
		return w.agrees()
	}
	if refused := w.agrees(); refused != nil {
		return refused
	}
	if !r.Suffixed() && !r.TopicAllowed(d.Topic) { // otherwise extend looks at all of it
		return refuse(403, "the route does not allow this topic")
	}
	return nil
}

// agrees refuses a request to the REST Proxy whose path names another topic than the one that its records would go to.
func (w *work) agrees() *Reply {
	if w.asked != nil && w.path.Topic != "" && w.path.Topic != w.base.Topic {
		return refuse(403, "the route does not let the path set another topic than its own")
	}
	return nil
}

func (r *Served) timestamp(req Request, rec *record.Record) *Reply {
	text := req.Header(r.HeaderNames[routeconf.OverrideTimestamp])
	if text == "" {
		return nil
	}
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil || ms < record.MinTimestamp {
		return refuse(400, fmt.Sprintf("header %s: expected milliseconds since 1970, an integer from %d to %d",
			r.HeaderNames[routeconf.OverrideTimestamp], record.MinTimestamp, int64(math.MaxInt64)))
	}
	rec.Timestamp = time.UnixMilli(ms)
	return nil
}

// add finishes a record, and adds it to the request's.
func (r *Served) add(req Request, w *work, d *draft, isJSON bool) *Reply {
	if refused := r.finish(req, w, d, isJSON); refused != nil {
		return refused
	}
	if d.tombstone && d.Key == nil {
		return refuse(400, "a tombstone needs a key, and this one has none")
	}
	w.batch.Records = append(w.batch.Records, d.Record)
	if r.Allowed[routeconf.OverrideDryRun] {
		w.froms = append(w.froms, d.from)
	}
	return nil
}

// finish resolves the key, holds the value against the schema, puts it into the envelope,
// in this order, and checks the whole record.
func (r *Served) finish(req Request, w *work, d *draft, isJSON bool) *Reply {
	rec := &d.Record
	if rec.Key == nil {
		if refused := r.keyOf(req, d, isJSON); refused != nil {
			return refused
		}
	}
	if rec.Key == nil && r.RequireKey {
		return refuse(400, "the route takes records with a key only, and this one has none")
	}
	if r.RequireJSON && rec.Value != nil && !isJSON {
		return refuse(415, "the route takes JSON only")
	}
	if refused := r.encode(w, d, isJSON); refused != nil {
		return refused
	}
	suffix := ""
	if r.Envelope != nil {
		var refused *Reply
		if suffix, refused = r.wrap(req, w, rec, isJSON); refused != nil {
			return refused
		}
	}
	if r.Suffixed() {
		if refused := r.extend(rec, suffix); refused != nil {
			return refused
		}
	}
	if size := recordSize(rec); size > r.Conn.MessageMaxBytes {
		return tooLarge("record", int64(size), r.Conn.MessageMaxBytes)
	}
	return nil
}

// encode gives key and value the forms that their schemas make of them.
func (r *Served) encode(w *work, d *draft, isJSON bool) *Reply {
	if r.keySchema == nil && r.schema == nil && r.registry == nil {
		return nil
	}
	if s := cmp.Or(d.keySchema, r.keySchema); s != nil && d.Key != nil {
		if refused := s.encodeKey(w, d); refused != nil {
			return refused.under(d.keySchema, w.path.Version)
		}
	}
	if s := cmp.Or(d.schema, r.schema); s != nil && d.Value != nil {
		return s.encodeValue(w, d, isJSON).under(d.schema, w.path.Version)
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
func (r *Served) keyOf(req Request, d *draft, isJSON bool) *Reply {
	if isJSON && r.JSONKey != "" {
		if found := gjson.GetBytes(d.Value, r.JSONKey); found.Type != gjson.Null {
			key, err := jsonvalue.Text("the key under "+r.JSONKey, found)
			if err != nil {
				return refuse(400, err.Error())
			}
			if key != "" {
				d.Key, d.keyJSON = []byte(key), []byte(found.Raw)
				d.from[routeconf.OverrideKey] = fromBody
				return nil
			}
		}
	}
	key, refused := expand(&r.Key, req)
	if key != "" {
		d.Key = []byte(key)
	}
	return refused
}
