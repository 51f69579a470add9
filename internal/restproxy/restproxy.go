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
	Partition *int32
	Headers   []record.Header // nil: it says none
	Timestamp *int64          // milliseconds since 1970
}

// The proxy's error codes for what is wrong with a body (its Errors.java). What is malformed has none: it is a 400.
const (
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
