package kafkaupstream

import (
	"fmt"
	"strconv"

	"github.com/tidwall/gjson"

	"github.com/kafkaupstream/kafkaupstream/internal/producer"
	"github.com/kafkaupstream/kafkaupstream/utils"
)

// Request is what the core sees of an HTTP request.
type Request interface {
	// Method returns the HTTP method in upper case.
	Method() string
	// Header returns the first value of a header, "" when there is none. The name
	// is in lower case.
	Header(name string) string
	// Var returns the value of a variable of the gateway's, "" when there is none.
	Var(name string) string
	// Body returns the body. It is asked for at most once, and stays valid until
	// the request has been answered.
	Body() ([]byte, error)
}

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

// target resolves where the record goes: a header's value over the configuration's.
func (r *Route) target(req Request, rec *producer.Record) *Reply {
	var given [overrideCount]string
	for o, name := range r.headers {
		given[o] = req.Header(name)
		if given[o] != "" && !r.allowed[o] {
			return refuse(403, fmt.Sprintf("the route does not let the header %s be set", name))
		}
	}
	rec.Partition = r.partition
	if p := given[overridePartition]; p != "" {
		n, err := strconv.ParseInt(p, 10, 32)
		if err != nil || n < -1 {
			return refuse(400, fmt.Sprintf("header %s: expected an integer from -1 to 2147483647", r.headers[overridePartition]))
		}
		rec.Partition = int32(n)
	}
	rec.Topic = r.topic
	if t := given[overrideTopic]; t != "" {
		if why := invalidTopic(t); why != "" {
			return refuse(400, fmt.Sprintf("header %s: %s", r.headers[overrideTopic], why))
		}
		if !r.topicAllowed(t) {
			return refuse(403, "the route does not allow this topic")
		}
		rec.Topic = t
	}
	if rec.Topic == "" {
		return refuse(400, fmt.Sprintf("no topic: the route has none, and the header %s is not set", r.headers[overrideTopic]))
	}
	if k := given[overrideKey]; k != "" {
		rec.Key = []byte(k)
	}
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

// bodyLost tells whether an empty body is one that the gateway had and could not
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
	rec := &w.rec
	isJSON := utils.IsJSONMediaType(req.Header("content-type"))
	if r.requireJSON && !isJSON {
		return refuse(415, "the route takes JSON only: content-type must be application/json or end in +json")
	}
	promised := contentLength(req.Header("content-length"))
	if promised > int64(r.maxBody) {
		return tooLarge("body", promised, r.maxBody)
	}
	if !w.hold(int(promised)) {
		return unavailable("too many requests are in flight")
	}
	body, err := req.Body()
	switch {
	case err != nil:
		return unavailable("the gateway did not hand the body over")
	case len(body) == 0 && bodyLost(req, promised):
		return unavailable("the gateway could not read the body")
	case len(body) > r.maxBody:
		return tooLarge("body", int64(len(body)), r.maxBody)
	case !w.hold(len(body)):
		return unavailable("too many requests are in flight")
	}
	if isJSON {
		compact, err := utils.CompactJSON(w.scratch, body)
		if err != nil {
			return refuse(400, err.Error())
		}
		if len(compact) < len(body) { // otherwise it is body itself
			w.scratch = compact
		}
		body = compact
	}
	if body == nil {
		body = []byte{} // empty, which is not null
	}
	rec.Value = body
	if rec.Key == nil {
		rec.Key = r.bodyKey(body, isJSON)
	}
	if rec.Key == nil && r.requireKey {
		return refuse(400, "the route takes records with a key only, and this one has none")
	}
	if size := len(rec.Key) + len(rec.Value); size > r.conn.MessageMaxBytes {
		return tooLarge("record", int64(size), r.conn.MessageMaxBytes)
	}
	return nil
}

// bodyKey returns the key that the body has under jsonkey, or else the
// configuration's; nil when there is neither.
func (r *Route) bodyKey(body []byte, isJSON bool) []byte {
	if isJSON && r.jsonKey != "" {
		if found := gjson.GetBytes(body, r.jsonKey); found.Type != gjson.Null {
			if key := found.String(); key != "" {
				return []byte(key)
			}
		}
	}
	if r.key != "" {
		return []byte(r.key)
	}
	return nil
}

func tooLarge(what string, size int64, limit int) *Reply {
	return refuse(413, fmt.Sprintf("the %s has %d bytes, the limit is %d", what, size, limit))
}
