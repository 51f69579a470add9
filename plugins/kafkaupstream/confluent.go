package kafkaupstream

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

	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/tidwall/gjson"
)

// The Confluent REST Proxy's bodies (its API reference, v2 "POST /topics/NAME" and v3
// "POST /v3/clusters/ID/topics/NAME/records"), so that its clients need another URL
// only. Its errors are this plugin's own.

// pathTopic returns the topic that a path of the REST Proxy names, "" for others.
func pathTopic(path string) string {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	if n := len(parts); n > 0 && parts[n-1] == "records" {
		parts = parts[:n-1]
	}
	if n := len(parts); n > 1 && parts[n-2] == "topics" {
		return parts[n-1]
	}
	return ""
}

// isV3 reports whether the path is that of v3's produce.
func isV3(path string) bool {
	path = strings.TrimSuffix(path, "/")
	return strings.HasSuffix(path, "/records") && strings.Contains(path, "/v3/clusters/") && pathTopic(path) != ""
}

// recordsV2 reads {"records":[{"key":…,"value":…,"partition":…}]}, valid and compact.
func recordsV2(body []byte, binary bool, add func(element) *Reply) *Reply {
	var records gjson.Result
	refused := members(gjson.ParseBytes(body), "the body", func(name string, v gjson.Result) *Reply {
		switch name {
		case "records":
			records = v
		case "key_schema", "key_schema_id", "value_schema", "value_schema_id":
			if v.Type != gjson.Null {
				return refuse(400, name+": this media type has no schemas")
			}
		default:
			return refuse(400, fmt.Sprintf("the body: unknown member %.40q", name))
		}
		return nil
	})
	if refused != nil {
		return refused
	}
	if !records.IsArray() {
		return refuse(400, "records: expected a list")
	}
	number := 0
	records.ForEach(func(_, v gjson.Result) bool {
		number++
		var e element
		if e, refused = recordV2(v, binary); refused != nil {
			refused.Message = fmt.Sprintf("record %d: %s", number, refused.Message)
			return false
		}
		refused = add(e)
		return refused == nil
	})
	return refused
}

func recordV2(v gjson.Result, binary bool) (e element, refused *Reply) {
	data := func(name string, v gjson.Result) (b []byte, refused *Reply) {
		switch {
		case v.Type == gjson.Null:
			return nil, nil
		case binary:
			return base64Text(name, v)
		}
		return []byte(v.Raw), nil
	}
	e.json = !binary
	refused = members(v, "the record", func(name string, v gjson.Result) (refused *Reply) {
		switch name {
		case "key":
			e.key, refused = data(name, v)
		case "value":
			e.value, refused = data(name, v)
		case "partition":
			e.partition, refused = partition(name, v)
		default:
			refused = refuse(400, fmt.Sprintf("unknown member %.40q", name))
		}
		return refused
	})
	return e, refused
}

// recordsV3 reads one or several concatenated objects.
func (r *Route) recordsV3(body []byte, add func(element) *Reply) *Reply {
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
		compact, wrong := r.compact(nil, raw)
		if err = cmp.Or(wrong, err); err != nil {
			return refuse(400, fmt.Sprintf("record %d: %s", number, err))
		}
		e, refused := recordV3(gjson.ParseBytes(compact))
		if refused != nil {
			refused.Message = fmt.Sprintf("record %d: %s", number, refused.Message)
			return refused
		}
		if refused := add(e); refused != nil {
			return refused
		}
	}
}

func recordV3(v gjson.Result) (e element, refused *Reply) {
	refused = members(v, "the record", func(name string, v gjson.Result) (refused *Reply) {
		switch name {
		case "key":
			e.key, _, refused = dataV3(name, v)
		case "value":
			e.value, e.json, refused = dataV3(name, v)
		case "partition_id":
			e.partition, refused = partition(name, v)
		case "headers":
			e.headers, refused = headersV3(v)
		case "timestamp":
			if v.Type == gjson.Null {
				return nil
			}
			at, err := time.Parse(time.RFC3339, v.Str)
			ms := at.UnixMilli()
			if v.Type != gjson.String || err != nil || ms < minTimestamp {
				return refuse(400, "timestamp: expected a time such as 2026-11-22T10:00:00Z, after the beginning of 1970")
			}
			e.timestamp = &ms
		case "original_size":
		default:
			refused = refuse(400, fmt.Sprintf("unknown member %.40q", name))
		}
		return refused
	})
	return e, refused
}

// dataV3 reads {"type":…,"data":…}.
func dataV3(name string, v gjson.Result) (b []byte, isJSON bool, refused *Reply) {
	if v.Type == gjson.Null {
		return nil, false, nil
	}
	kind, data := "", gjson.Result{}
	refused = members(v, name, func(member string, v gjson.Result) *Reply {
		switch member {
		case "type":
			if v.Type != gjson.String && v.Type != gjson.Null {
				return refuse(400, name+".type: expected a string")
			}
			kind = v.String()
		case "data":
			data = v
		default:
			return refuse(400, fmt.Sprintf("%s.%.40s: only type and data are offered, no schemas", name, member))
		}
		return nil
	})
	if refused != nil || data.Type == gjson.Null {
		return nil, false, refused
	}
	switch strings.ToUpper(kind) {
	case "BINARY":
		b, refused = base64Text(name+".data", data)
		return b, false, refused
	case "STRING":
		if data.Type != gjson.String {
			return nil, false, refuse(400, name+".data: expected a string")
		}
		text, refused := scalarText(name+".data", data)
		return []byte(text), false, refused
	case "JSON":
		return []byte(data.Raw), true, nil
	}
	return nil, false, refuse(400, name+".type: expected BINARY, STRING or JSON")
}

func headersV3(v gjson.Result) (headers []record.Header, refused *Reply) {
	if v.Type == gjson.Null {
		return nil, nil
	}
	if !v.IsArray() {
		return nil, refuse(400, "headers: expected a list")
	}
	headers = []record.Header{}
	v.ForEach(func(_, v gjson.Result) bool {
		at := fmt.Sprintf("headers[%d]", len(headers))
		var h record.Header
		refused = members(v, at, func(name string, v gjson.Result) (refused *Reply) {
			switch {
			case name == "name" && v.Type == gjson.String:
				h.Key, refused = scalarText(at+".name", v)
			case name == "value" && v.Type == gjson.Null:
			case name == "value":
				h.Value, refused = base64Text(at+".value", v)
			default:
				refused = refuse(400, fmt.Sprintf("%s: expected a name and a value, both strings", at))
			}
			return refused
		})
		if refused == nil && h.Key == "" {
			refused = refuse(400, at+": it has no name")
		}
		headers = append(headers, h)
		return refused == nil
	})
	return headers, refused
}

// members calls f for each member of an object, each name once.
func members(v gjson.Result, what string, f func(name string, v gjson.Result) *Reply) (refused *Reply) {
	if !v.IsObject() {
		return refuse(400, what+": expected an object")
	}
	seen := map[string]bool{}
	v.ForEach(func(k, v gjson.Result) bool {
		name := k.String()
		if seen[name] {
			refused = refuse(400, fmt.Sprintf("%s: the member %.40q is there twice", what, name))
			return false
		}
		seen[name] = true
		refused = f(name, v)
		return refused == nil
	})
	return refused
}

func base64Text(name string, v gjson.Result) ([]byte, *Reply) {
	b, err := decodeBase64(v.String())
	if v.Type != gjson.String || err != nil {
		return nil, refuse(400, name+": expected base64 in a string")
	}
	if b == nil {
		b = []byte{}
	}
	return b, nil
}

func partition(name string, v gjson.Result) (*int32, *Reply) {
	if v.Type == gjson.Null {
		return nil, nil
	}
	n, err := strconv.ParseInt(v.Raw, 10, 32)
	if v.Type != gjson.Number || err != nil || n < 0 || n > math.MaxInt32 {
		return nil, refuse(400, name+": expected an integer from 0 to 2147483647")
	}
	p := int32(n)
	return &p, nil
}

// appendOffsets appends what v2's clients look at.
func appendOffsets(dst []byte, replies []Reply) []byte {
	dst = append(dst, `,"offsets":[`...)
	for i := range replies {
		if i > 0 {
			dst = append(dst, ',')
		}
		r := &replies[i]
		if r.Delivered == DeliveredYes {
			dst = strconv.AppendInt(append(dst, `{"partition":`...), int64(r.Ack.Partition), 10)
			if dst = append(dst, `,"offset":`...); r.Ack.Placed() {
				dst = strconv.AppendInt(dst, r.Ack.Offset, 10)
			} else {
				dst = append(dst, "null"...)
			}
			dst = append(dst, `,"error_code":null,"error":null}`...)
			continue
		}
		if r.Status < 300 { // taken, and where it ends up is not known yet
			dst = append(dst, `{"partition":null,"offset":null,"error_code":null,"error":null}`...)
			continue
		}
		code := 1 // not to be retried
		if r.Status >= 500 {
			code = 2 // to be retried
		}
		dst = strconv.AppendInt(append(dst, `{"partition":null,"offset":null,"error_code":`...), int64(code), 10)
		dst = append(appendText(append(dst, `,"error":`...), []byte(r.Message)), '}')
	}
	return append(dst, `],"key_schema_id":null,"value_schema_id":null`...)
}

// appendResultV3 appends what v3's clients look at, beside offset.
func appendResultV3(dst []byte, r *Reply) []byte {
	dst = strconv.AppendInt(append(dst, `,"error_code":`...), int64(r.Status), 10)
	if r.Delivered == DeliveredYes {
		dst = appendText(append(dst, `,"topic_name":`...), []byte(r.Topic))
		dst = strconv.AppendInt(append(dst, `,"partition_id":`...), int64(r.Ack.Partition), 10)
	}
	return dst
}
