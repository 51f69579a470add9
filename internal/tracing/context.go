package tracing

import (
	"slices"
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
	// Values returns all values of a header, in order.
	Values(name string) []string
}

// Extract reads the context of a request. A malformed header counts as none.
func Extract(from Carrier) (c Context) {
	if parents := from.Values(HeaderTraceparent); len(parents) > 0 {
		c.setSpan(spanOf(parents, from))
	}
	if text := joined(from.Values(HeaderBaggage)); text != "" && validBaggage(text) {
		c.Baggage = text
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

// spanOf reads traceparent and tracestate. Of two parents neither is known to be the right one: the trace restarts, as
// with a malformed one (the W3C's own test, test_traceparent_duplicated, asks for that). The same one twice, as a proxy that
// adds what is there already makes it, is one.
func spanOf(parents []string, from Carrier) trace.SpanContext {
	if slices.ContainsFunc(parents, func(p string) bool { return p != parents[0] }) {
		return trace.SpanContext{}
	}
	fields := propagation.MapCarrier{HeaderTraceparent: parents[0]}
	if state := joined(from.Values(HeaderTracestate)); state != "" && len(state) <= maxTracestate {
		fields[HeaderTracestate] = state
	}
	return trace.SpanContextFromContext(propagation.TraceContext{}.Extract(none, fields))
}

// joined returns the values of a header that may be sent in parts, of which an empty one is allowed and says nothing.
func joined(values []string) string {
	return strings.Join(slices.DeleteFunc(slices.Clone(values), func(v string) bool { return v == "" }), ",")
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
