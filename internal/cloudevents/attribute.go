package cloudevents

import (
	"mime"
	"strings"
	"unicode/utf8"
)

// validName reports whether an attribute may have a name (spec, Naming Conventions). The
// length that is recommended there, 20, is not demanded.
func validName(name string) bool {
	for i := range len(name) {
		if c := name[i]; !isDigit(c) && (c < 'a' || c > 'z') {
			return false
		}
	}
	return name != ""
}

// invalidValue says what is wrong with an attribute's value, "" when nothing is.
func invalidValue(name, value string) string {
	if what := invalidString(value); what != "" {
		return what
	}
	switch name {
	case specVersion:
		if value != version {
			return "expected " + version + ", the only version that is known"
		}
	case id, eventType, subject, partitionKey:
		if value == "" {
			return "it cannot be empty"
		}
	case source:
		if value == "" {
			return "it cannot be empty"
		}
		return invalidURIReference(value)
	case dataSchema:
		if _, _, absolute := cutScheme(value); !absolute {
			return "expected a URI, which begins with a scheme"
		}
		return invalidURIReference(value)
	case eventTime:
		return invalidTimestamp(value)
	case dataContentType:
		if !validMediaType(value) {
			return "expected a media type"
		}
	}
	return ""
}

// invalidString says why a string cannot be an attribute's (spec, Type System).
func invalidString(s string) string {
	for i := 0; i < len(s); {
		if c := s[i]; ' ' <= c && c <= '~' {
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			return "it is not UTF-8"
		case r < ' ', 0x7f <= r && r <= 0x9f:
			return "it has a control character"
		case 0xfdd0 <= r && r <= 0xfdef, r&0xfffe == 0xfffe:
			return "it has a code point that is no character"
		}
		i += size
	}
	return ""
}

// validMediaType is for datacontenttype (RFC 2046).
func validMediaType(s string) bool {
	media, _, err := mime.ParseMediaType(s)
	return err == nil && strings.Contains(media, "/")
}

// declaresJSON reports whether a valid media type means JSON as json 3.1.1 has it: its
// subtype is json or ends in +json, whatever the type. "" means JSON too.
func declaresJSON(contentType string) bool {
	if contentType == "" {
		return true
	}
	media, _, _ := strings.Cut(contentType, ";")
	_, subtype, _ := strings.Cut(strings.ToLower(strings.Trim(media, " \t")), "/")
	return subtype == "json" || strings.HasSuffix(subtype, "+json")
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// hexValue returns the value of a hexadecimal digit, and whether it is one.
func hexValue(c byte) (byte, bool) {
	switch {
	case isDigit(c):
		return c - '0', true
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10, true
	}
	return 0, false
}
