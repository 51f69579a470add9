package envelope

import (
	_ "embed"
	"encoding/hex"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"github.com/kafkaupstream/kafkaupstream/internal/jsonvalue"
	"github.com/kafkaupstream/kafkaupstream/internal/schema"
)

// opalCodecs is the error for a route that sets another compression.
const opalCodecs = "the Kafka client of an OPAL server has no other codec by default, and such a record ends the server's reader " +
	"for good, without a sign in its health check"

//go:embed opal.json
var opalText []byte

var opalSchema = compiled(opalText)

// wrapOPAL makes the BroadcastNotification that OPAL's servers read of a DataUpdate, as a
// server does that is asked to publish one (opal_server/data/data_update_publisher.py). A
// BroadcastNotification stays what it is.
//
// Where the update leaves something out, the record has what the model has for it, as in
// the server's own: with one exception. An entry without data stays without, where the
// server writes null; with the save method PATCH, its clients refuse that.
func wrapOPAL(value []byte, limit int) (Wrapped, []schema.Problem, error) {
	update := membersOf(gjson.ParseBytes(value))
	for _, name := range []string{"notifier_id", "topics", "data"} {
		if update.has(name) {
			return Wrapped{Value: value}, nil, nil
		}
	}
	id := update.raw("id", `null`)
	if id == `null` {
		id = newHexID()
	}
	c := &channel{limit: limit, seen: map[string]bool{}}
	data := append(append([]byte(`{"id":`), id...), `,"entries":`...)
	data, found, err := c.appendEntries(data, update.value("entries"))
	if err != nil || found != nil {
		return Wrapped{}, found, err
	}
	data = append(append(data, `,"reason":`...), update.raw("reason", `null`)...)
	data = append(append(data, `,"callback":`...), update.raw("callback", `{"callbacks":[]}`)...)
	data = update.appendOthers(data, "id", "entries", "reason", "callback")

	out := append(make([]byte, 0, len(c.topics)+len(data)+80), `{"notifier_id":`...)
	out = append(append(out, newHexID()...), `,"topics":[`...)
	out = append(append(out, c.topics...), `],"data":`...)
	return Wrapped{Value: append(append(out, data...), `}}`...)}, nil, nil
}

// newHexID returns a UUID as OPAL has them, in quotation marks.
func newHexID() string {
	id := newUUID()
	return `"` + hex.EncodeToString(id[:]) + `"`
}

// channel gathers the topics of an update: each once, in order.
type channel struct {
	limit  int // of bytes, for all of them and their entries
	topics []byte
	seen   map[string]bool
}

func (c *channel) add(topic string) {
	if c.seen[topic] {
		return
	}
	c.seen[topic] = true
	if len(c.topics) > 0 {
		c.topics = append(c.topics, ',')
	}
	c.topics = jsonvalue.AppendQuoted(c.topics, topic)
}

func (c *channel) appendEntries(dst []byte, entries gjson.Result) (_ []byte, found []schema.Problem, err error) {
	dst = append(dst, '[')
	number := 0
	entries.ForEach(func(_, v gjson.Result) bool {
		if number > 0 {
			dst = append(dst, ',')
		}
		dst, found, err = c.appendEntry(dst, membersOf(v), number)
		number++
		return found == nil && err == nil
	})
	if found == nil && err == nil && len(c.seen) == 0 {
		found = []schema.Problem{{Pointer: "/entries", Message: "name no topic: the update would have no receiver"}}
	}
	return append(dst, ']'), found, err
}

func (c *channel) appendEntry(dst []byte, entry members, number int) ([]byte, []schema.Problem, error) {
	dst = append(append(dst, `{"url":`...), entry.raw("url", ``)...)
	dst = append(append(dst, `,"config":`...), entry.raw("config", `null`)...)
	topics := []string{"policy_data"}
	if entry.has("topics") {
		topics = topics[:0]
		for _, v := range entry.value("topics").Array() {
			topics = append(topics, v.String())
		}
	}
	dst = append(dst, `,"topics":[`...)
	for i, topic := range topics {
		if strings.ContainsRune(topic, utf8.RuneError) {
			at := "/entries/" + strconv.Itoa(number) + "/topics/" + strconv.Itoa(i)
			return nil, []schema.Problem{{Pointer: at, Message: "has a character that is none: U+FFFD, or half a surrogate pair"}}, nil
		}
		for combo := range combos(topic) {
			if dst[len(dst)-1] != '[' {
				dst = append(dst, ',')
			}
			dst = jsonvalue.AppendQuoted(dst, combo)
			if c.add(combo); len(dst)+len(c.topics) > c.limit {
				return nil, nil, ErrTooLarge
			}
		}
	}
	dst = append(append(dst, `],"dst_path":`...), entry.raw("dst_path", `""`)...)
	dst = append(append(dst, `,"save_method":`...), entry.raw("save_method", `"PUT"`)...)
	if entry.has("data") {
		dst = append(append(dst, `,"data":`...), entry.raw("data", ``)...)
	}
	return append(entry.appendOthers(dst, "url", "config", "topics", "dst_path", "save_method", "data"), '}'), nil, nil
}

// combos yields the topics that a topic stands for: a/b/c for a, a/b and a/b/c. What is
// before the last colon stands before each of them (get_topic_combos).
func combos(topic string) func(yield func(string) bool) {
	prefix := ""
	if at := strings.LastIndexByte(topic, ':'); at > 0 {
		prefix, topic = topic[:at+1], topic[at+1:]
	} else if at == 0 {
		topic = topic[1:]
	}
	return func(yield func(string) bool) {
		for i := range len(topic) {
			if topic[i] == '/' && !yield(prefix+topic[:i]) {
				return
			}
		}
		yield(prefix + topic)
	}
}
