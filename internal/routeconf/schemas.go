package routeconf

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"strings"

	"github.com/kafkaupstream/kafkaupstream/internal/schema"
)

// Schema is a schema of a route's records as the configuration has it.
type Schema struct {
	Path       string           // of its key
	Inline     *schema.Schema   // nil: there is a registry
	Registry   *schema.Registry // whose secrets are to be resolved; nil: the schema is inline
	Name       schema.Name      // in the registry
	WireFormat bool             // what is produced begins with the schema's id

	url        string
	options    schema.Options
	text       any   // inline, as the configuration has it
	isInline   bool  // there is such a text
	wireFormat *bool // as the configuration has it; nil: it says nothing
}

// Binary reports whether what is produced is no JSON.
func (s *Schema) Binary() bool { return s.Name.Format != schema.JSONSchema }

// OfRegistries are the route's schemas that a registry has.
func (r *Route) OfRegistries() (all []*Schema) {
	for _, s := range []*Schema{r.Schema, r.Registry, r.KeySchema} {
		if s != nil && s.Registry != nil {
			all = append(all, s)
		}
	}
	return all
}

// schemaKeys is the table of the keys below schema and key_schema.
var schemaKeys = table{
	{Key{
		Name: "format", Value: "`json`, `avro` or `protobuf`", Default: `"json"`,
		Does:    "what kind of schema it is",
		Example: `"schema": {"format": "avro", "inline": {"type": "record", "name": "Order", "fields": [{"name": "id", "type": "long"}]}}`,
	}, func(c *configReader, path string, v any) {
		c.oneOf(path, v, map[string]func(){
			"json":     func() { c.schema.Name.Format = schema.JSONSchema },
			"avro":     func() { c.schema.Name.Format = schema.Avro },
			"protobuf": func() { c.schema.Name.Format = schema.Protobuf },
		})
	}},
	{Key{
		Name: "inline", Value: "JSON, or a text of Protobuf",
		Does:    "the schema itself, instead of `registry`",
		Example: `"schema": {"inline": {"type": "object", "required": ["id"]}}`,
	}, func(c *configReader, path string, v any) { c.schema.text, c.schema.isInline = v, true }},
	{Key{
		Name: "registry", Value: "a URL",
		Does:    "a registry with Confluent's API",
		Example: `"schema": {"registry": "https://registry:8081", "subject": "orders-value"}`,
	}, func(c *configReader, path string, v any) { c.schema.url, _ = c.text(path, v) }},
	{Key{
		Name: "subject", Value: "a text",
		Does:    "the schema's name there. Required with `registry`, unless `dialects` lets clients of the REST Proxy name schemas themselves",
		Example: `"schema": {"registry": "https://registry:8081", "subject": "orders-value"}`,
	}, func(c *configReader, path string, v any) { c.schema.Name.Subject, _ = c.text(path, v) }},
	{Key{
		Name: "version", Value: "a number or `latest`", Default: `"latest"`,
		Does:    "which of the subject's versions",
		Example: `"schema": {"registry": "https://registry:8081", "subject": "orders-value", "version": 3}`,
	}, func(c *configReader, path string, v any) {
		if number, ok := v.(json.Number); ok {
			c.schema.Name.Version = number.String()
		} else if text, ok := c.text(path, v); ok {
			c.schema.Name.Version = text
		}
	}},
	{Key{
		Name: "message", Value: "a text", Default: "the first message",
		Does:    "Protobuf: the message that records are",
		Example: `"schema": {"format": "protobuf", "message": "Order", "inline": "syntax = \"proto3\"; message Order { int64 id = 1; }"}`,
	}, func(c *configReader, path string, v any) { c.schema.Name.Message, _ = c.text(path, v) }},
	{Key{
		Name: "wire_format", Value: "true or false", Default: "true with a registry, for Avro and Protobuf",
		Does:    "a record begins with the schema's id, as Confluent's deserializers expect it. Not with `inline`, which has no id",
		Example: `"schema": {"registry": "https://registry:8081", "subject": "orders-value", "format": "avro", "wire_format": false}`,
	}, func(c *configReader, path string, v any) {
		wanted := c.boolean(path, v)
		c.schema.wireFormat = &wanted
	}},
	{Key{
		Name: "assert_format", Value: "true or false", Default: "as the schema's draft has it",
		Does:    "JSON Schema: whether `format` is checked",
		Example: `"schema": {"inline": {"type": "string", "format": "date-time"}, "assert_format": true}`,
	}, func(c *configReader, path string, v any) {
		if c.schema.Name.Formats = schema.FormatsIgnored; c.boolean(path, v) {
			c.schema.Name.Formats = schema.FormatsAsserted
		}
	}},
	{Key{
		Name: "username", Value: "a text or a reference",
		Does:    "for the registry",
		Example: `"schema": {"registry": "https://registry:8081", "subject": "orders-value", "username": "gateway", "password": "$file://registry"}`,
	}, func(c *configReader, path string, v any) { c.schema.options.Username = c.secret(path, v) }},
	{Key{
		Name: "password", Value: "a text or a reference",
		Does:    "for the registry",
		Example: `"schema": {"registry": "https://registry:8081", "subject": "orders-value", "username": "gateway", "password": "$file://registry"}`,
	}, func(c *configReader, path string, v any) { c.schema.options.Password = c.secret(path, v) }},
	{Key{
		Name: "token", Value: "a text or a reference",
		Does:    "a bearer token for the registry",
		Example: `"schema": {"registry": "https://registry:8081", "subject": "orders-value", "token": "$file://registry-token"}`,
	}, func(c *configReader, path string, v any) { c.schema.options.Token = c.secret(path, v) }},
	{Key{
		Name: "ca_file", Value: "a path", Default: "the system's certificates",
		Does:    "the certificates that the registry's own must come from",
		Example: `"schema": {"registry": "https://registry:8081", "subject": "orders-value", "ca_file": "/etc/ssl/registry.pem"}`,
	}, func(c *configReader, path string, v any) { c.schema.options.CAFile, _ = c.text(path, v) }},
}

// readSchema reads what stands under schema or key_schema; nil: it is no object.
func (c *configReader) readSchema(path string, v any) *Schema {
	c.schema = &Schema{Path: path, Name: schema.Name{Version: "latest"}}
	if !c.readKeys(path, v, schemaKeys) {
		return nil
	}
	for _, f := range v.([]field) {
		c.ofSchemas = append(c.ofSchemas, path+"."+f.name)
	}
	return c.schema
}

// checkSchemas finishes the schemas, which depend on one another and on the route's dialects.
func (c *configReader) checkSchemas() {
	values, keys := c.route.Schema, c.route.KeySchema
	if keys != nil && values != nil && !keys.isInline && keys.url == "" { // the same registry
		keys.takeRegistry(values)
		if keys.Name.Format == "" {
			keys.Name.Format = values.Name.Format
		}
	}
	for _, s := range []*Schema{values, keys} {
		if s != nil {
			c.checkSchema(s)
		}
	}
	if values != nil && values.Name.Subject == "" && !values.isInline {
		if c.route.Schema, c.route.Registry = nil, values; c.route.Confluent {
			c.checkUnnamed()
		}
	}
	if c.route.CloudEvents && values != nil && values.Binary() {
		c.problem("cloudevents", "it cannot be combined with a schema of Avro or Protobuf: an event's content-type is that of its data as it came")
	}
}

// takeRegistry takes the registry of another schema: its URL with its CA file, unless there is one, and its credentials as a whole,
// unless there is any.
func (s *Schema) takeRegistry(of *Schema) {
	own := s.options
	s.url, s.options = of.url, of.options
	s.options.CAFile = cmp.Or(own.CAFile, of.options.CAFile)
	if own.Username+own.Password+own.Token != "" {
		s.options.Username, s.options.Password, s.options.Token = own.Username, own.Password, own.Token
	}
}

// checkUnnamed looks for what a registry has that is asked only for schemas that clients name: with them they say all of this.
func (c *configReader) checkUnnamed() {
	for _, path := range c.ofSchemas {
		switch path {
		case "schema.format", "schema.version", "schema.message", "schema.wire_format":
			c.problem(path, "it needs a subject: clients of the REST Proxy name schemas of any format, and their records begin with the schema's id")
		}
	}
}

func (c *configReader) checkSchema(s *Schema) {
	if s.Name.Format == "" {
		s.Name.Format = schema.JSONSchema
	}
	s.WireFormat = !s.isInline && s.Binary()
	if s.wireFormat != nil {
		s.WireFormat = *s.wireFormat
	}
	// Clients of the REST Proxy name schemas themselves.
	needsSubject := s != c.route.Schema || !c.route.Confluent
	switch {
	case s.isInline == (s.url != ""):
		c.problem(s.Path, "it has either inline, a schema, or registry, the URL of a schema registry")
	case s.isInline && s.WireFormat:
		c.problem(s.Path+".wire_format", "an inline schema has no id")
	case !s.isInline && s.Name.Subject == "" && needsSubject:
		c.problem(s.Path+".subject", "it is required with registry")
	case s.Name.Formats != schema.FormatsOfDraft && s.Binary():
		c.problem(s.Path+".assert_format", "it is for JSON Schema")
	case s.Name.Message != "" && s.Name.Format != schema.Protobuf:
		c.problem(s.Path+".message", "it is for the format protobuf")
	case s.isInline:
		c.compile(s)
	default:
		c.checkRegistry(s)
	}
}

func (c *configReader) checkRegistry(s *Schema) {
	registry, err := schema.NewRegistry(s.url, s.options)
	s.Registry = registry
	all := []error{err}
	if s.Name.Subject != "" {
		all = append(all, s.Name.Check())
	}
	for _, err := range all {
		if refused, ok := errors.AsType[*schema.Error](err); ok {
			c.problem(s.Path+"."+refused.Key, "%s", refused)
		}
	}
}

func (c *configReader) compile(s *Schema) {
	text, isText := s.text.(string)
	switch {
	case s.Name.Format == schema.Protobuf && !isText:
		c.problem(s.Path+".inline", "expected the text of a .proto file, got %s", TypeName(s.text))
		return
	case s.Name.Format == schema.Avro && isText && strings.ContainsAny(text, "{["): // its JSON, in a string
	case s.Name.Format != schema.Protobuf:
		text = string(schemaText(s.text))
	}
	compiled, err := schema.CompileText(s.Name, []byte(text))
	if err != nil {
		c.problem(s.Path+".inline", "%s", err)
	}
	s.Inline = compiled
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
			writeJSON(b, f.name)
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
