package routeconf

import (
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/cloudevents"
	"github.com/kafkaupstream/kafkaupstream/internal/form"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
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

var idempotencyKeys = table{
	{Key{
		Name: "ttl_s", Value: "an integer from 1 to 604800", Default: "86400",
		Does:    "how long a reply is stored, in seconds",
		Example: `"idempotency": {"ttl_s": 3600}`,
	}, func(c *configReader, path string, v any) {
		if n, ok := c.integer(path, v, 1, int64(maxTTL/time.Second)); ok {
			c.route.Idempotency.TTL = time.Duration(n) * time.Second
		}
	}},
	{Key{
		Name: "required", Value: "true or false", Default: "false",
		Does:    "a request without the header is a 400",
		Example: `"idempotency": {"required": true}`,
	}, func(c *configReader, path string, v any) { c.route.Idempotency.Required = c.boolean(path, v) }},
	{Key{
		Name: "scope", Value: "a text, with variables", Default: "the consumer, where there is one",
		Does:    "whose keys they are: the same key with another scope is another key",
		Example: `"idempotency": {"scope": "$http_x_tenant"}`,
	}, func(c *configReader, path string, v any) {
		scope := c.template(path, v)
		c.route.Idempotency.Scope = &scope
	}},
}

func (c *configReader) readIdempotency(path string, v any) {
	c.route.Idempotency = &Idempotency{TTL: defaultTTL}
	c.readKeys(path, v, idempotencyKeys)
}

const (
	defaultTTL = 24 * time.Hour
	maxTTL     = 7 * 24 * time.Hour
)

// jsonKeys are those of the configuration's key json.
var jsonKeys = table{
	{Key{
		Name: "invalid_utf8", Value: "`refuse` or `keep`", Default: `"refuse"`,
		Does:    "what becomes of bytes in JSON strings that are not UTF-8: a 400, or they are produced as they came",
		Example: `"json": {"invalid_utf8": "keep"}`,
	}, func(c *configReader, path string, v any) {
		c.oneOf(path, v, map[string]func(){
			"refuse": func() { c.route.LooseJSON = false },
			"keep":   func() { c.route.LooseJSON = true },
		})
	}},
}

func (c *configReader) readJSON(path string, v any) {
	c.readKeys(path, v, jsonKeys)
}

// formKeys are those of the configuration's key form.
var formKeys = table{
	{Key{
		Name: "repeated", Value: "`list`, `first`, `last` or `refuse`", Default: `"list"`,
		Does:    "what becomes of a field that is given more than once: a list, its first or its last value, or a 400",
		Example: `"form": {"repeated": "last"}`,
	}, func(c *configReader, path string, v any) {
		c.oneOf(path, v, map[string]func(){
			"list":   func() { *c.route.Form = form.List },
			"first":  func() { *c.route.Form = form.First },
			"last":   func() { *c.route.Form = form.Last },
			"refuse": func() { *c.route.Form = form.Refuse },
		})
	}},
}

func (c *configReader) readForm(path string, v any) {
	c.route.Form = new(form.List)
	c.readKeys(path, v, formKeys)
}

// secret reads a text that may be a reference to a secret.
func (c *configReader) secret(path string, v any) string {
	s, _ := c.text(path, v)
	if err := c.reference(path, "password", s); err != nil {
		c.problem(path, "%s", err)
	}
	return s
}

// RecordHeader is a header that the route gives each record.
type RecordHeader struct {
	Name  string
	Value Template
}

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
