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
	text, what := headerText(value)
	if what != "" {
		return wrong(where, "%s", what)
	}
	return e.setDecoded(name, text, where)
}

// headerText returns a header's value without the quotes that older senders put around it; what says what is wrong
// with it. Whether the text can be the attribute's is checked with that.
func headerText(value string) (text, what string) {
	value = strings.Trim(value, " \t")
	for i := range len(value) {
		if c := value[i]; c != '\t' && (c < ' ' || c > '~') {
			return "", "characters beyond ASCII's printable ones must be percent-encoded"
		}
	}
	if strings.HasPrefix(value, `"`) {
		return unquoteHeader(value)
	}
	return value, ""
}

// setDecoded undoes one round of percent-encoding (http 3.1.3.2) and sets the attribute. The SDKs for Java (4), JavaScript (10) and
// Python (1) send values as they are: a value that decoding would make invalid, or another URI, is taken for one of these.
func (e *Event) setDecoded(name, text, where string) *Error {
	decoded, reserved, ok := percentDecode(text)
	if !ok || reserved && (name == source || name == dataSchema) {
		return e.set(name, text, where)
	}
	failed := e.set(name, decoded, where)
	if failed != nil && decoded != text && e.set(name, text, where) == nil {
		return nil
	}
	return failed
}

// percentDecode undoes one round of percent-encoding. reserved reports whether it was one of a character that is reserved in
// URIs, where the two are not the same (RFC 3986, 2.2); ok is false if there is a percent sign of another meaning.
func percentDecode(s string) (decoded string, reserved, ok bool) {
	if !strings.Contains(s, "%") {
		return s, false, true
	}
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		if !escapedByte(s, i) {
			return "", false, false
		}
		high, _ := hexValue(s[i+1])
		low, _ := hexValue(s[i+2])
		c := high<<4 | low
		reserved = reserved || strings.IndexByte(":/?#[]@"+subDelimiters, c) >= 0
		b.WriteByte(c)
		i += 2
	}
	return b.String(), reserved, true
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
