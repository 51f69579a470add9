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
	"github.com/kafkaupstream/kafkaupstream/internal/routeconf"
	"github.com/kafkaupstream/kafkaupstream/internal/schema"
	"github.com/tidwall/gjson"
)

// V3 calls add with the record of each of one or several concatenated objects, which compact validates. Objects that are no
// records it gives to refuse, with their numbers: what follows one that is no JSON cannot be told apart and is not read. An
// error of either ends it.
func V3(body []byte, compact func([]byte) ([]byte, error), add func(*Record) error, refuse func(number int, why error) error) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	for number := 1; ; number++ {
		start := dec.InputOffset()
		err := dec.Decode(&skipped{})
		raw := body[start:dec.InputOffset()]
		switch {
		case errors.Is(err, io.EOF) && number == 1:
			return payload("the batch has no records")
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			raw = body[start:] // compact says what is wrong in it
		}
		compact, wrong := compact(bytes.TrimLeft(raw, " \t\r\n"))
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

// V3Memory is how many times a body's size V3 takes while it reads it: for the decoder's buffer, which doubles and is there twice while it
// does, for the compact form of an object, and for gjson's copy.
const V3Memory = 5

// skipped is a JSON value of which only the end matters: a RawMessage would copy it.
type skipped struct{}

func (*skipped) UnmarshalJSON([]byte) error { return nil }

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
			var d data
			d, failed = dataV3(name, v)
			e.Key, e.KeyType, e.KeyJSON, e.KeySchema = d.bytes, d.kind, d.isJSON(), d.schema
		case name == "value":
			var d data
			d, failed = dataV3(name, v)
			e.Value, e.ValueType, e.JSON, e.ValueSchema = d.bytes, d.kind, d.isJSON(), d.schema
		case name == "partition_id":
			e.Partition, failed = partition(name, v)
		case name == "headers":
			e.Headers, failed = headers(v, "name")
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

// data is a key or a value of v3.
type data struct {
	bytes  []byte // nil: null
	kind   string // the type, in capitals; "": there is none
	schema *schema.Name
}

func (d *data) isJSON() bool { return d.bytes != nil && (d.kind == TypeJSON || d.schema != nil) }

// dataV3 reads {"type":…,"data":…}, or {"data":…} with a schema by its id, version or text, or by nothing: the subject's latest.
func dataV3(name string, v gjson.Result) (d data, failed error) {
	var content gjson.Result
	var of schema.Name
	var strategy string // by which the subject is named
	failed = members(v, name, func(member string, v gjson.Result) (failed error) {
		text := func() (string, error) {
			if v.Type != gjson.String {
				return "", payload("%s.%s: expected a string", name, member)
			}
			return jsonvalue.Text(name+"."+member, v)
		}
		switch member {
		case "type":
			if d.kind, failed = text(); failed != nil {
				return errors.New(name + ".type: expected a string")
			}
			d.kind = strings.ToUpper(d.kind)
		case "data":
			content = v
		case "schema":
			of.Text, failed = schemaText(name+"."+member, v)
		case "schema_id":
			of.ID, failed = schemaID(name+"."+member, v)
		case "subject":
			of.Subject, failed = text()
		case "subject_name_strategy":
			strategy, failed = text()
		case "schema_version":
			if of.Version = v.Raw; v.Type == gjson.String {
				of.Version, failed = text()
			}
		default:
			return payload("%s.%.40s: unknown member", name, member)
		}
		return failed
	})
	if failed != nil {
		return data{}, failed
	}
	named := of != (schema.Name{}) || strategy != ""
	of.Format = formats[d.kind]
	switch {
	case of.Format != "", d.kind == "" && (named || content.Exists()):
		return d.schemaV3(name, of, strategy, content)
	case named:
		return data{}, payload("%s.type: %s has no schema", name, d.kind)
	}
	d.bytes, failed = contentV3(name, d.kind, content)
	return d, failed
}

// schemaV3 completes a key or value with a schema. Without a subject it is the topic's, which is the only strategy offered: the others
// take the subject from inside of the schema.
func (d data) schemaV3(name string, of schema.Name, strategy string, content gjson.Result) (data, error) {
	named := 0
	for _, is := range []bool{of.ID != 0, of.Text != "", of.Version != ""} {
		if is {
			named++
		}
	}
	switch {
	case named > 1:
		return data{}, payload("%s: it has more than one of schema, schema_id and schema_version", name)
	case of.Subject != "" && strategy != "":
		return data{}, payload("%s: it has both subject and subject_name_strategy", name)
	case of.ID != 0:
		of.Subject = "" // an id says all
	case strategy != "" && !strings.EqualFold(strategy, "TOPIC_NAME"):
		return data{}, payload("%s.subject_name_strategy: only TOPIC_NAME is offered", name)
	case of.Text != "" && of.Format == "":
		return data{}, payload("%s.type: it is required with schema", name)
	}
	if d.schema = &of; content.Exists() {
		d.bytes = []byte(content.Raw)
	}
	return d, nil
}

// contentV3 returns the bytes of data without a schema.
func contentV3(name, kind string, content gjson.Result) (b []byte, failed error) {
	switch {
	case kind == "": // nor data
	case kind != TypeBinary && kind != TypeString && kind != TypeJSON:
		failed = payload("%s.type: expected BINARY, STRING, JSON, AVRO, PROTOBUF or JSONSCHEMA", name)
	case !content.Exists():
	case kind == TypeBinary:
		b, failed = jsonvalue.Base64(name+".data", content)
	case kind == TypeJSON:
		b = []byte(content.Raw)
	default:
		b, failed = stringData(name+".data", content)
	}
	return b, failed
}

// stringData returns the bytes of a key or value of TypeString.
func stringData(name string, v gjson.Result) ([]byte, error) {
	if v.Type != gjson.String {
		return nil, errors.New(name + ": expected a string")
	}
	text, failed := jsonvalue.Text(name, v)
	return []byte(text), failed
}

// headers reads a list of headers; called is the member that has a header's name. Of a list that is too long for a record it reads no more
// than what shows that.
func headers(v gjson.Result, called string) (all []record.Header, failed error) {
	if !v.IsArray() {
		return nil, errors.New("headers: expected a list")
	}
	all = []record.Header{}
	v.ForEach(func(_, v gjson.Result) bool {
		at := fmt.Sprintf("headers[%d]", len(all))
		var h record.Header
		failed = members(v, at, func(name string, v gjson.Result) (failed error) {
			switch {
			case name == called && v.Type == gjson.String:
				h.Key, failed = jsonvalue.Text(at+"."+called, v)
			case name == "value":
				h.Value, failed = jsonvalue.Base64(at+".value", v)
			default:
				failed = fmt.Errorf("%s: expected a %s and a value, both strings", at, called)
			}
			return failed
		})
		if failed == nil && h.Key == "" {
			failed = fmt.Errorf("%s: it has no %s", at, called)
		}
		if failed == nil && strings.ContainsRune(h.Key, 0) { // librdkafka gives it back cut off
			failed = fmt.Errorf("%s.%s: there is a NUL byte in it", at, called)
		}
		all = append(all, h)
		return failed == nil && len(all) <= routeconf.MaxRecordHeaders
	})
	return all, failed
}
