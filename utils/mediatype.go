package utils

import "strings"

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
	if !isToken(kind) || !isToken(subtype) {
		return false
	}
	if name := len(subtype) - len(suffix); name > 0 && strings.EqualFold(subtype[name:], suffix) {
		return true
	}
	return strings.EqualFold(kind, "application") && strings.EqualFold(subtype, "json")
}

// isToken also keeps out of EqualFold the letters beyond ASCII that fold into it, such as ſ into s.
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !isDigit(c) && (c|0x20 < 'a' || 'z' < c|0x20) && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}
