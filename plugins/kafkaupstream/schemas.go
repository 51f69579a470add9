package kafkaupstream

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/internal/schema"
)

// schemaConfig is a route's schema as its configuration has it.
type schemaConfig struct {
	inline           *schema.Schema
	url              string
	subject, version string
	opts             schema.Options
	wireFormat       bool
}

// routeSchema is where a route's records have their schema from.
type routeSchema struct {
	source     *schema.Source
	wireFormat bool // the value begins with the schema's id
}

// schemaKeys is the table of the keys below schema.
var schemaKeys = map[string]func(c *configReader, s *schemaConfig, path string, v any){
	"inline": func(c *configReader, s *schemaConfig, path string, v any) {
		compiled, err := schema.Compile(schemaText(v))
		if err != nil {
			c.problem(path, "%s", err)
		}
		s.inline = compiled
	},
	"registry": func(c *configReader, s *schemaConfig, path string, v any) { s.url, _ = c.text(path, v) },
	"subject":  func(c *configReader, s *schemaConfig, path string, v any) { s.subject, _ = c.text(path, v) },
	"version": func(c *configReader, s *schemaConfig, path string, v any) {
		if number, ok := v.(json.Number); ok {
			s.version = number.String()
		} else {
			s.version, _ = c.text(path, v)
		}
	},
	"username":    func(c *configReader, s *schemaConfig, path string, v any) { s.opts.Username = c.secret(path, v) },
	"password":    func(c *configReader, s *schemaConfig, path string, v any) { s.opts.Password = c.secret(path, v) },
	"token":       func(c *configReader, s *schemaConfig, path string, v any) { s.opts.Token = c.secret(path, v) },
	"ca_file":     func(c *configReader, s *schemaConfig, path string, v any) { s.opts.CAFile, _ = c.text(path, v) },
	"wire_format": func(c *configReader, s *schemaConfig, path string, v any) { s.wireFormat = c.boolean(path, v) },
}

func (c *configReader) readSchema(path string, v any) {
	fields, ok := v.([]field)
	if !ok {
		c.problem(path, "expected an object, got %s", typeName(v))
		return
	}
	s := &schemaConfig{version: "latest"}
	for _, f := range fields {
		if read, ok := schemaKeys[f.name]; ok {
			read(c, s, path+"."+f.name, f.value)
		} else {
			c.problem(path+"."+f.name, "unknown key%s", didYouMean(f.name, schemaKeys))
		}
	}
	isInline := false
	for _, f := range fields {
		isInline = isInline || f.name == "inline"
	}
	switch {
	case isInline == (s.url != ""):
		c.problem(path, "it has either inline, a JSON Schema, or registry, the URL of a schema registry")
	case isInline && s.wireFormat:
		c.problem(path+".wire_format", "an inline schema has no id")
	case !isInline && s.subject == "":
		c.problem(path+".subject", "it is required with registry")
	}
	c.route.schemaConfig = s
}

// secret reads a text that may be a reference to a secret.
func (c *configReader) secret(path string, v any) string {
	s, _ := c.text(path, v)
	if err := c.reference(path, "password", s); err != nil {
		c.problem(path, "%s", err)
	}
	return s
}

// schemaText writes an inline schema as JSON again.
func schemaText(v any) []byte {
	var b bytes.Buffer
	writeJSON(&b, v)
	return b.Bytes()
}

func writeJSON(b *bytes.Buffer, v any) {
	switch v := v.(type) {
	case []field:
		b.WriteByte('{')
		for i, f := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			b.Write(appendJSONString(nil, f.name))
			b.WriteByte(':')
			writeJSON(b, f.value)
		}
		b.WriteByte('}')
	case []any:
		b.WriteByte('[')
		for i, e := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			writeJSON(b, e)
		}
		b.WriteByte(']')
	default:
		text, _ := json.Marshal(v) // of a string, number, boolean or null: cannot fail
		b.Write(text)
	}
}

// prepareSchema makes the route's source of its configuration.
func (h *Handler) prepareSchema(route *Route) error {
	s := route.schemaConfig
	if s == nil {
		return nil
	}
	if s.inline != nil {
		route.schema = &routeSchema{schema.Inline(s.inline), false}
		return nil
	}
	if h.opts.Schemas == nil {
		return Problem{"schema.registry", "this program asks no registry"}
	}
	opts := s.opts
	opts.Resolve = h.opts.Resolve
	registry, err := schema.NewRegistry(s.url, opts)
	if err != nil {
		return Problem{"schema.registry", err.Error()}
	}
	source, err := h.opts.Schemas.Source(registry, s.subject, s.version)
	if err != nil {
		return Problem{"schema", err.Error()}
	}
	route.schema = &routeSchema{source, s.wireFormat}
	return nil
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
