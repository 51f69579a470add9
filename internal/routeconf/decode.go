package routeconf

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/kafkaupstream/kafkaupstream/utils"
)

// field is a member of a JSON object. An object is a []field, in the order of the
// text; a list is []any; a number is a json.Number, which keeps its digits.
type field struct {
	name  string
	value any
}

// maxConfigDepth bounds the nesting of a configuration. It is beyond that of an inline schema, which internal/schema bounds.
const maxConfigDepth = 100

var errTooDeep = fmt.Errorf("has more than %d lists and objects inside one another", maxConfigDepth)

// readObject reads a JSON object and nothing after it. Unlike a map it notices a
// name given twice.
func readObject(text []byte) ([]field, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	v, err := readValue(dec, 0)
	if errors.Is(err, errTooDeep) {
		return nil, fmt.Errorf("the configuration %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("the configuration is not valid JSON: %w", positioned(err, text))
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("the configuration goes on after its end: %w", utils.InvalidJSON(text))
	}
	object, ok := v.([]field)
	if !ok {
		return nil, fmt.Errorf("the configuration must be a JSON object, got %s", TypeName(v))
	}
	return object, nil
}

// positioned says where, and drops what encoding/json quotes of the text, which
// can be part of a secret.
func positioned(err error, text []byte) error {
	if _, is := errors.AsType[*json.SyntaxError](err); is || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return utils.InvalidJSON(text)
	}
	return err
}

func readValue(dec *json.Decoder, depth int) (any, error) {
	if depth > maxConfigDepth {
		return nil, errTooDeep
	}
	token, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('{'):
		return readFields(dec, depth)
	case json.Delim('['):
		list := []any{}
		for dec.More() {
			v, err := readValue(dec, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := dec.Token()
		return list, err
	}
	return token, nil
}

func readFields(dec *json.Decoder, depth int) ([]field, error) {
	object := []field{}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return nil, err
		}
		name, _ := token.(string)
		if slices.ContainsFunc(object, func(f field) bool { return f.name == name }) {
			return nil, fmt.Errorf("the key %.40q is given twice in one object", name)
		}
		v, err := readValue(dec, depth+1)
		if depth == 0 && errors.Is(err, errTooDeep) {
			err = fmt.Errorf("%w, under %.40q", err, name)
		}
		if err != nil {
			return nil, err
		}
		object = append(object, field{name, v})
	}
	_, err := dec.Token()
	return object, err
}

// TypeName names the type of what a JSON decoder has made.
func TypeName(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case string:
		return "a string"
	case json.Number, float64, int, int64, uint64:
		return "a number"
	case bool:
		return "a boolean"
	case []any:
		return "a list"
	default:
		return "an object"
	}
}
