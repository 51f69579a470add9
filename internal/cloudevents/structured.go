package cloudevents

import (
	"bytes"
	"encoding/base64"
	"iter"
	"mime"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/kafkaupstream/kafkaupstream/utils"
)

// DecodeStructured makes an event of a body in structured mode (json 3). The event may
// hold parts of body. Errors are [*utils.SyntaxError] for what is not JSON, and
// [*Error].
func DecodeStructured(body []byte) (Event, error) {
	compact, err := utils.CompactJSON(nil, body)
	if err != nil {
		return Event{}, err
	}
	e, failed := decodeEvent(compact, "")
	if failed != nil {
		return Event{}, failed
	}
	return e, nil
}

// DecodeBatch reads the events of a body in batched mode (json 4), at most limit of them, one after another: all of them
// would take many times the body's size. There may be none. An error is the last; they are those of [DecodeStructured],
// with the index of the event in front.
func DecodeBatch(body []byte, limit int) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		compact, err := utils.CompactJSON(nil, body)
		switch {
		case err != nil:
			yield(Event{}, err)
			return
		case compact[0] != '[':
			yield(Event{}, wrong("", "expected an array of events"))
			return
		}
		n := 0
		for value := range elements(compact) {
			if n == limit {
				yield(Event{}, wrong("", "more than %d events", limit))
				return
			}
			e, failed := decodeEvent(value, "/"+strconv.Itoa(n))
			if failed != nil {
				yield(Event{}, failed)
				return
			}
			if !yield(e, nil) {
				return
			}
			n++
		}
	}
}

// envelope is what is known of a JSON event while its members are read.
type envelope struct {
	event  Event
	at     string // JSON pointer to the event
	seen   names
	data   []byte // JSON; nil: no such member
	base64 []byte // JSON string; nil: no such member, or null
}

func (v *envelope) place(name string) string { return v.at + "/" + name }

// decodeEvent is for one compact JSON value; at is its JSON pointer.
func decodeEvent(value []byte, at string) (Event, *Error) {
	if value[0] != '{' {
		return Event{}, wrong(at, "expected an object")
	}
	v := envelope{event: Event{structured: value}, at: at}
	failed := members(value, v.member)
	if failed == nil {
		failed = v.event.complete(v.place)
	}
	if failed == nil {
		failed = v.setData()
	}
	return v.event, failed
}

func (v *envelope) member(rawName, value []byte) *Error {
	unescaped, _ := unescape(rawName)
	name := string(unescaped)
	isData := name == dataMember || name == base64Member
	if !isData && !validName(name) {
		return wrong(v.at, "the name of an attribute has letters a to z and digits only")
	}
	where := v.place(name)
	if failed := v.seen.add(name, where); failed != nil {
		return failed
	}
	isNull := value[0] == 'n'
	switch {
	case name == dataMember:
		v.data = value
	case isNull: // unset (json 2.2)
	case name == base64Member:
		v.base64 = value
	default:
		text, what := canonical(name, value)
		if what != "" {
			return wrong(where, "%s", what)
		}
		return v.event.set(name, text, where)
	}
	return nil
}

// canonical returns the canonical string of an attribute's JSON value (json 2.2).
func canonical(name string, value []byte) (text, what string) {
	c := value[0]
	if c == '"' {
		unescaped, what := unescape(value)
		return string(unescaped), what
	}
	switch name {
	case specVersion, id, source, eventType, subject, eventTime, dataContentType, dataSchema, partitionKey:
		return "", "expected a string"
	}
	switch {
	case c == 't', c == 'f':
		return string(value), ""
	case c == '-', isDigit(c):
		n, err := strconv.ParseInt(string(value), 10, 32)
		if err != nil {
			return "", "expected an integer from -2147483648 to 2147483647"
		}
		return strconv.FormatInt(n, 10), ""
	}
	return "", "expected a string, a boolean or an integer"
}

// setData takes the data over (json 3.1.2), once datacontenttype is known.
func (v *envelope) setData() *Error {
	e := &v.event
	switch {
	case v.data != nil && v.base64 != nil:
		return wrong(v.place(base64Member), "an event has data or data_base64, not both")
	case v.base64 != nil:
		data, ok := decodeBase64(v.base64)
		if !ok {
			return wrong(v.place(base64Member), "expected a string of base64 (RFC 4648, section 4)")
		}
		if len(data) > 0 && e.DataContentType != "" && declaresJSON(e.DataContentType) {
			compact, err := utils.CompactJSON(nil, data)
			if err != nil {
				return wrong(v.place(base64Member), "datacontenttype is JSON, and these bytes are not: %s", err)
			}
			data = compact
		}
		e.Data, e.HasData = data, true
	case v.data != nil && declaresJSON(e.DataContentType):
		e.Data, e.HasData = v.data, true
		if e.DataContentType == "" {
			e.DataContentType = "application/json"
		}
	case v.data != nil:
		return v.setText()
	}
	return nil
}

// setText is for data that is text and no JSON: an XML document, for one.
func (v *envelope) setText() *Error {
	e, where := &v.event, v.place(dataMember)
	if v.data[0] != '"' {
		return wrong(where, "expected a string, since datacontenttype is not JSON")
	}
	text, what := unescape(v.data)
	if what != "" {
		return wrong(where, "%s", what)
	}
	if !encodesUTF8(e.DataContentType, text) {
		return wrong(v.place(dataContentType), "text in another charset than UTF-8 must be in data_base64")
	}
	e.Data, e.HasData = text, true
	return nil
}

// encodesUTF8 reports whether UTF-8 text is encoded as a media type declares.
func encodesUTF8(contentType string, text []byte) bool {
	_, parameters, _ := mime.ParseMediaType(contentType)
	switch strings.ToLower(parameters["charset"]) {
	case "", "utf-8", "utf8":
		return true
	case "us-ascii":
		return bytes.IndexFunc(text, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
	}
	return false
}

// decodeBase64 is for a JSON value. The decoder of the library skips line breaks.
func decodeBase64(value []byte) ([]byte, bool) {
	if value[0] != '"' {
		return nil, false
	}
	text, what := unescape(value)
	if what != "" || bytes.ContainsAny(text, "\r\n") {
		return nil, false
	}
	data := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Strict().Decode(data, text)
	return data[:n], err == nil
}
