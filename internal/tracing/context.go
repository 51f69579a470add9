package tracing

import (
	"strings"

	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Names of the headers, of a request and of a record.
const (
	HeaderTraceparent = "traceparent"
	HeaderTracestate  = "tracestate"
	HeaderBaggage     = "baggage"
)

// maxTracestate is what the specification asks everybody to pass on, in bytes. A longer
// one is left out. Baggage has OpenTelemetry's limits: 64 members and 8192 bytes.
const maxTracestate = 512

// Context is a request's place in a trace and its baggage, as their headers have it.
// What a request has not, or has malformed, is "".
type Context struct {
	Traceparent string // 55 bytes
	Tracestate  string // none without Traceparent
	Baggage     string

	span trace.SpanContext
}

// Carrier is a request's headers. Names are in lower case.
type Carrier interface {
	// Header returns the first value of a header, "" when there is none.
	Header(name string) string
	// Headers calls f for each header and each of its values.
	Headers(f func(name, value string))
}

// Extract reads the context of a request. A malformed header is as good as none.
func Extract(from Carrier) (c Context) {
	if from.Header(HeaderTraceparent) != "" {
		c.setSpan(spanOf(from))
	}
	if from.Header(HeaderBaggage) != "" {
		if text := joined(from, HeaderBaggage); validBaggage(text) {
			c.Baggage = text
		}
	}
	return c
}

func validBaggage(text string) bool {
	for i := range len(text) {
		if c := text[i]; (c < ' ' && c != '\t') || c > '~' { // the parser trims what it takes for space
			return false
		}
	}
	b, err := baggage.Parse(text)
	return err == nil && b.Len() > 0
}

// spanOf reads traceparent and tracestate.
func spanOf(from Carrier) trace.SpanContext {
	fields := propagation.MapCarrier{HeaderTraceparent: from.Header(HeaderTraceparent)}
	if from.Header(HeaderTracestate) != "" {
		if state := joined(from, HeaderTracestate); len(state) <= maxTracestate {
			fields[HeaderTracestate] = state
		}
	}
	return trace.SpanContextFromContext(propagation.TraceContext{}.Extract(none, fields))
}

// joined returns the values of a header that may be sent in parts.
func joined(from Carrier, name string) string {
	var values []string
	from.Headers(func(n, value string) {
		if n == name {
			values = append(values, value)
		}
	})
	return strings.Join(values, ",")
}

// setSpan puts a span's place in, which may be invalid.
func (c *Context) setSpan(span trace.SpanContext) {
	c.span = span
	if !span.IsValid() {
		return
	}
	c.Traceparent = "00-" + span.TraceID().String() + "-" + span.SpanID().String() + "-" + span.TraceFlags().String()
	c.Tracestate = span.TraceState().String()
}
