package utils

import (
	"mime"
	"strings"
)

// IsJSONMediaType reports whether contentType, the value of a Content-Type header, names JSON: it is application/json,
// or its subtype ends in +json with a name before that (RFC 6839, section 3.1). So application/ld+json and
// image/svg+json are, application/+json, +json, text/json and application/x-ndjson are not.
//
// Letter case, blanks around the media type, and parameters, well-formed or not, make no difference. What is not
// a type and a subtype of token characters (RFC 9110, section 5.6.2), a list of media types for one, is not JSON.
func IsJSONMediaType(contentType string) bool {
	const suffix = "+json"

	mediaType, _, _ := strings.Cut(contentType, ";")
	kind, subtype, _ := strings.Cut(strings.Trim(mediaType, " \t"), "/")
	if !IsToken(kind) || !IsToken(subtype) {
		return false
	}
	if name := len(subtype) - len(suffix); name > 0 && strings.EqualFold(subtype[name:], suffix) {
		return true
	}
	return strings.EqualFold(kind, "application") && strings.EqualFold(subtype, "json")
}

// IsToken reports whether a text is a token (RFC 9110, 5.6.2), as names of header fields and of media types are. It keeps letters
// beyond ASCII out, some of which EqualFold takes for others, such as ſ for s.
func IsToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !isDigit(c) && (c|0x20 < 'a' || 'z' < c|0x20) && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

// IsUTF8 reports whether contentType, the value of a Content-Type header, names no other charset than UTF-8. Parameters that
// are not well-formed name none.
func IsUTF8(contentType string) bool {
	_, parameters, _ := strings.Cut(contentType, ";")
	if parameters = strings.Trim(parameters, " \t"); parameters == "" || strings.EqualFold(parameters, "charset=utf-8") {
		return true // as nearly all are
	}
	_, named, err := mime.ParseMediaType(contentType)
	charset, given := named["charset"]
	return err != nil || !given || strings.EqualFold(charset, "utf-8") || strings.EqualFold(charset, "utf8")
}
