package restproxy

import (
	"fmt"

	"github.com/kafkaupstream/kafkaupstream/internal/jsonvalue"
	"github.com/tidwall/gjson"
)

// V2 calls add with each record of {"records":[{"key":…,"value":…,"partition":…}]}, valid and compact. With binary, keys and
// values are base64.
func V2(body []byte, binary bool, add func(*Record) error) error {
	var records gjson.Result
	failed := members(gjson.ParseBytes(body), "the body", func(name string, v gjson.Result) error {
		switch name {
		case "records":
			records = v
		case "key_schema", "key_schema_id", "value_schema", "value_schema_id":
			return payload("%s: this media type has no schemas", name)
		default:
			return payload("the body: unknown member %.40q", name)
		}
		return nil
	})
	if failed != nil {
		return failed
	}
	return each(CodePayload, "record", "records", records, add, func(v gjson.Result) (Record, error) { return recordV2(v, binary) })
}

func recordV2(v gjson.Result, binary bool) (Record, error) {
	data := func(name string, v gjson.Result) ([]byte, error) {
		if binary {
			return jsonvalue.Base64(name, v)
		}
		return []byte(v.Raw), nil
	}
	var e Record
	failed := members(v, "the record", func(name string, v gjson.Result) (failed error) {
		switch name {
		case "key":
			e.Key, failed = data(name, v)
		case "value":
			e.Value, failed = data(name, v)
		case "partition":
			e.Partition, failed = partition(name, v)
		default:
			failed = payload("unknown member %.40q", name)
		}
		return failed
	})
	e.JSON = !binary && e.Value != nil // null is no JSON to look into
	return e, failed
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
