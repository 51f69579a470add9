package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	// maxExponent and maxNumber bound the numbers that are compared exactly: 1e999999
	// is eight bytes of a request and megabytes of memory.
	maxExponent = 400
	maxNumber   = 400 // characters
)

// part is a text that a schema consists of, and what others refer to it by.
type part struct{ name, text string }

// bounds is what a JSON text may be. Zero bytes are no limit.
type bounds struct{ bytes, values, depth int }

// shape is what a JSON text is, as far as it costs anything.
type shape struct{ values, depth, names int }

// decode returns the value of a JSON text, with numbers as json.Number: their
// digits are kept. A text that is out of bounds is refused before it is decoded,
// since decoded it takes up to forty times the space.
//
// An object that has a name twice is refused too: which of the two counts is each
// reader's own choice, so one of them would be used without having been validated.
func decode(text []byte, limit bounds) (any, shape, *Problem) {
	is, bad := limit.check(text)
	if bad != nil {
		return nil, shape{}, bad
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, shape{}, problem("is not JSON: %v", err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, shape{}, problem("is not JSON: something follows the value")
	}
	c := checker{}
	c.check(value)
	switch {
	case c.bad != nil:
		return nil, shape{}, c.bad
	case c.names != is.names:
		return nil, shape{}, problem("has an object with the same name twice")
	}
	return value, is, nil
}

// check refuses a text that is out of bounds, before anything is made of it.
func (limit bounds) check(text []byte) (shape, *Problem) {
	if limit.bytes > 0 && len(text) > limit.bytes {
		return shape{}, problem("is larger than %d bytes", limit.bytes)
	}
	if !utf8.Valid(text) {
		return shape{}, problem("is not UTF-8")
	}
	is := measure(text)
	if is.values > limit.values {
		return shape{}, problem("has more than %d values", limit.values)
	}
	if is.depth > limit.depth {
		return shape{}, problem("has more than %d arrays and objects inside one another", limit.depth)
	}
	return is, nil
}

// measure returns the shape of a JSON text, and an estimate for any other text. It counts an
// empty array or object as two values.
func measure(text []byte) shape {
	is := shape{values: 1}
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			i = endOfString(text, i+1)
		case '[', '{':
			depth++
			is.depth = max(is.depth, depth)
			is.values++
		case ']', '}':
			depth--
		case ',':
			is.values++
		case ':':
			is.names++
		}
	}
	return is
}

// endOfString returns the index of the quotation mark that ends the string in which
// index i is.
func endOfString(text []byte, i int) int {
	for i < len(text) {
		next := bytes.IndexAny(text[i:], `"\`)
		if next < 0 {
			return len(text)
		}
		i += next
		if text[i] == '"' {
			return i
		}
		i += 2
	}
	return i
}

// checker looks at each value of a document.
type checker struct {
	location []string
	names    int
	bad      *Problem // of the out-of-range numbers, the first by its pointer
}

func (c *checker) check(v any) {
	switch v := v.(type) {
	case map[string]any:
		c.names += len(v)
		for name, member := range v {
			c.checkAt(name, member)
		}
	case []any:
		for i, item := range v {
			if number, ok := item.(json.Number); ok && inRange(number) {
				continue // an index costs a string, and arrays of numbers are long
			}
			c.checkAt(strconv.Itoa(i), item)
		}
	case json.Number:
		if !inRange(v) {
			c.tooLarge()
		}
	}
}

func (c *checker) checkAt(token string, v any) {
	switch v.(type) {
	case map[string]any, []any, json.Number:
		c.location = append(c.location, token)
		c.check(v)
		c.location = c.location[:len(c.location)-1]
	}
}

func (c *checker) tooLarge() {
	at := pointer(c.location)
	if c.bad == nil || at < c.bad.Pointer {
		c.bad = &Problem{at, fmt.Sprintf("is a number with more than %d characters or an exponent beyond %d", maxNumber, maxExponent)}
	}
}

func inRange(n json.Number) bool {
	if len(n) > maxNumber {
		return false
	}
	at := strings.IndexAny(string(n), "eE")
	if at < 0 {
		return true
	}
	exponent, err := strconv.Atoi(string(n[at+1:]))
	return err == nil && -maxExponent <= exponent && exponent <= maxExponent
}
