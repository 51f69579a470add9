package ledger

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// ID names a record of a run: the numbers of a key are sent one after another, from 1 on.
type ID struct{ Key, Number int32 }

func (i ID) String() string { return fmt.Sprintf("%s number %d", KeyText(i.Key), i.Number) }

const keyPrefix = "key-"

// KeyText is the text of a key. Its records have it as their key in Kafka where the gateway is configured to take it.
func KeyText(key int32) string { return keyPrefix + strconv.Itoa(int(key)) }

// Nature is what Kafka can say of a record for the record's own sake.
type Nature uint8

const (
	Ordinary Nature = iota // refuses it or takes it, as the fault makes it
	Innocent               // has no reason to refuse it at any time: 4xx is never right
	Bad                    // can never take it
)

// Content is what a record is made of, beside its name.
type Content struct {
	Size    int32 // of the padding, in bytes
	Nature  Nature
	Keyless bool // it has no key
	Future  bool // its timestamp is further ahead than brokers take
}

// Run is the id that all records of a run carry, so that they are known among others. It
// is of letters, digits and "-", which no JSON escapes.
type Run string

// Value is the value of a record: compact JSON with padding, the same each time it is
// asked for. Routes can take the key from the member "key", which a record without a key
// calls by another name.
func (r Run) Value(i ID, c Content) []byte {
	member := "key"
	if c.Keyless {
		member = "keyless"
	}
	b := make([]byte, 0, 80+len(r)+int(c.Size))
	b = fmt.Appendf(b, `{"run":%q,%q:%q,"number":%d,"padding":"`, string(r), member, KeyText(i.Key), i.Number)
	return append(appendPadding(b, i, c.Size), `"}`...)
}

func appendPadding(b []byte, i ID, size int32) []byte {
	const alphabet = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"
	random := rand.New(rand.NewPCG(uint64(i.Key), uint64(i.Number)))
	for range size {
		b = append(b, alphabet[random.IntN(len(alphabet))])
	}
	return b
}

// members are those of a record's value.
type members struct {
	Run, Key, Keyless string
	Number            int32
	Padding           string
}

// id is the name of the record, if it is one of the run.
func (m *members) id(r Run) (i ID, ok bool) {
	digits, ok := strings.CutPrefix(m.Key+m.Keyless, keyPrefix)
	key, err := strconv.ParseInt(digits, 10, 32)
	return ID{int32(key), m.Number}, ok && err == nil && m.Run == string(r)
}

// ReadID reads a record's name from its value.
func (r Run) ReadID(value []byte) (i ID, ok bool) {
	var m members
	if json.Unmarshal(value, &m) != nil {
		return i, false
	}
	return m.id(r)
}

// sight is one of a run's records, as it was found in a value.
type sight struct {
	ID
	padding string
	// alone says that the value is the record's own, as JSON, and nothing else.
	alone bool
}

// within is what a value holds of a run's records, at any depth: gateways wrap a body in
// an envelope, as JSON or as a text of JSON, and some put several into one record.
func (r Run) within(value []byte) []sight {
	var found []sight
	r.search(value, envelopes, func(s sight) { found = append(found, s) })
	return found
}

// envelopes is how deep texts of JSON in JSON are read.
const envelopes = 4

func (r Run) search(text []byte, depth int, found func(sight)) {
	if depth == 0 || !bytes.Contains(text, []byte(r)) {
		return
	}
	var value any
	if json.Unmarshal(text, &value) == nil {
		r.walk(value, depth, depth == envelopes, found)
	}
}

// walk looks at a value of JSON; whole says that it is all of a record's.
func (r Run) walk(value any, depth int, whole bool, found func(sight)) {
	switch v := value.(type) {
	case string:
		r.search([]byte(v), depth-1, found)
	case []any:
		for _, element := range v {
			r.walk(element, depth, false, found)
		}
	case map[string]any:
		if s, ok := r.read(v); ok {
			s.alone = whole && len(v) == 4
			found(s)
			return
		}
		for _, member := range v {
			r.walk(member, depth, false, found)
		}
	}
}

// read reads an object as a record of the run's.
func (r Run) read(object map[string]any) (s sight, ok bool) {
	text := func(name string) string {
		value, _ := object[name].(string)
		return value
	}
	number, _ := object["number"].(float64)
	m := members{Run: text("run"), Key: text("key"), Keyless: text("keyless"), Number: int32(number), Padding: text("padding")}
	s.ID, ok = m.id(r)
	s.padding = m.Padding
	return s, ok
}
