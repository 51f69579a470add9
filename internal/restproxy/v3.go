package restproxy

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/jsonvalue"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/tidwall/gjson"
)

// V3 calls add with the record of each of one or several concatenated objects, which compact validates. Objects that are no
// records it gives to refuse, with their numbers: what follows one that is no JSON cannot be told apart and is not read. An
// error of either ends it.
func V3(body []byte, compact func([]byte) ([]byte, error), add func(*Record) error, refuse func(number int, why error) error) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	for number := 1; ; number++ {
		var raw json.RawMessage
		start := dec.InputOffset()
		err := dec.Decode(&raw)
		switch {
		case errors.Is(err, io.EOF) && number == 1:
			return payload("the batch has no records")
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			raw = bytes.TrimLeft(body[start:], " \t\r\n") // compact says what is wrong in it
		}
		compact, wrong := compact(raw)
		if err != nil {
			return refuse(number, errors.New(cmp.Or(wrong, err).Error()))
		}
		var e Record
		if wrong == nil {
			e, wrong = recordV3(gjson.ParseBytes(compact), false)
		}
		if wrong != nil {
			wrong = refuse(number, wrong)
		} else {
			wrong = add(&e)
		}
		if wrong != nil {
			return wrong
		}
	}
}

// Batch calls add with each record of {"entries":[{"id":…, …}]}, valid and compact: each entry is a record of V3 with
// an id, which no other has.
func Batch(body []byte, add func(*Record) error) error {
	var entries gjson.Result
	failed := members(gjson.ParseBytes(body), "the body", func(name string, v gjson.Result) error {
		if name != "entries" {
			return &Error{CodeBatch, fmt.Sprintf("the body: unknown member %.40q", name)}
		}
		entries = v
		return nil
	})
	if failed != nil {
		return failed
	}
	seen := map[string]bool{}
	return each(CodeBatch, "entry", "entries", entries, add, func(v gjson.Result) (Record, error) {
		e, failed := recordV3(v, true)
		switch {
		case failed != nil:
		case !entryID.MatchString(e.ID):
			failed = &Error{CodeBatch, "id: expected a string of 1 to 80 letters, digits, - and _"}
		case seen[e.ID]:
			failed = &Error{CodeBatch, fmt.Sprintf("id: %q is another entry's, too", e.ID)}
		}
		seen[e.ID] = true
		return e, failed
	})
}

// entryID is what the proxy takes for the id of an entry.
var entryID = regexp.MustCompile(`^[0-9a-zA-Z_-]{1,80}$`)

func recordV3(v gjson.Result, isEntry bool) (e Record, failed error) {
	failed = members(v, "the record", func(name string, v gjson.Result) (failed error) {
		switch {
		case name == "key":
			e.Key, e.KeyType, failed = dataV3(name, v)
		case name == "value":
			e.Value, e.ValueType, failed = dataV3(name, v)
			e.JSON = e.ValueType == typeJSON && e.Value != nil
		case name == "partition_id":
			e.Partition, failed = partition(name, v)
		case name == "headers":
			e.Headers, failed = headersV3(v)
		case name == "timestamp":
			e.Timestamp, failed = timestampV3(v)
		case name == "id" && isEntry:
			if v.Type == gjson.String {
				e.ID = v.Str
			}
		case name == "original_size":
		default:
			failed = payload("unknown member %.40q", name)
		}
		return failed
	})
	return e, failed
}

func timestampV3(v gjson.Result) (*int64, error) {
	at, err := time.Parse(time.RFC3339, v.Str)
	ms := at.UnixMilli()
	if v.Type != gjson.String || err != nil || ms < record.MinTimestamp {
		return nil, errors.New("timestamp: expected a time such as 2026-11-22T10:00:00Z, after the beginning of 1970")
	}
	return &ms, nil
}

// The types of keys and values.
const (
	typeBinary = "BINARY"
	typeString = "STRING"
	typeJSON   = "JSON"
)

// dataV3 reads {"type":…,"data":…}: the bytes, nil for null, and the type, in capitals, "" where there is none.
func dataV3(name string, v gjson.Result) (b []byte, kind string, failed error) {
	var data gjson.Result
	failed = members(v, name, func(member string, v gjson.Result) error {
		switch member {
		case "type":
			if v.Type != gjson.String {
				return errors.New(name + ".type: expected a string")
			}
			kind = strings.ToUpper(v.Str)
		case "data":
			data = v
		default:
			return payload("%s.%.40s: only type and data are offered, no schemas", name, member)
		}
		return nil
	})
	if failed != nil {
		return nil, "", failed
	}
	switch {
	case kind == "" && !data.Exists():
	case kind != typeBinary && kind != typeString && kind != typeJSON:
		failed = payload("%s.type: expected BINARY, STRING or JSON", name)
	case !data.Exists():
	case kind == typeBinary:
		b, failed = jsonvalue.Base64(name+".data", data)
	case kind == typeJSON:
		b = []byte(data.Raw)
	case data.Type != gjson.String:
		failed = errors.New(name + ".data: expected a string")
	default:
		var text string
		text, failed = jsonvalue.Text(name+".data", data)
		b = []byte(text)
	}
	return b, kind, failed
}

func headersV3(v gjson.Result) (headers []record.Header, failed error) {
	if !v.IsArray() {
		return nil, errors.New("headers: expected a list")
	}
	headers = []record.Header{}
	v.ForEach(func(_, v gjson.Result) bool {
		at := fmt.Sprintf("headers[%d]", len(headers))
		var h record.Header
		failed = members(v, at, func(name string, v gjson.Result) (failed error) {
			switch {
			case name == "name" && v.Type == gjson.String:
				h.Key, failed = jsonvalue.Text(at+".name", v)
			case name == "value":
				h.Value, failed = jsonvalue.Base64(at+".value", v)
			default:
				failed = fmt.Errorf("%s: expected a name and a value, both strings", at)
			}
			return failed
		})
		if failed == nil && h.Key == "" {
			failed = errors.New(at + ": it has no name")
		}
		headers = append(headers, h)
		return failed == nil
	})
	return headers, failed
}
