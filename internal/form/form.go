// Package form makes JSON of the fields of an HTML form (application/x-www-form-urlencoded, the URL Standard, 5.1): an object
// whose values are texts. Its errors name the field and can be shown to the client. It is not for multipart forms.
//
// plugins/kafkaupstream calls it for routes with form.
package form

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/kafkaupstream/kafkaupstream/internal/jsonvalue"
)

// Repeated says what becomes of a name that is given more than once.
type Repeated int

const (
	// List makes a list of the values of such a name; one value alone is a text.
	List Repeated = iota
	First
	Last
	// Refuse makes it an error.
	Refuse
)

// MaxFields bounds the fields of a form: a field of two bytes takes a hundred bytes while it is read.
const MaxFields = 10000

// Form is a form that has been read.
type Form []field

type field struct {
	name   string
	values []string // at least one
}

// Parse reads a form: its names in the order in which they are given first. The error says which field cannot be read, counted from 1.
func Parse(body []byte, repeated Repeated) (Form, error) {
	var f Form
	at := map[string]int{}
	number := 0
	for part := range strings.SplitSeq(string(body), "&") {
		if part == "" {
			continue
		}
		if number++; number > MaxFields {
			return nil, fmt.Errorf("the form has more than %d fields", MaxFields)
		}
		name, value, _ := strings.Cut(part, "=")
		name, badName := decode(name)
		value, badValue := decode(value)
		if err := cmp.Or(badName, badValue); err != nil {
			return nil, fmt.Errorf("field %d of the form: it %w", number, err)
		}
		i, twice := at[name]
		switch {
		case !twice:
			at[name] = len(f)
			f = append(f, field{name, []string{value}})
		case repeated == Refuse:
			return nil, fmt.Errorf("field %d of the form: the name %.40q is there twice", number, name)
		case repeated == List:
			f[i].values = append(f[i].values, value)
		case repeated == Last:
			f[i].values[0] = value
		}
	}
	return f, nil
}

func decode(text string) (string, error) {
	decoded, err := url.QueryUnescape(text)
	switch {
	case err != nil:
		return "", errors.New("has a % without two hexadecimal digits behind it")
	case !utf8.ValidString(decoded):
		return "", errors.New("is not UTF-8")
	}
	return decoded, nil
}

// Len is how long AppendJSON's text is, in bytes.
func (f Form) Len() int {
	n := len("{}") + max(0, len(f)-1)
	for _, field := range f {
		n += jsonvalue.QuotedLen(field.name) + len(":")
		if len(field.values) > 1 {
			n += len("[]") + len(field.values) - 1
		}
		for _, value := range field.values {
			n += jsonvalue.QuotedLen(value)
		}
	}
	return n
}

// AppendJSON appends the form as a compact JSON object.
func (f Form) AppendJSON(dst []byte) []byte {
	dst = append(dst, '{')
	for i, field := range f {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(jsonvalue.AppendQuoted(dst, field.name), ':')
		if len(field.values) == 1 {
			dst = jsonvalue.AppendQuoted(dst, field.values[0])
			continue
		}
		for j, value := range field.values {
			dst = append(dst, "[,"[min(j, 1)])
			dst = jsonvalue.AppendQuoted(dst, value)
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}
