package cloudevents

import "strings"

// Mode is one of HTTP's content modes (http 1.3).
type Mode uint8

// The modes.
const (
	// None is a request that is no event.
	None Mode = iota
	// Binary has the attributes in headers and the data in the body.
	Binary
	// Structured has a JSON event in the body.
	Structured
	// Batched has a JSON array of events in the body.
	Batched
	// Unsupported is an event in a format other than JSON; it is best answered 415. To
	// pass it on as binary, as http 3 permits, would make a record that a consumer takes
	// for a structured one which nobody has checked.
	Unsupported
)

const (
	mediaType           = "application/cloudevents"
	structuredMediaType = "application/cloudevents+json"
	batchedMediaType    = "application/cloudevents-batch+json"
	versionHeader       = headerPrefix + specVersion
)

// ModeOf tells in which mode a request came (http 3). contentType is the value of its
// Content-Type, whose parameters make no difference; hasHeader is asked for a name in
// lower case.
func ModeOf(contentType string, hasHeader func(name string) bool) Mode {
	media, _, _ := strings.Cut(contentType, ";")
	media = strings.ToLower(strings.Trim(media, " \t"))
	switch rest, ours := strings.CutPrefix(media, mediaType); {
	case media == structuredMediaType:
		return Structured
	case media == batchedMediaType:
		return Batched
	case ours && (rest == "" || rest[0] == '+' || rest[0] == '-'):
		return Unsupported
	case hasHeader(versionHeader):
		return Binary
	}
	return None
}
