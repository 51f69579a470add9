// Package restproxy reads the bodies of the Confluent REST Proxy (its API reference, v2
// "POST /topics/NAME" and v3 "POST /v3/clusters/ID/topics/NAME/records"), so that its
// clients need another URL only. Its errors name the record and can be shown to the client.
package restproxy

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/jsonvalue"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/tidwall/gjson"
)

// Record is one record of a body.
type Record struct {
	Value     []byte // nil: null
	JSON      bool   // the value is JSON
	Key       []byte // nil: it says none
	Partition *int32
	Headers   []record.Header // nil: it says none
	Timestamp *int64          // milliseconds since 1970
}

// Topic returns the topic that a path of the REST Proxy names, "" for others.
func Topic(path string) string {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	if n := len(parts); n > 0 && parts[n-1] == "records" {
		parts = parts[:n-1]
	}
	if n := len(parts); n > 1 && parts[n-2] == "topics" {
		return parts[n-1]
	}
	return ""
}

// IsV3 reports whether the path is that of v3's produce.
func IsV3(path string) bool {
	path = strings.TrimSuffix(path, "/")
	return strings.HasSuffix(path, "/records") && strings.Contains(path, "/v3/clusters/") && Topic(path) != ""
}

// V2 reads {"records":[{"key":…,"value":…,"partition":…}]}, valid and compact. With binary, keys and
// values are base64.
func V2(body []byte, binary bool, add func(*Record) error) error {
	var records gjson.Result
	failed := jsonvalue.Members(gjson.ParseBytes(body), "the body", func(name string, v gjson.Result) error {
		switch name {
		case "records":
			records = v
		case "key_schema", "key_schema_id", "value_schema", "value_schema_id":
			if v.Type != gjson.Null {
				return errors.New(name + ": this media type has no schemas")
			}
		default:
			return fmt.Errorf("the body: unknown member %.40q", name)
		}
		return nil
	})
	if failed != nil {
		return failed
	}
	if !records.IsArray() {
		return errors.New("records: expected a list")
	}
	number := 0
	records.ForEach(func(_, v gjson.Result) bool {
		number++
		var e Record
		if e, failed = recordV2(v, binary); failed != nil {
			failed = fmt.Errorf("record %d: %w", number, failed)
			return false
		}
		failed = add(&e)
		return failed == nil
	})
	return failed
}

func recordV2(v gjson.Result, binary bool) (e Record, failed error) {
	data := func(name string, v gjson.Result) (b []byte, failed error) {
		switch {
		case v.Type == gjson.Null:
			return nil, nil
		case binary:
			return jsonvalue.Base64(name, v)
		}
		return []byte(v.Raw), nil
	}
	e.JSON = !binary
	failed = jsonvalue.Members(v, "the record", func(name string, v gjson.Result) (failed error) {
		switch name {
		case "key":
			e.Key, failed = data(name, v)
		case "value":
			e.Value, failed = data(name, v)
		case "partition":
			e.Partition, failed = partition(name, v)
		default:
			failed = fmt.Errorf("unknown member %.40q", name)
		}
		return failed
	})
	return e, failed
}

// V3 reads one or several concatenated objects, which compact validates.
func V3(body []byte, compact func([]byte) ([]byte, error), add func(*Record) error) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	for number := 1; ; number++ {
		var raw json.RawMessage
		start := dec.InputOffset()
		err := dec.Decode(&raw)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			raw = bytes.TrimLeft(body[start:], " \t\r\n") // compact says what is wrong in it
		}
		compact, wrong := compact(raw)
		if err = cmp.Or(wrong, err); err != nil {
			return fmt.Errorf("record %d: %s", number, err)
		}
		e, failed := recordV3(gjson.ParseBytes(compact))
		if failed != nil {
			failed = fmt.Errorf("record %d: %w", number, failed)
			return failed
		}
		if failed := add(&e); failed != nil {
			return failed
		}
	}
}

func recordV3(v gjson.Result) (e Record, failed error) {
	failed = jsonvalue.Members(v, "the record", func(name string, v gjson.Result) (failed error) {
		switch name {
		case "key":
			e.Key, _, failed = dataV3(name, v)
		case "value":
			e.Value, e.JSON, failed = dataV3(name, v)
		case "partition_id":
			e.Partition, failed = partition(name, v)
		case "headers":
			e.Headers, failed = headersV3(v)
		case "timestamp":
			if v.Type == gjson.Null {
				return nil
			}
			at, err := time.Parse(time.RFC3339, v.Str)
			ms := at.UnixMilli()
			if v.Type != gjson.String || err != nil || ms < record.MinTimestamp {
				return errors.New("timestamp: expected a time such as 2026-11-22T10:00:00Z, after the beginning of 1970")
			}
			e.Timestamp = &ms
		case "original_size":
		default:
			failed = fmt.Errorf("unknown member %.40q", name)
		}
		return failed
	})
	return e, failed
}

// dataV3 reads {"type":…,"data":…}.
func dataV3(name string, v gjson.Result) (b []byte, isJSON bool, failed error) {
	if v.Type == gjson.Null {
		return nil, false, nil
	}
	kind, data := "", gjson.Result{}
	failed = jsonvalue.Members(v, name, func(member string, v gjson.Result) error {
		switch member {
		case "type":
			if v.Type != gjson.String && v.Type != gjson.Null {
				return errors.New(name + ".type: expected a string")
			}
			kind = v.String()
		case "data":
			data = v
		default:
			return fmt.Errorf("%s.%.40s: only type and data are offered, no schemas", name, member)
		}
		return nil
	})
	if failed != nil || data.Type == gjson.Null {
		return nil, false, failed
	}
	switch strings.ToUpper(kind) {
	case "BINARY":
		b, failed = jsonvalue.Base64(name+".data", data)
		return b, false, failed
	case "STRING":
		if data.Type != gjson.String {
			return nil, false, errors.New(name + ".data: expected a string")
		}
		text, failed := jsonvalue.Text(name+".data", data)
		return []byte(text), false, failed
	case "JSON":
		return []byte(data.Raw), true, nil
	}
	return nil, false, errors.New(name + ".type: expected BINARY, STRING or JSON")
}

func headersV3(v gjson.Result) (headers []record.Header, failed error) {
	if v.Type == gjson.Null {
		return nil, nil
	}
	if !v.IsArray() {
		return nil, errors.New("headers: expected a list")
	}
	headers = []record.Header{}
	v.ForEach(func(_, v gjson.Result) bool {
		at := fmt.Sprintf("headers[%d]", len(headers))
		var h record.Header
		failed = jsonvalue.Members(v, at, func(name string, v gjson.Result) (failed error) {
			switch {
			case name == "name" && v.Type == gjson.String:
				h.Key, failed = jsonvalue.Text(at+".name", v)
			case name == "value" && v.Type == gjson.Null:
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

func partition(name string, v gjson.Result) (*int32, error) {
	if v.Type == gjson.Null {
		return nil, nil
	}
	n, err := strconv.ParseInt(v.Raw, 10, 32)
	if v.Type != gjson.Number || err != nil || n < 0 || n > math.MaxInt32 {
		return nil, errors.New(name + ": expected an integer from 0 to 2147483647")
	}
	p := int32(n)
	return &p, nil
}
