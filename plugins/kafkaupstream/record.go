package kafkaupstream

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/tidwall/gjson"
)

// Request is what the core sees of an HTTP request.
type Request interface {
	// Method returns the HTTP method in upper case.
	Method() string
	// Path returns the path, without the query string.
	Path() string
	// SourceIP returns the client's address, "" when it is not known.
	SourceIP() string
	// Argument returns the first value of an argument of the query string, "" when
	// there is none.
	Argument(name string) string
	// Arguments calls f for each argument of the query string and each of its values.
	Arguments(f func(name, value string))
	// Header returns the first value of a header, "" when there is none. The name
	// is in lower case.
	Header(name string) string
	// Values returns all values of a header, in the order in which they were sent; the
	// gateway may have joined them by commas. The name is in lower case.
	Values(name string) []string
	// Headers calls f for each header and each of its values. Names are in lower case.
	Headers(f func(name, value string))
	// HeadersMissing reports whether Headers may leave some out, since the gateway has
	// handed over only the first lines of them. Header and Values find those too.
	HeadersMissing() bool
	// Var returns the value of a variable of the gateway's, "" when there is none.
	Var(name string) string
	// Body returns the body. It is asked for at most once, and stays valid until
	// the request has been answered. Where its length is known before it is read, room is
	// asked for that much first, and room's error returned.
	Body(room Room) ([]byte, error)
	// Route returns the route's id for the log, "" when it is not known.
	Route() string
}

// Room is asked before memory is taken: for so many bytes in all, what it has given
// before included. An error says that there is no room.
type Room = interface{ Hold(bytes int) error }

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

// target resolves where the record goes, and what it has besides key and value: a
// header's value over the configuration's.
func (r *Route) target(req Request, w *work) *Reply {
	rec := &w.rec
	var given [strictOverrides]string
	for o := range strictOverrides {
		given[o] = req.Header(r.headers[o])
		if given[o] != "" && !r.allowed[o] {
			return refuse(403, fmt.Sprintf("the route does not let the header %s be set", r.headers[o]))
		}
	}
	rec.Partition = r.partition
	if p := given[overridePartition]; p != "" {
		n, err := strconv.ParseInt(p, 10, 32)
		if err != nil || n < -1 {
			return refuse(400, fmt.Sprintf("header %s: expected an integer from -1 to 2147483647", r.headers[overridePartition]))
		}
		rec.Partition = int32(n)
		w.from[overridePartition] = fromHeader
	}
	if refused := r.topicOf(req, given[overrideTopic], w); refused != nil {
		return refused
	}
	w.topic = rec.Topic
	if k := given[overrideKey]; k != "" {
		rec.Key = []byte(k)
		w.from[overrideKey] = fromHeader
	}
	if r.allowed[overrideTimestamp] {
		if refused := r.timestamp(req, rec); refused != nil {
			return refused
		}
	}
	if r.recordHeader != nil || r.allowed[overrideHeaders] {
		return r.recordHeaders(req, rec)
	}
	return nil
}

func (r *Route) topicOf(req Request, given string, w *work) *Reply {
	rec := &w.rec
	switch {
	case given != "":
		if why := invalidTopic(given); why != "" {
			return refuse(400, fmt.Sprintf("header %s: %s", r.headers[overrideTopic], why))
		}
		rec.Topic = given
		w.from[overrideTopic] = fromHeader
	case r.topic.variable():
		topic, refused := r.topic.expand(req)
		if refused != nil {
			return refused
		}
		if why := invalidTopic(topic); why != "" {
			return refuse(400, "the topic that the route makes of this request: "+why)
		}
		rec.Topic = topic
	case r.topic.text == "" && r.batch && pathTopic(req.Path()) != "":
		if !r.allowed[overrideTopic] { // the path is the client's word, as a header is
			return refuse(403, "the route does not let the path set the topic")
		}
		rec.Topic = pathTopic(req.Path())
		w.from[overrideTopic] = fromPath
		if why := invalidTopic(rec.Topic); why != "" {
			return refuse(400, "the topic in the path: "+why)
		}
	case r.topic.text == "":
		return refuse(400, fmt.Sprintf("no topic: the route has none, and the header %s is not set", r.headers[overrideTopic]))
	default: // checked with the configuration
		rec.Topic = r.topic.text
		return nil
	}
	if !r.suffixed() && !r.topicAllowed(rec.Topic) { // otherwise extend looks at all of it
		return refuse(403, "the route does not allow this topic")
	}
	return nil
}

// minTimestamp is the earliest time that a record can have, in milliseconds since 1970.
// librdkafka takes 0 for "now"; negative ones end Kafka Streams. The largest int64 is
// the latest: whether a time is too far away is the topic's to say
// (message.timestamp.after.max.ms).
const minTimestamp = 1

func (r *Route) timestamp(req Request, rec *record.Record) *Reply {
	text := req.Header(r.headers[overrideTimestamp])
	if text == "" {
		return nil
	}
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil || ms < minTimestamp {
		return refuse(400, fmt.Sprintf("header %s: expected milliseconds since 1970, an integer from %d to %d",
			r.headers[overrideTimestamp], minTimestamp, int64(math.MaxInt64)))
	}
	rec.Timestamp = time.UnixMilli(ms)
	return nil
}

// contentLength reads a Content-Length in bytes; -1: there is none.
func contentLength(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return -1
	}
	return n
}

// bodyLost reports whether an empty body is one that the gateway had and could not
// read: APISIX then hands an empty one over. Where no header says how long it was
// (chunked, HTTP/2), the variable does once the gateway has read it.
func bodyLost(req Request, promised int64) bool {
	if promised < 0 {
		promised = contentLength(req.Var("content_length"))
	}
	return promised > 0
}

// value fetches the body and makes the record's value and key of it, in w.
func (r *Route) value(req Request, w *work) *Reply {
	form := r.formOf(req)
	if (r.requireJSON || r.schema != nil || r.envelope != nil) && !form.json() && !r.cloudEvents {
		return refuse(415, "the route takes JSON only: content-type must be application/json or end in +json")
	}
	promised := contentLength(req.Header("content-length"))
	if promised > int64(r.maxBody) {
		return tooLarge("body", promised, r.maxBody)
	}
	if w.Hold(int(promised)) != nil {
		return noRoom()
	}
	body, err := req.Body(w)
	w.bodyBytes = len(body)
	switch {
	case err != nil:
		return bodyFailed(err)
	case len(body) == 0 && bodyLost(req, promised):
		return unavailable("the gateway could not read the body")
	case len(body) > r.maxBody:
		return tooLarge("body", int64(len(body)), r.maxBody)
	case w.Hold(len(body)) != nil:
		return noRoom()
	}
	w.body = body
	if r.cloudEvents {
		return r.events(req, body, w)
	}
	if !form.json() {
		if body == nil {
			body = []byte{} // empty, which is not null
		}
		w.rec.Value = body
		return r.finish(req, w, false)
	}
	body, refused := r.decoded(body, req.Header("content-encoding"), w)
	if refused != nil {
		return refused
	}
	if form != formJSON {
		return r.batchOf(req, body, form, w)
	}
	if w.rec.Value, refused = r.compactBody(body, w); refused != nil {
		return refused
	}
	return r.finish(req, w, true)
}

// tombstone makes the record one that says that its key is gone.
func (r *Route) tombstone(req Request, w *work) *Reply {
	const message = "a tombstone has no body"
	if contentLength(req.Header("content-length")) > 0 {
		return refuse(400, message)
	}
	body, err := req.Body(w)
	if err != nil {
		return bodyFailed(err)
	}
	if len(body) > 0 || bodyLost(req, -1) {
		return refuse(400, message)
	}
	if refused := r.finish(req, w, false); refused != nil {
		return refused
	}
	if w.rec.Key == nil {
		return refuse(400, "a tombstone needs a key, and this one has none")
	}
	return nil
}

// finish resolves the key, holds the value against the schema, puts it into the envelope,
// in this order, and checks the whole record.
func (r *Route) finish(req Request, w *work, isJSON bool) *Reply {
	rec := &w.rec
	if rec.Key == nil {
		if refused := r.keyOf(req, w, isJSON); refused != nil {
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
		if refused := r.schema.validate(rec, w.deadline); refused != nil {
			return refused
		}
	}
	suffix := ""
	if r.envelope != nil {
		var refused *Reply
		if suffix, refused = r.wrap(w, isJSON); refused != nil {
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
func (r *Route) keyOf(req Request, w *work, isJSON bool) *Reply {
	if isJSON && r.jsonKey != "" {
		if found := gjson.GetBytes(w.rec.Value, r.jsonKey); found.Type != gjson.Null {
			key, refused := scalarText("the key under "+r.jsonKey, found)
			if refused != nil {
				return refused
			}
			if key != "" {
				w.rec.Key = []byte(key)
				w.from[overrideKey] = fromBody
				return nil
			}
		}
	}
	key, refused := r.key.expand(req)
	if key != "" {
		w.rec.Key = []byte(key)
	}
	return refused
}

func tooLarge(what string, size int64, limit int) *Reply {
	return refuse(413, fmt.Sprintf("the %s has %d bytes, the limit is %d", what, size, limit))
}
