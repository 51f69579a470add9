// Package restproxy reads requests of the Confluent REST Proxy's clients (its API reference, v2 "POST /topics/NAME" and v3
// "POST /v3/clusters/ID/topics/NAME/records"), so that they need another URL only: which call a path is, and the records
// of a body. Its errors name the record and can be shown to the client. What is done with them is plugins/kafkaupstream's.
package restproxy

import (
	"fmt"
	"math"
	"strconv"

	"github.com/kafkaupstream/kafkaupstream/internal/jsonvalue"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/internal/schema"
	"github.com/tidwall/gjson"
)

// Record is one record of a body.
type Record struct {
	ID        string // of an entry of records:batch
	Value     []byte // nil: null
	ValueType string // v3's, in capitals; "": it says none
	JSON      bool   // the value is JSON
	Key       []byte // nil: it says none
	KeyType   string
	KeyJSON   bool // the key is JSON
	Partition *int32
	Headers   []record.Header // nil: it says none
	Timestamp *int64          // milliseconds since 1970

	// The schemas of value and key, which are JSON; nil: none. Without a subject it is the topic's, and a schema without id, text
	// and version is its latest.
	ValueSchema, KeySchema *schema.Name
}

// The types of keys and values.
const (
	TypeBinary     = "BINARY" // base64
	TypeString     = "STRING"
	TypeJSON       = "JSON"
	TypeAvro       = "AVRO"
	TypeProtobuf   = "PROTOBUF"
	TypeJSONSchema = "JSONSCHEMA"
)

// formats are those of the types that have a schema.
var formats = map[string]schema.Format{TypeAvro: schema.Avro, TypeProtobuf: schema.Protobuf, TypeJSONSchema: schema.JSONSchema}

// TypeOf is the type of keys and values that have a schema of a format; "": it is none.
func TypeOf(format schema.Format) string {
	if format == "" { // as of most records
		return ""
	}
	for kind, of := range formats {
		if of == format {
			return kind
		}
	}
	return ""
}

// maxSchemaText bounds a schema in a body, in bytes.
const maxSchemaText = 100 << 10

// schemaText reads a schema that a body has in full.
func schemaText(name string, v gjson.Result) (string, error) {
	if v.Type != gjson.String || len(v.Str) > maxSchemaText || v.Str == "" {
		return "", payload("%s: expected a schema as a string of up to %d bytes", name, maxSchemaText)
	}
	return jsonvalue.Text(name, v)
}

// schemaID reads the id of a schema.
func schemaID(name string, v gjson.Result) (int, error) {
	n, err := strconv.ParseInt(v.Raw, 10, 32)
	if v.Type != gjson.Number || err != nil || n < 1 {
		return 0, payload("%s: expected an integer from 1 to 2147483647", name)
	}
	return int(n), nil
}

// The proxy's error codes for what is wrong with a body (its Errors.java). What is malformed has none: it is a 400.
const (
	CodeKeySchema   = 42201 // there is a key, and no schema for it
	CodeValueSchema = 42202

	CodePayload = 42206 // JSON, and not what it should hold
	CodeBatch   = 42208 // the same of records:batch
)

// Error is an error for which the proxy has a code of its own.
type Error struct {
	Code    int // its first three digits are the status
	Message string
}

func (e *Error) Error() string { return e.Message }

func payload(format string, args ...any) error {
	return &Error{CodePayload, fmt.Sprintf(format, args...)}
}

// members is jsonvalue.Members without the members that are null: generated clients write null for what they do not use.
func members(v gjson.Result, what string, f func(name string, v gjson.Result) error) error {
	return jsonvalue.Members(v, what, func(name string, v gjson.Result) error {
		if v.Type == gjson.Null {
			return nil
		}
		return f(name, v)
	})
}

func partition(name string, v gjson.Result) (*int32, error) {
	n, err := strconv.ParseInt(v.Raw, 10, 32)
	if v.Type != gjson.Number || err != nil || n < 0 || n > math.MaxInt32 {
		return nil, payload("%s: expected an integer from 0 to 2147483647", name)
	}
	p := int32(n)
	return &p, nil
}
