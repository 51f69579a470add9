package cloudevents

const (
	specVersion     = "specversion"
	id              = "id"
	source          = "source"
	eventType       = "type"
	subject         = "subject"
	eventTime       = "time"
	dataContentType = "datacontenttype"
	dataSchema      = "dataschema"
	partitionKey    = "partitionkey"
	dataMember      = "data"
	base64Member    = "data_base64"

	version = "1.0"

	// maxAttributes bounds what a body of short members can make of memory. It is also
	// the most headers that a record of this project has.
	maxAttributes = 100
)

// Attribute is a context attribute (spec, Context Attributes). The value is the
// canonical string of its type.
type Attribute struct {
	Name, Value string
}

// Event is a valid event. Callers read it and do not change it.
type Event struct {
	// Attributes are all that are set but datacontenttype, in the order in which they
	// came.
	Attributes []Attribute
	// DataContentType is datacontenttype; "" when it is not set. A JSON event with data
	// and without it means application/json, and has that here (json 3.1.2).
	DataContentType string
	// Data is the data's bytes, part of the body where that is possible. JSON of a
	// structured event is compact; everything else is as it came.
	Data []byte
	// HasData is false for an event without data. A binary one with an empty body has none.
	HasData bool

	structured []byte // the event as it came in JSON, compact; nil for a binary one
}

func (e *Event) Attribute(name string) (value string, set bool) {
	if name == dataContentType {
		return e.DataContentType, e.DataContentType != ""
	}
	for i := range e.Attributes {
		if e.Attributes[i].Name == name {
			return e.Attributes[i].Value, true
		}
	}
	return "", false
}

// set checks and keeps an attribute; where names its place in an error.
func (e *Event) set(name, value, where string) *Error {
	if what := invalidValue(name, value); what != "" {
		return wrong(where, "%s", what)
	}
	if name == dataContentType {
		e.DataContentType = value
	} else {
		e.Attributes = append(e.Attributes, Attribute{name, value})
	}
	return nil
}

// complete reports whether the event has what every event has; place makes the place in
// an error of a name.
func (e *Event) complete(place func(name string) string) *Error {
	for _, name := range [...]string{specVersion, id, source, eventType} {
		if _, set := e.Attribute(name); !set {
			return wrong(place(name), "required")
		}
	}
	return nil
}

// names are those that were given, set or null; none may come twice.
type names []string

func (n *names) add(name, where string) *Error {
	if len(*n) == maxAttributes {
		return wrong(where, "more than %d attributes", maxAttributes)
	}
	for _, known := range *n {
		if known == name {
			return wrong(where, "given twice")
		}
	}
	*n = append(*n, name)
	return nil
}
