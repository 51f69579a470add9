package kafkaupstream

import (
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/kafkaupstream/kafkaupstream/internal/jsonvalue"
	"github.com/kafkaupstream/kafkaupstream/internal/routeconf"
	"github.com/kafkaupstream/kafkaupstream/internal/schema"
)

// routeSchema is where keys or values have their schema from.
type routeSchema struct {
	source     *schema.Source
	wireFormat bool // what is produced begins with the schema's id
}

// schemaOf returns where the records' schema is from; nil: they need none.
func (h *Handler) schemaOf(s *routeconf.Schema) *routeSchema {
	switch {
	case s == nil:
		return nil
	case s.Inline != nil:
		return &routeSchema{schema.Inline(s.Inline), false}
	}
	return &routeSchema{h.opts.Schemas.Source(s.Registry.Resolving(h.opts.Resolve), s.Name), s.WireFormat}
}

// prepareSchemas makes the route's schemas ready.
func (h *Handler) prepareSchemas(s *Served) {
	s.schemas, s.schema, s.keySchema = h.opts.Schemas, h.schemaOf(s.Schema), h.schemaOf(s.KeySchema)
	if s.Registry != nil {
		s.registry = s.Registry.Registry.Resolving(h.opts.Resolve)
	}
}

// usedSchema is the schema that a key or a value was held against.
type usedSchema struct {
	id     int           // -1: it has none
	format schema.Format // "": there was none
}

// encode holds a key or a value, a JSON text, against the schema, and returns what is produced for it.
func (s *routeSchema) encode(w *work, what string, text []byte) (encoded []byte, used usedSchema, refused *Reply) {
	current, id, err := s.source.Current(w.ctx)
	if err != nil {
		return nil, used, noSchema(err)
	}
	prefix := -1
	if s.wireFormat {
		prefix = id
	}
	encoded, found, more, err := current.Encode(w.ctx, text, prefix, w.conn.MessageMaxBytes)
	switch {
	case err != nil:
		return nil, used, busy(err)
	case len(found) > 0:
		return nil, used, mismatch("the "+what+" does not match the schema", found, more)
	}
	if len(encoded) > 0 && &encoded[0] != &text[0] && w.holdMore(len(encoded)) != nil {
		return nil, used, noRoom()
	}
	return encoded, usedSchema{id, current.Format}, nil
}

// busy is the reply where there was no room to validate the value in time.
func busy(err error) *Reply {
	r := unavailable("too many values are being validated")
	r.cause = err.Error()
	return r
}

// noSchema is the reply where a schema cannot be had.
func noSchema(err error) *Reply {
	var r *Reply
	if e, ok := errors.AsType[*schema.Error](err); ok && e.Kind == schema.KindConfiguration {
		r = refuse(500, "the route's schema cannot be used")
	} else {
		r = unavailable("the schema registry cannot be asked")
	}
	r.cause = err.Error()
	return r
}

// encodeKey gives the record's key the form that its schema makes of it. A key that is not of a body is a text.
func (s *routeSchema) encodeKey(w *work, d *draft) *Reply {
	text := d.keyJSON
	switch {
	case d.keyBinary:
		return refuse(422, "the key is BINARY, and the route has a schema for keys")
	case text == nil && !utf8.Valid(d.Key):
		return refuse(400, "the key is not UTF-8")
	case text == nil:
		text = jsonvalue.AppendQuoted(nil, string(d.Key))
	}
	encoded, used, refused := s.encode(w, "key", text)
	if refused == nil {
		d.Key, d.keyUsed = encoded, used
	}
	return refused
}

// encodeValue gives the record's value the form that its schema makes of it.
func (s *routeSchema) encodeValue(w *work, d *draft, isJSON bool) *Reply {
	if !isJSON {
		return refuse(415, "the route takes JSON only, since it has a schema")
	}
	encoded, used, refused := s.encode(w, "value", d.Value)
	if refused == nil {
		d.Value, d.valueUsed = encoded, used
	}
	return refused
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
		r.Detail = jsonvalue.AppendQuoted(append(r.Detail, `{"pointer":`...), p.Pointer)
		r.Detail = append(jsonvalue.AppendQuoted(append(r.Detail, `,"message":`...), p.Message), '}')
	}
	r.Detail = strconv.AppendInt(append(r.Detail, `],"more_problems":`...), int64(more), 10)
	return r
}
