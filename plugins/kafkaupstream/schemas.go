package kafkaupstream

import (
	"context"
	"fmt"
	"strconv"

	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/internal/routeconf"
	"github.com/kafkaupstream/kafkaupstream/internal/schema"
)

// routeSchema is where a route's records have their schema from.
type routeSchema struct {
	source     *schema.Source
	wireFormat bool // the value begins with the schema's id
}

// schemaOf returns where the records' schema is from; nil: they need none.
func (h *Handler) schemaOf(s *routeconf.Schema) (*routeSchema, error) {
	switch {
	case s == nil:
		return nil, nil
	case s.Inline != nil:
		return &routeSchema{schema.Inline(s.Inline), false}, nil
	case h.opts.Schemas == nil:
		return nil, routeconf.Problem{Path: "schema.registry", Message: "schema registries are not available in this program"}
	}
	opts := s.Options
	opts.Resolve = h.opts.Resolve
	registry, err := schema.NewRegistry(s.URL, opts)
	if err != nil {
		return nil, routeconf.Problem{Path: "schema.registry", Message: err.Error()}
	}
	source, err := h.opts.Schemas.Source(registry, s.Subject, s.Version)
	if err != nil {
		return nil, routeconf.Problem{Path: "schema", Message: err.Error()}
	}
	return &routeSchema{source, s.WireFormat}, nil
}

// validate holds the record's value against the schema, and gives it the wire format
// where that is wanted.
func (s *routeSchema) validate(ctx context.Context, rec *record.Record) *Reply {
	current, id, err := s.source.Current(ctx)
	if err != nil {
		var r *Reply
		if e, ok := err.(*schema.Error); ok && e.Kind == schema.KindConfiguration {
			r = refuse(500, "the route's schema cannot be used")
		} else {
			r = unavailable("the schema registry cannot be asked")
		}
		r.cause = err.Error()
		return r
	}
	found, more := current.Validate(rec.Value)
	if len(found) > 0 {
		return mismatch("the value does not match the schema", found, more)
	}
	if s.wireFormat {
		rec.Value = append(schema.AppendWirePrefix(make([]byte, 0, 5+len(rec.Value)), id), rec.Value...)
	}
	return nil
}

// mismatch is the reply to a value with these problems, and so many more.
func mismatch(message string, found []schema.Problem, more int) *Reply {
	r := refuse(422, message+": "+found[0].String())
	if n := len(found) - 1 + more; n > 0 {
		r.Message += fmt.Sprintf(" (and %d more)", n)
	}
	r.Detail = append(r.Detail, `,"problems":[`...)
	for i, p := range found {
		if i > 0 {
			r.Detail = append(r.Detail, ',')
		}
		r.Detail = appendJSONString(append(r.Detail, `{"pointer":`...), p.Pointer)
		r.Detail = append(appendJSONString(append(r.Detail, `,"message":`...), p.Message), '}')
	}
	r.Detail = strconv.AppendInt(append(r.Detail, `],"more_problems":`...), int64(more), 10)
	return r
}
