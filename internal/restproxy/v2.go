package restproxy

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/kafkaupstream/kafkaupstream/internal/jsonvalue"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/internal/schema"
	"github.com/tidwall/gjson"
)

// V2 calls add with each record of {"records":[{"key":…,"value":…,"partition":…}]}, valid and compact, whose keys and values are of
// one type. Where that has a schema, the body names it beside records. Strimzi's bridge has text as a type, and headers and a
// timestamp of a record.
func V2(body []byte, of string, add func(*Record) error) error {
	var records gjson.Result
	var key, value *schema.Name
	failed := members(gjson.ParseBytes(body), "the body", func(name string, v gjson.Result) (failed error) {
		switch name {
		case "records":
			records = v
		case "key_schema", "key_schema_id":
			key, failed = schemaV2(name, v, of, key)
		case "value_schema", "value_schema_id":
			value, failed = schemaV2(name, v, of, value)
		default:
			return payload("the body: unknown member %.40q", name)
		}
		return failed
	})
	if failed != nil {
		return failed
	}
	return each(CodePayload, "record", "records", records, add, func(v gjson.Result) (Record, error) {
		e, failed := recordV2(v, of)
		if failed != nil || formats[of] == "" {
			return e, failed
		}
		e.KeySchema, e.ValueSchema = key, value
		switch {
		case e.Key != nil && key == nil:
			failed = &Error{CodeKeySchema, "it has a key, and the body neither key_schema nor key_schema_id"}
		case e.Value != nil && value == nil:
			failed = &Error{CodeValueSchema, "it has a value, and the body neither value_schema nor value_schema_id"}
		}
		return e, failed
	})
}

// schemaV2 reads one of two members that name the same schema: the id counts if both are there.
func schemaV2(name string, v gjson.Result, of string, before *schema.Name) (*schema.Name, error) {
	format := formats[of]
	if format == "" {
		return nil, payload("%s: this media type has no schemas", name)
	}
	if strings.HasSuffix(name, "_id") {
		id, failed := schemaID(name, v)
		return &schema.Name{ID: id, Format: format}, failed
	}
	text, failed := schemaText(name, v)
	if before != nil {
		return before, failed
	}
	return &schema.Name{Text: text, Format: format}, failed
}

func recordV2(v gjson.Result, of string) (Record, error) {
	data := func(name string, v gjson.Result) ([]byte, error) {
		switch of {
		case TypeBinary:
			return jsonvalue.Base64(name, v)
		case TypeString:
			return stringData(name, v)
		}
		return []byte(v.Raw), nil
	}
	e := Record{KeyType: of}
	failed := members(v, "the record", func(name string, v gjson.Result) (failed error) {
		switch name {
		case "key":
			e.Key, failed = data(name, v)
		case "value":
			e.Value, failed = data(name, v)
		case "partition":
			e.Partition, failed = partition(name, v)
		case "headers":
			e.Headers, failed = headers(v, "key")
		case "timestamp":
			e.Timestamp, failed = timestampV2(v)
		default:
			failed = payload("unknown member %.40q", name)
		}
		return failed
	})
	isJSON := of != TypeBinary && of != TypeString
	e.JSON = isJSON && e.Value != nil // null is no JSON to look into
	e.KeyJSON = isJSON
	return e, failed
}

func timestampV2(v gjson.Result) (*int64, error) {
	ms, err := strconv.ParseInt(v.Raw, 10, 64)
	if v.Type != gjson.Number || err != nil || ms < record.MinTimestamp {
		return nil, payload("timestamp: expected milliseconds since the beginning of 1970")
	}
	return &ms, nil
}

// each calls add with what read makes of each element of a list; what is one of them, and name the list.
func each(code int, what, name string, list gjson.Result, add func(*Record) error, read func(gjson.Result) (Record, error)) (failed error) {
	if !list.Exists() {
		return &Error{code, "the body has no " + name}
	}
	if !list.IsArray() {
		return fmt.Errorf("%s: expected a list", name)
	}
	number := 0
	list.ForEach(func(_, v gjson.Result) bool {
		number++
		e, wrong := read(v)
		if wrong != nil {
			failed = fmt.Errorf("%s %d: %w", what, number, wrong)
		} else {
			failed = add(&e)
		}
		return failed == nil
	})
	if failed == nil && number == 0 {
		return &Error{code, "the batch has no records"}
	}
	return failed
}
