package routeconf

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/cloudevents"
	"github.com/kafkaupstream/kafkaupstream/internal/form"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/internal/schema"
)

func (c *configReader) readCloudEvents(path string, v any) {
	switch v {
	case true, "binary":
		c.route.CloudEvents, c.route.EventsOut = true, cloudevents.OutBinary
	case "structured":
		c.route.CloudEvents, c.route.EventsOut = true, cloudevents.OutStructured
	case false:
		c.route.CloudEvents = false
	default:
		c.problem(path, `expected true, false, "binary" or "structured"`)
	}
}

// Idempotency is a route's idempotency.
type Idempotency struct {
	TTL      time.Duration
	Required bool
	Scope    *Template // whose keys they are; nil: the consumer's, where there is one
}

// idempotencyKeys is the table of the keys below idempotency.
var idempotencyKeys = map[string]keyReader{
	"ttl_s": func(c *configReader, path string, v any) {
		if n, ok := c.integer(path, v, 1, int64(maxTTL/time.Second)); ok {
			c.route.Idempotency.TTL = time.Duration(n) * time.Second
		}
	},
	"required": func(c *configReader, path string, v any) { c.route.Idempotency.Required = c.boolean(path, v) },
	"scope": func(c *configReader, path string, v any) {
		scope := c.template(path, v)
		c.route.Idempotency.Scope = &scope
	},
}

func (c *configReader) readIdempotency(path string, v any) {
	c.route.Idempotency = &Idempotency{TTL: defaultTTL}
	readKeys(c, path, v, idempotencyKeys, func(read keyReader, path string, v any) { read(c, path, v) })
}

const (
	defaultTTL = 24 * time.Hour
	maxTTL     = 7 * 24 * time.Hour
)

// jsonKeys are those of the configuration's key json.
var jsonKeys = map[string]keyReader{
	"invalid_utf8": func(c *configReader, path string, v any) {
		c.oneOf(path, v, map[string]func(){
			"refuse": func() { c.route.LooseJSON = false },
			"keep":   func() { c.route.LooseJSON = true },
		})
	},
}

func (c *configReader) readJSON(path string, v any) {
	readKeys(c, path, v, jsonKeys, func(read keyReader, path string, v any) { read(c, path, v) })
}

// formKeys are those of the configuration's key form.
var formKeys = map[string]keyReader{
	"repeated": func(c *configReader, path string, v any) {
		c.oneOf(path, v, map[string]func(){
			"list":   func() { *c.route.Form = form.List },
			"first":  func() { *c.route.Form = form.First },
			"last":   func() { *c.route.Form = form.Last },
			"refuse": func() { *c.route.Form = form.Refuse },
		})
	},
}

func (c *configReader) readForm(path string, v any) {
	c.route.Form = new(form.List)
	readKeys(c, path, v, formKeys, func(read keyReader, path string, v any) { read(c, path, v) })
}

// Schema is a route's schema as its configuration has it.
type Schema struct {
	Inline           *schema.Schema // nil: there is a registry
	URL              string
	Subject, Version string
	Options          schema.Options
	WireFormat       bool // the value begins with the schema's id
}

// schemaKeys is the table of the keys below schema.
var schemaKeys = map[string]schemaKeyReader{
	"inline": func(c *configReader, s *Schema, path string, v any) {
		compiled, err := schema.Compile(schemaText(v))
		if err != nil {
			c.problem(path, "%s", err)
		}
		s.Inline = compiled
	},
	"registry": func(c *configReader, s *Schema, path string, v any) { s.URL, _ = c.text(path, v) },
	"subject":  func(c *configReader, s *Schema, path string, v any) { s.Subject, _ = c.text(path, v) },
	"version": func(c *configReader, s *Schema, path string, v any) {
		if number, ok := v.(json.Number); ok {
			s.Version = number.String()
		} else {
			s.Version, _ = c.text(path, v)
		}
	},
	"username":    func(c *configReader, s *Schema, path string, v any) { s.Options.Username = c.secret(path, v) },
	"password":    func(c *configReader, s *Schema, path string, v any) { s.Options.Password = c.secret(path, v) },
	"token":       func(c *configReader, s *Schema, path string, v any) { s.Options.Token = c.secret(path, v) },
	"ca_file":     func(c *configReader, s *Schema, path string, v any) { s.Options.CAFile, _ = c.text(path, v) },
	"wire_format": func(c *configReader, s *Schema, path string, v any) { s.WireFormat = c.boolean(path, v) },
}

func (c *configReader) readSchema(path string, v any) {
	s := &Schema{Version: "latest"}
	fields, ok := readKeys(c, path, v, schemaKeys, func(read schemaKeyReader, path string, v any) { read(c, s, path, v) })
	if !ok {
		return
	}
	isInline := false
	for _, f := range fields {
		isInline = isInline || f.name == "inline"
	}
	switch {
	case isInline == (s.URL != ""):
		c.problem(path, "it has either inline, a JSON Schema, or registry, the URL of a schema registry")
	case isInline && s.WireFormat:
		c.problem(path+".wire_format", "an inline schema has no id")
	case !isInline && s.Subject == "":
		c.problem(path+".subject", "it is required with registry")
	}
	c.route.Schema = s
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

// RecordHeader is a header that the route gives each record.
type RecordHeader struct {
	Name  string
	Value Template
}

// MaxRecordHeaders bounds the headers of a record.
const MaxRecordHeaders = 100

// NeedsSpool says for which of its keys the route can be served only by a process with
// --spool-dir.
func (r *Route) NeedsSpool() (needs []Problem) {
	if r.Mode.Delivery == record.Durable {
		needs = append(needs, Problem{KeyDelivery, "durable needs a directory to keep records in: --spool-dir or KAFKAUPSTREAM_SPOOL_DIR"})
	}
	if r.Mode.Transactional {
		needs = append(needs, Problem{KeyTransactional, "it needs a directory to keep ids in: --spool-dir or KAFKAUPSTREAM_SPOOL_DIR"})
	}
	return needs
}

// The keys of a configuration that may need a spool.
const (
	KeyDelivery      = "delivery"
	KeyTransactional = "transactional"
)

// Allow is the Allow header: the methods that produce a record, and OPTIONS where senders of events ask by it.
func (r *Route) Allow() string {
	allow := "POST, PUT, PATCH"
	if r.Tombstones || r.WholeRequest() {
		allow += ", DELETE"
	}
	if r.WholeRequest() {
		allow += ", GET"
	}
	if r.WebHooks != nil {
		allow += ", OPTIONS"
	}
	return allow
}
