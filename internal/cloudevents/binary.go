package cloudevents

import "strings"

const headerPrefix = "ce-"

// DecodeBinary makes an event of a request in binary mode (http 3.1). contentType is
// the value of its Content-Type, "" when there is none; headers calls its argument for
// each header, with the name in lower case. The event's data is body itself, and an
// empty body is no data. Errors are [*Error].
func DecodeBinary(contentType string, headers func(yield func(name, value string)), body []byte) (Event, error) {
	var e Event
	var seen names
	var failed *Error
	headers(func(header, value string) {
		if name, ok := strings.CutPrefix(header, headerPrefix); ok && failed == nil {
			failed = e.setHeader(&seen, name, value)
		}
	})
	if failed == nil && contentType != "" {
		failed = e.set(dataContentType, contentType, "header content-type")
	}
	if failed == nil {
		failed = e.complete(headerPlace)
	}
	if failed != nil {
		return Event{}, failed
	}
	e.HasData = len(body) > 0
	if e.HasData {
		e.Data = body
	}
	return e, nil
}

func headerPlace(name string) string { return "header " + headerPrefix + name }

func (e *Event) setHeader(seen *names, name, value string) *Error {
	if !validName(name) {
		return wrong("header "+headerPrefix+"…", "the name of an attribute has letters and digits only")
	}
	where := headerPlace(name)
	switch name {
	case dataMember:
		return wrong(where, "no attribute can have this name")
	case dataContentType:
		return wrong(where, "it must not be given; content-type is its header")
	}
	if failed := seen.add(name, where); failed != nil {
		return failed
	}
	decoded, what := decodeHeader(value)
	if what != "" {
		return wrong(where, "%s", what)
	}
	return e.set(name, decoded, where)
}

// decodeHeader undoes the encoding of a header's value: quotes around it, which older
// senders make, then one round of percent-encoding (http 3.1.3.2). what says why that
// is not possible. Whether the bytes are UTF-8 is checked with the attribute.
func decodeHeader(value string) (decoded, what string) {
	value = strings.Trim(value, " \t")
	for i := range len(value) {
		if c := value[i]; c != '\t' && (c < ' ' || c > '~') {
			return "", "characters beyond ASCII's printable ones must be percent-encoded"
		}
	}
	if strings.HasPrefix(value, `"`) {
		if value, what = unquoteHeader(value); what != "" {
			return "", what
		}
	}
	if !strings.Contains(value, "%") {
		return value, ""
	}
	var b strings.Builder
	b.Grow(len(value))
	for i := 0; i < len(value); i++ {
		if value[i] != '%' {
			b.WriteByte(value[i])
			continue
		}
		if !escapedByte(value, i) {
			return "", "a percent sign must be followed by two hexadecimal digits, or be %25"
		}
		high, _ := hexValue(value[i+1])
		low, _ := hexValue(value[i+2])
		b.WriteByte(high<<4 | low)
		i += 2
	}
	return b.String(), ""
}

// unquoteHeader undoes a quoted string (RFC 9110, section 5.6.4).
func unquoteHeader(value string) (unquoted, what string) {
	const refusal = "the quoted string does not end where the value ends"
	var b strings.Builder
	for i := 1; i < len(value); i++ {
		switch value[i] {
		case '"':
			if i != len(value)-1 {
				return "", refusal
			}
			return b.String(), ""
		case '\\':
			if i++; i == len(value) {
				return "", refusal
			}
		}
		b.WriteByte(value[i])
	}
	return "", refusal
}
