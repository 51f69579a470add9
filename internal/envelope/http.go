package envelope

import (
	"encoding/base64"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/kafkaupstream/kafkaupstream/internal/jsonvalue"
)

// Request is what the envelope http says of a request beside its body.
type Request struct {
	Method string
	Path   string // without its percent-encoding
	// Query and Headers are names and their values, each several times where it has several of them.
	Query, Headers []NameValue
}

type NameValue struct{ Name, Value string }

// AppendHead appends the beginning of the envelope, which all records of a request have in common. Kong's kafka-upstream has the
// same members under the same names: method, headers, uri (path and query), uri_args, body, and body_base64 where the body is
// base64. What is not UTF-8 in a name or value has U+FFFD in its place, as JSON has no bytes.
func (r *Request) AppendHead(dst []byte) []byte {
	dst = jsonvalue.AppendQuoted(append(dst, `{"method":`...), r.Method)
	dst = jsonvalue.AppendQuoted(append(dst, `,"uri":`...), r.uri())
	dst = appendNames(append(dst, `,"uri_args":`...), r.Query)
	return appendNames(append(dst, `,"headers":`...), r.Headers)
}

// uri is the path with the query, both encoded anew: gateways hand them over decoded, and arguments without their order.
func (r *Request) uri() string {
	u := url.URL{Path: r.Path}
	query := url.Values{}
	for _, arg := range r.Query {
		query.Add(arg.Name, arg.Value)
	}
	if u.RawQuery = query.Encode(); u.RawQuery == "" {
		return u.EscapedPath()
	}
	return u.EscapedPath() + "?" + u.RawQuery
}

// appendNames appends an object: a value for each name, or a list of those of a name that has several.
func appendNames(dst []byte, all []NameValue) []byte {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b NameValue) int { return strings.Compare(a.Name, b.Name) })
	dst = append(dst, '{')
	for i := 0; i < len(all); {
		if i > 0 {
			dst = append(dst, ',')
		}
		n := 1
		for i+n < len(all) && all[i+n].Name == all[i].Name {
			n++
		}
		dst = append(jsonvalue.AppendQuoted(dst, all[i].Name), ':')
		if n == 1 {
			dst = jsonvalue.AppendQuoted(dst, all[i].Value)
		} else {
			for j := range n {
				dst = jsonvalue.AppendQuoted(append(dst, "[,"[min(j, 1)]), all[i+j].Value)
			}
			dst = append(dst, ']')
		}
		i += n
	}
	return append(dst, '}')
}

// WrapRequest puts a value, any but nil, behind the head of its request. Wrapped has at most limit bytes, or the error is a [*Refused] or
// ErrTooLarge.
func WrapRequest(head, value []byte, limit int) ([]byte, error) {
	const before, end, endBase64 = `,"body":`, `}`, `,"body_base64":true}`
	if value == nil {
		return nil, refusedNull()
	}
	text := utf8.Valid(value)
	size := len(head) + len(before)
	if text {
		size += jsonvalue.QuotedLen(value) + len(end)
	} else {
		size += base64.StdEncoding.EncodedLen(len(value)) + len(`""`) + len(endBase64)
	}
	if size > limit {
		return nil, ErrTooLarge
	}
	out := append(append(make([]byte, 0, size), head...), before...)
	if text {
		return append(jsonvalue.AppendQuoted(out, value), end...), nil
	}
	out = append(base64.StdEncoding.AppendEncode(append(out, '"'), value), '"')
	return append(out, endBase64...), nil
}
