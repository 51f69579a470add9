package routeconf

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/cloudevents"
	"github.com/kafkaupstream/kafkaupstream/internal/envelope"
	"github.com/kafkaupstream/kafkaupstream/internal/form"
	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/nearest"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/internal/transporturl"
)

// Override is a value of the record that a client's header may replace.
type Override int

const (
	OverrideTopic Override = iota
	OverrideKey
	OverridePartition
	// Those before are refused where the route does not allow them. Those that follow
	// are ordinary headers then.
	StrictOverrides

	OverrideHeaders Override = iota - 1
	OverrideTimestamp
	OverrideDryRun
	overrideCount
)

var OverrideNames = [overrideCount]string{"topic", "key", "partition", "headers", "timestamp", "dry-run"}

const defaultTimeout = 5 * time.Second

// Limits are what a front can do at most, however a route is configured. The zero value stands for
// a front with no limits of its own.
type Limits struct {
	Body    int           // the largest body, in bytes
	Timeout time.Duration // the longest that a reply may take
}

// withDefaults has bounds that nobody reaches in place of none: 2 GiB, and 24 days.
func (l Limits) withDefaults() Limits {
	return Limits{cmp.Or(l.Body, math.MaxInt32), cmp.Or(l.Timeout, math.MaxInt32*time.Millisecond)}
}

// Route is a route's configuration, checked. Nothing of it changes afterwards.
type Route struct {
	Conn *kafkaconf.Connection

	// HeaderNames are the names of the override headers, in lower case, and Prefix is what they
	// begin with.
	HeaderNames [overrideCount]string
	Prefix      string
	Allowed     [overrideCount]bool

	TopicText     Template
	TopicEnd      string   // what stands behind each topic: "." and a virtual host
	Patterns      []string // of the topics that are allowed; nil: any
	Partition     int32
	Key           Template
	JSONKey       string
	RecordHeaders []RecordHeader
	Tombstones    bool // a DELETE is one
	Batch         bool // a body may hold several records
	Confluent     bool // clients of the Confluent REST Proxy may say all that they can
	CloudEvents   bool
	EventsOut     cloudevents.Out
	WebHooks      []string           // patterns of senders that may deliver events; nil: none asks
	Schema        *Schema            // of values; nil: none
	KeySchema     *Schema            // nil: none
	Registry      *Schema            // for the schemas that clients of the REST Proxy name; nil: none
	Envelope      *envelope.Envelope // nil: none
	EnvelopeName  string
	// EnvelopeHeaders are patterns of the headers that are in the envelope http, in lower case.
	EnvelopeHeaders []string
	Form            *form.Repeated // a form's fields are JSON, with this rule; nil: a form is as it came
	Idempotency     *Idempotency   // nil: none

	Mode        record.Mode
	Suspend     bool // a durable stream stops at a record that Kafka can never take
	Timeout     time.Duration
	MaxBody     int // bytes
	RequireJSON bool
	RequireKey  bool
	LooseJSON   bool // strings may be what is not UTF-8

	references []reference // to secrets
}

// Topic returns the topic of the configuration, "" when it depends on the request. An
// envelope and a virtual host may put something behind it: see [Route.Topics].
func (r *Route) Topic() string {
	if r.TopicText.Variable() {
		return ""
	}
	return r.TopicText.Text
}

// Methods returns the request methods that the route takes.
func (r *Route) Methods() []string { return strings.Split(r.Allow(), ", ") }

// Problem is one thing wrong with a configuration.
type Problem struct {
	Path    string // of the key, such as `overrides[1]`
	Message string // what is wrong and what is allowed; never a value of `config`
}

func (p Problem) Error() string {
	if p.Path == "" {
		return p.Message
	}
	return p.Path + ": " + p.Message
}

// configReader collects a route's values and all that is wrong with them.
type configReader struct {
	route      Route
	properties kafkaconf.Properties
	paths      map[string]string // where they are, by the same names
	unread     map[string]bool   // those whose form is wrong, by their canonical names
	transport  *transporturl.URL
	maxBodySet bool
	findings   Findings
	limits     Limits
}

func newConfigReader(limits Limits) *configReader {
	return &configReader{
		limits: limits.withDefaults(),
		route: Route{
			Partition: record.AnyPartition,
			Timeout:   defaultTimeout,
			Allowed:   [overrideCount]bool{OverrideTopic: true, OverrideKey: true, OverridePartition: true},
		},
		paths: map[string]string{}, unread: map[string]bool{},
	}
}

func (c *configReader) problem(path, format string, args ...any) {
	c.findings.Problems = append(c.findings.Problems, Problem{path, fmt.Sprintf(format, args...)})
}

// keyReader reads the value of a key, which stands at path.
type keyReader = func(c *configReader, path string, v any)

// schemaKeyReader is keyReader for a key below schema.
type schemaKeyReader = func(c *configReader, s *Schema, path string, v any)

// readKeys calls read with each member of an object for which the table has a key, and
// returns the members; false: v is no object.
func readKeys[F any](c *configReader, path string, v any, table map[string]F, read func(f F, path string, v any)) ([]field, bool) {
	fields, ok := v.([]field)
	if !ok {
		c.problem(path, "expected an object, got %s", typeName(v))
		return nil, false
	}
	if path != "" {
		path += "."
	}
	for _, f := range fields {
		if key, ok := table[f.name]; ok {
			read(key, path+f.name, f.value)
		} else {
			c.problem(path+f.name, "%s", nearest.UnknownKey(f.name, slices.Collect(maps.Keys(table))))
		}
	}
	return fields, true
}

// configKeys is the table of the configuration's keys.
var configKeys = map[string]keyReader{
	"config":       (*configReader).readConfig,
	"headerprefix": (*configReader).readHeaderPrefix,
	"partition": func(c *configReader, path string, v any) {
		if n, ok := c.integer(path, v, -1, math.MaxInt32); ok {
			c.route.Partition = int32(n)
		}
	},
	"topic":    (*configReader).readTopic,
	"key":      func(c *configReader, path string, v any) { c.route.Key = c.template(path, v) },
	"jsonkey":  func(c *configReader, path string, v any) { c.route.JSONKey, _ = c.text(path, v) },
	"delivery": (*configReader).readDelivery,
	"timeout_ms": func(c *configReader, path string, v any) {
		if n, ok := c.integer(path, v, 1, int64(c.limits.Timeout/time.Millisecond)); ok {
			c.route.Timeout = time.Duration(n) * time.Millisecond
		}
	},
	"overrides": (*configReader).readOverrides,
	"topics":    (*configReader).readTopics,
	"max_body_bytes": func(c *configReader, path string, v any) {
		if n, ok := c.integer(path, v, 0, int64(c.limits.Body)); ok {
			c.route.MaxBody, c.maxBodySet = int(n), true
		}
	},
	"require":            (*configReader).readRequire,
	"on_permanent_error": (*configReader).readOnPermanentError,
	"batch":              func(c *configReader, path string, v any) { c.route.Batch = c.boolean(path, v) },
	"dialects":           (*configReader).readDialects,
	"transactional":      func(c *configReader, path string, v any) { c.route.Mode.Transactional = c.boolean(path, v) },
	"cloudevents":        (*configReader).readCloudEvents,
	"webhook_origins": func(c *configReader, path string, v any) {
		c.route.WebHooks = []string{}
		c.eachPattern(path, v, func(pattern string) { c.route.WebHooks = append(c.route.WebHooks, strings.ToLower(pattern)) })
	},
	"schema":     func(c *configReader, path string, v any) { c.route.Schema = c.readSchema(path, v) },
	"key_schema": func(c *configReader, path string, v any) { c.route.KeySchema = c.readSchema(path, v) },
	"envelope":   (*configReader).readEnvelope,
	"envelope_headers": func(c *configReader, path string, v any) {
		c.route.EnvelopeHeaders = []string{}
		c.eachPattern(path, v, func(pattern string) {
			c.route.EnvelopeHeaders = append(c.route.EnvelopeHeaders, strings.ToLower(pattern))
		})
	},
	"form":                (*configReader).readForm,
	"transport_url":       (*configReader).readTransportURL,
	"idempotency":         (*configReader).readIdempotency,
	"record_headers":      (*configReader).readRecordHeaders,
	"json":                (*configReader).readJSON,
	"tombstone_on_delete": func(c *configReader, path string, v any) { c.route.Tombstones = c.boolean(path, v) },
}

// ParseRoute reads a configuration, the JSON text under the plugin's value. The
// error joins a [Problem] for each thing that is wrong; [Lint] has warnings as well.
func ParseRoute(text []byte, limits Limits) (*Route, error) {
	route, findings := Lint(text, limits)
	return route, findings.Err()
}

// finish sets what depends on several keys.
func (c *configReader) finish() {
	for o, name := range OverrideNames {
		c.route.HeaderNames[o] = c.route.Prefix + name
	}
	c.mergeTransport()
	c.checkTopics()
	c.checkSchemas()
	c.checkEnvelope()
	if c.route.CloudEvents && c.route.Confluent {
		c.problem("dialects", "it cannot be combined with cloudevents: a body has one form")
	}
	if c.route.CloudEvents && c.route.Form != nil {
		c.problem("form", "it cannot be combined with cloudevents: a body has one form")
	}
	if c.route.WebHooks != nil && !c.route.CloudEvents {
		c.problem("webhook_origins", "it is for cloudevents")
	}
	if c.route.CloudEvents && (c.route.Batch || c.route.Schema != nil && c.route.EventsOut == cloudevents.OutStructured) {
		c.problem("cloudevents", "it cannot be combined with batch, since it has batches of its own, nor with schema where structured events are produced")
	}
	if c.route.Suspend && c.route.Mode.Delivery != record.Durable {
		c.problem("on_permanent_error", "suspend is for \"delivery\": \"durable\"")
	}
	if c.properties == nil {
		if len(c.findings.Problems) == 0 {
			c.problem("config", "it is required: an object of librdkafka properties (or transport_url)")
		}
		return
	}
	c.connect()
}

// nestedConfig is the only nested object that librdkafka's clients know.
const nestedConfig = "default.topic.config"

func (c *configReader) readConfig(path string, v any) {
	fields, ok := v.([]field)
	if !ok {
		c.problem(path, "expected an object of librdkafka properties, got %s", typeName(v))
		return
	}
	c.properties = kafkaconf.Properties{}
	for _, f := range fields {
		if nested, ok := f.value.([]field); ok && f.name == nestedConfig {
			for _, f := range nested {
				c.property(path+"."+nestedConfig+"."+f.name, f)
			}
			continue
		}
		c.property(path+"."+f.name, f)
	}
}

// property reads one property. What its value may be is internal/kafkaconf's to say.
func (c *configReader) property(path string, f field) {
	var value string
	c.unread[kafkaconf.Canonical(f.name)] = true
	switch v := f.value.(type) {
	case string:
		value = v
	case json.Number:
		value = v.String()
	case bool:
		value = fmt.Sprint(v)
	case []field:
		c.problem(path, "only %s may be a nested object", nestedConfig)
		return
	case []any:
		hint := ""
		if kafkaconf.Canonical(f.name) == "bootstrap.servers" {
			hint = ": the addresses in one string, separated by commas, \"h1:9092,h2:9092\""
		}
		c.problem(path, "expected a string, a number or a boolean, got a list%s", hint)
		return
	default:
		c.problem(path, "expected a string, a number or a boolean, got %s", typeName(v))
		return
	}
	if err := c.reference(path, f.name, value); err != nil {
		c.problem(path, "%s", err)
		return
	}
	if other, twice := c.properties[f.name]; twice && other != value {
		c.problem(path, "it is given twice, in config and in %s, with different values", nestedConfig)
		return
	}
	c.properties[f.name], c.paths[f.name] = value, path
	delete(c.unread, kafkaconf.Canonical(f.name))
}

func (c *configReader) readHeaderPrefix(path string, v any) {
	prefix, ok := c.text(path, v)
	if !ok {
		return
	}
	for _, b := range []byte(prefix) {
		if !isTokenByte(b) {
			c.problem(path, "it has a character that an HTTP header name cannot have")
			return
		}
	}
	c.route.Prefix = strings.ToLower(prefix)
}

func (c *configReader) readTopic(path string, v any) {
	t := c.template(path, v)
	if why := InvalidTopic(t.Text); why != "" && t.Text != "" && !t.Variable() {
		c.problem(path, "%s", why)
		return
	}
	c.route.TopicText = t
}

func (c *configReader) readRecordHeaders(path string, v any) {
	fields, ok := v.([]field)
	if !ok {
		c.problem(path, "expected an object of header names and values, got %s", typeName(v))
		return
	}
	if len(fields) > MaxRecordHeaders {
		c.problem(path, "it has %d headers, the limit is %d", len(fields), MaxRecordHeaders)
	}
	for _, f := range fields {
		if f.name == "" || strings.ContainsRune(f.name, 0) { // librdkafka would give it back cut off
			c.problem(path, "a header's name cannot be empty, and has no NUL byte")
		}
		c.route.RecordHeaders = append(c.route.RecordHeaders, RecordHeader{f.name, c.template(path+"."+f.name, f.value)})
	}
}

func (c *configReader) readDelivery(path string, v any) {
	c.oneOf(path, v, map[string]func(){
		"async":   func() { c.route.Mode.Delivery = record.Async },
		"sync":    func() { c.route.Mode.Delivery = record.Sync },
		"durable": func() { c.route.Mode.Delivery = record.Durable },
	})
}

func (c *configReader) readOverrides(path string, v any) {
	c.route.Allowed = [overrideCount]bool{}
	choices := map[string]func(){}
	for o, name := range OverrideNames {
		choices[name] = func() { c.route.Allowed[o] = true }
	}
	c.each(path, v, func(path string, v any) { c.oneOf(path, v, choices) })
}

func (c *configReader) readTopics(path string, v any) {
	c.route.Patterns = []string{}
	c.eachPattern(path, v, func(pattern string) { c.route.Patterns = append(c.route.Patterns, pattern) })
}

// eachPattern reads a list of patterns.
func (c *configReader) eachPattern(list string, v any, add func(pattern string)) {
	c.each(list, v, func(at string, v any) {
		pattern, ok := c.text(at, v)
		if !ok {
			return
		}
		if _, err := path.Match(pattern, ""); err != nil || pattern == "" {
			c.problem(at, "it is not a pattern: * stands for any characters, ? for one, [a-z] for one of a range")
			return
		}
		add(pattern)
	})
}

func (c *configReader) readRequire(path string, v any) {
	choices := map[string]func(){
		"json": func() { c.route.RequireJSON = true },
		"key":  func() { c.route.RequireKey = true },
	}
	c.each(path, v, func(path string, v any) { c.oneOf(path, v, choices) })
}

func (c *configReader) readDialects(path string, v any) {
	choices := map[string]func(){"confluent": func() { c.route.Confluent = true }}
	c.each(path, v, func(path string, v any) { c.oneOf(path, v, choices) })
}

func (c *configReader) readOnPermanentError(path string, v any) {
	c.oneOf(path, v, map[string]func(){
		"deadletter": func() { c.route.Suspend = false },
		"suspend":    func() { c.route.Suspend = true },
	})
}

func (c *configReader) text(path string, v any) (string, bool) {
	s, ok := v.(string)
	if !ok {
		c.problem(path, "expected a string, got %s", typeName(v))
	}
	return s, ok
}

func (c *configReader) template(path string, v any) Template {
	s, _ := c.text(path, v)
	t, err := parseTemplate(s)
	if err != nil {
		c.problem(path, "%s", err)
	}
	return t
}

func (c *configReader) boolean(path string, v any) bool {
	b, ok := v.(bool)
	if !ok {
		c.problem(path, "expected true or false, got %s", typeName(v))
	}
	return b
}

func (c *configReader) integer(path string, v any, lowest, highest int64) (int64, bool) {
	number, ok := v.(json.Number)
	if !ok {
		c.problem(path, "expected an integer from %d to %d, got %s", lowest, highest, typeName(v))
		return 0, false
	}
	n, err := number.Int64()
	if err != nil || n < lowest || n > highest {
		c.problem(path, "expected an integer from %d to %d, got %.40s", lowest, highest, number)
		return 0, false
	}
	return n, true
}

func (c *configReader) oneOf(path string, v any, choices map[string]func()) {
	names := slices.Collect(maps.Keys(choices))
	s, ok := v.(string)
	if ok {
		if choose, ok := choices[s]; ok {
			choose()
			return
		}
		c.problem(path, "expected one of %s, got %.40q%s", nearest.Quoted(names), s, nearest.Hint(s, names, nearest.Near(s)))
		return
	}
	c.problem(path, "expected one of %s, got %s", nearest.Quoted(names), typeName(v))
}

func (c *configReader) each(path string, v any, f func(path string, v any)) {
	list, ok := v.([]any)
	if !ok {
		c.problem(path, "expected a list, got %s", typeName(v))
		return
	}
	for i, v := range list {
		f(fmt.Sprintf("%s[%d]", path, i), v)
	}
}

// TopicAllowed reports whether the route's topics let the topic through.
func (r *Route) TopicAllowed(topic string) bool {
	return r.Patterns == nil || matches(r.Patterns, topic)
}

// InEnvelope reports whether a header, whose name is in lower case, is in the envelope http.
func (r *Route) InEnvelope(header string) bool { return matches(r.EnvelopeHeaders, header) }

// OriginAllowed reports whether a sender of CloudEvents of this name, of a host, may deliver them.
func (r *Route) OriginAllowed(origin string) bool {
	return matches(r.WebHooks, strings.ToLower(origin))
}

func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		ok, _ := path.Match(pattern, name)
		return ok
	})
}

// isTokenByte tells of the characters of an HTTP field name (RFC 9110, 5.6.2).
func isTokenByte(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || strings.IndexByte("!#$%&'*+-.^_`|~", b) >= 0
}
