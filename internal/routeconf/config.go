package routeconf

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"path"
	"regexp"
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
	"github.com/kafkaupstream/kafkaupstream/utils"
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
	schema     *Schema  // that is being read
	ofSchemas  []string // the paths of the keys below schema and key_schema
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

// costlyPaths find what gjson writes again and again: what is deep in a body once for each level that it is in, a name once for
// each value (@group), or twice as much with each that follows. A body of 1 MB kept a processor busy for seconds, or became a key
// of gigabytes. What all else takes grows with the size alone.
var costlyPaths = []struct {
	what string
	is   *regexp.Regexp
}{
	{"@dig", modifier(`dig\b`)},
	{"@pretty", modifier(`pretty\b`)},
	{"@group", modifier(`group\b`)},
	{"@flatten:", modifier(`flatten:`)},
	{"a second @tostr", modifier(`tostr\b(?s:.*)@tostr\b`)},
	{"[…] or {…} behind another", regexp.MustCompile(`[\]}][.|](?:(?s:.*)[.|])?[\[{]`)},
}

func modifier(name string) *regexp.Regexp { return regexp.MustCompile(`(?:^|[^\\\w])@` + name) }

// configKeys is the table of the configuration's keys.
var configKeys = table{
	{Key{
		Name: "config", Value: "an object", Default: "required",
		Does:    "librdkafka's properties: strings, numbers, booleans, and `default.topic.config` as a nested object. With a `transport_url` it may be left out",
		Example: `"config": {"bootstrap.servers": "kafka:9092", "compression.type": "zstd"}`,
	}, (*configReader).readConfig},
	{Key{
		Name: "transport_url", Value: "a text",
		Does:    "the connection as OpenStack's services have it, instead of properties in `config`",
		Example: `"transport_url": "kafka://h1:9092,h2:9092/site1"`,
	}, (*configReader).readTransportURL},
	{Key{
		Name: "topic", Value: "a text, with variables", Shown: true,
		Does:    "the topic. A client's header `<prefix>topic` replaces it",
		Example: `"topic": "orders.$arg_region"`,
	}, (*configReader).readTopic},
	{Key{
		Name: "topics", Value: "a list of patterns", Default: "any topic", Shown: true,
		Does:    "what topics records may go to: `*` stands for any characters, `?` for one, `[a-z]` for one of a range. Another topic of a client is a 403, of the route an error of the configuration",
		Example: `"topic": "orders.new", "topics": ["orders.*"]`,
	}, (*configReader).readTopics},
	{Key{
		Name: "partition", Value: "an integer from -1", Default: "-1", Shown: true,
		Does:    "the partition; -1: by the record's key. A client's header `<prefix>partition` replaces it",
		Example: `"partition": 2`,
	}, func(c *configReader, path string, v any) {
		if n, ok := c.integer(path, v, -1, math.MaxInt32); ok {
			c.route.Partition = int32(n)
		}
	}},
	{Key{
		Name: "key", Value: "a text, with variables", Default: `""`, Shown: true,
		Does:    "the record's key; empty: none. A client's header `<prefix>key` replaces it",
		Example: `"key": "$arg_device"`,
	}, func(c *configReader, path string, v any) { c.route.Key = c.template(path, v) }},
	{Key{
		Name: "jsonkey", Value: "a gjson path", Default: `""`, Shown: true,
		Does:    "where the key is in a JSON body. If it is absent, null or empty there, `key` is the key",
		Example: `"jsonkey": "customer.id"`,
	}, func(c *configReader, path string, v any) {
		c.route.JSONKey, _ = c.text(path, v)
		for _, costly := range costlyPaths {
			if costly.is.MatchString(c.route.JSONKey) {
				c.problem(path, "%s is not offered here: the time and memory that it takes grow faster than a body's size", costly.what)
			}
		}
	}},
	{Key{
		Name: "headerprefix", Value: "a text", Default: `""`, Shown: true,
		Does:    "what the names of a client's headers begin with: `<prefix>topic`, `<prefix>key` and the others of `overrides`",
		Example: `"headerprefix": "kafka-"`,
	}, (*configReader).readHeaderPrefix},
	{Key{
		Name: "overrides", Value: "a list of `topic`, `key`, `partition`, `headers`, `timestamp`, `dry-run`", Default: `["topic", "key", "partition"]`, Shown: true,
		Does:    "which of these headers a client may send. One of the first three that is not listed is a 403; the others are ordinary headers unless listed",
		Example: `"overrides": ["key", "headers"]`,
	}, (*configReader).readOverrides},
	{Key{
		Name: "record_headers", Value: "an object of texts, with variables", Default: "{}", Shown: true,
		Does:    "headers of each record",
		Example: `"record_headers": {"source": "gateway", "client": "$src_ip"}`,
	}, (*configReader).readRecordHeaders},
	{Key{
		Name: "delivery", Value: "`async`, `sync` or `durable`", Default: `"async"`, Shown: true,
		Does:    "when the reply is sent: at once, when Kafka has acknowledged the record, or when Kafka or the disk has it. `durable` needs `--spool-dir`",
		Example: `"delivery": "sync"`,
	}, (*configReader).readDelivery},
	{Key{
		Name: "on_permanent_error", Value: "`deadletter` or `suspend`", Default: `"deadletter"`, Shown: true,
		Does:    "for `durable`: what happens to a record on disk that Kafka can never take. It becomes a dead letter, or the stream stops there",
		Example: `"delivery": "durable", "on_permanent_error": "suspend"`,
	}, (*configReader).readOnPermanentError},
	{Key{
		Name: "timeout_ms", Value: "an integer from 1, at most 55000 under APISIX", Default: "5000", Shown: true,
		Does:    "the longest a reply may take, in milliseconds",
		Example: `"timeout_ms": 2000`,
	}, func(c *configReader, path string, v any) {
		if n, ok := c.integer(path, v, 1, int64(c.limits.Timeout/time.Millisecond)); ok {
			c.route.Timeout = time.Duration(n) * time.Millisecond
		}
	}},
	{Key{
		Name: "transactional", Value: "true or false", Default: "false", Shown: true,
		Does:    "all records of a request are in Kafka, or none; with `durable` they are kept as one unit. Needs `--spool-dir`",
		Example: `"batch": true, "transactional": true`,
	}, func(c *configReader, path string, v any) { c.route.Mode.Transactional = c.boolean(path, v) }},
	{Key{
		Name: "idempotency", Value: "an object", Default: "no idempotency", Shown: true,
		Does:    "a request whose header `Idempotency-Key` was seen before gets the stored first reply",
		Example: `"idempotency": {"ttl_s": 3600}`,
		Below:   idempotencyKeys.keys(),
	}, (*configReader).readIdempotency},
	{Key{
		Name: "max_body_bytes", Value: "an integer from 0, at most 16777188 under APISIX", Default: "the producer's `message.max.bytes`, which is 1000000", Shown: true,
		Does:    "a larger body is a 413, and is not read when its length is known; so is a record that is larger than `message.max.bytes` with its key, headers and a few bytes around them",
		Example: `"max_body_bytes": 65536`,
	}, func(c *configReader, path string, v any) {
		if n, ok := c.integer(path, v, 0, int64(c.limits.Body)); ok {
			c.route.MaxBody, c.maxBodySet = int(n), true
		}
	}},
	{Key{
		Name: "require", Value: "a list of `json`, `key`", Default: "[]", Shown: true,
		Does:    "415 for a body that is not JSON, 400 for a record without a key",
		Example: `"require": ["json", "key"], "jsonkey": "id"`,
	}, (*configReader).readRequire},
	{Key{
		Name: "batch", Value: "true or false", Default: "false", Shown: true,
		Does:    "a body holds several records: NDJSON, a JSON array, or the forms of the Confluent REST Proxy",
		Example: `"batch": true`,
	}, func(c *configReader, path string, v any) { c.route.Batch = c.boolean(path, v) }},
	{Key{
		Name: "dialects", Value: "a list of `confluent`", Default: "[]",
		Does:    "clients of the Confluent REST Proxy (v2, v3) are taken and answered as they expect it",
		Example: `"dialects": ["confluent"]`,
	}, (*configReader).readDialects},
	{Key{
		Name: "tombstone_on_delete", Value: "true or false", Default: "false", Shown: true,
		Does:    "DELETE with a key produces a null value",
		Example: `"tombstone_on_delete": true`,
	}, func(c *configReader, path string, v any) { c.route.Tombstones = c.boolean(path, v) }},
	{Key{
		Name: "cloudevents", Value: "true, false, `binary` or `structured`", Default: "false", Shown: true,
		Does:    "requests are CloudEvents, and records are in their Kafka binding: `binary` (true) or `structured`",
		Example: `"cloudevents": true`,
	}, (*configReader).readCloudEvents},
	{Key{
		Name: "webhook_origins", Value: "a list of patterns", Default: "nobody is answered", Shown: true,
		Does:    "senders of CloudEvents that may deliver, if they ask by OPTIONS as Azure Event Grid does",
		Example: `"cloudevents": true, "webhook_origins": ["eventgrid.azure.net"]`,
	}, func(c *configReader, path string, v any) {
		c.route.WebHooks = []string{}
		c.eachPattern(path, v, func(pattern string) { c.route.WebHooks = append(c.route.WebHooks, strings.ToLower(pattern)) })
	}},
	{Key{
		Name: "schema", Value: "an object", Default: "no schema",
		Does:    "what values must match, or it is a 422 (415 if the body is not JSON): a JSON Schema, or a schema of Avro or Protobuf, whose binary form is produced",
		Example: `"schema": {"inline": {"type": "object", "required": ["id"]}}`,
		Below:   schemaKeys.keys(),
	}, func(c *configReader, path string, v any) { c.route.Schema = c.readSchema(path, v) }},
	{Key{
		Name: "key_schema", Value: "an object, as `schema`", Default: "no schema",
		Does:    "the same for keys. Without `registry` it has that of `schema`",
		Example: `"jsonkey": "id", "key_schema": {"inline": {"type": "integer"}}`,
	}, func(c *configReader, path string, v any) { c.route.KeySchema = c.readSchema(path, v) }},
	{Key{
		Name: "json", Value: "an object", Default: "{}", Shown: true,
		Does:    "how JSON is read",
		Example: `"json": {"invalid_utf8": "keep"}`,
		Below:   jsonKeys.keys(),
	}, (*configReader).readJSON},
	{Key{
		Name: "form", Value: "an object", Default: "a form is produced as it came", Shown: true,
		Does:    "`application/x-www-form-urlencoded` becomes JSON",
		Example: `"form": {"repeated": "last"}`,
		Below:   formKeys.keys(),
	}, (*configReader).readForm},
	{Key{
		Name: "envelope", Value: "`opal`, `oslo` or `http`", Default: "no envelope", Shown: true,
		Does:    "puts the body into the form that OPAL's servers or oslo.messaging's listeners read, or makes one JSON record of the whole request (`http`)",
		Example: `"envelope": "http"`,
	}, (*configReader).readEnvelope},
	{Key{
		Name: "envelope_headers", Value: "a list of patterns", Default: "no header", Shown: true,
		Does:    "the request's headers that are in the envelope `http`, which it needs",
		Example: `"envelope": "http", "envelope_headers": ["content-type", "x-*"]`,
	}, func(c *configReader, path string, v any) {
		c.route.EnvelopeHeaders = []string{}
		c.eachPattern(path, v, func(pattern string) {
			c.route.EnvelopeHeaders = append(c.route.EnvelopeHeaders, strings.ToLower(pattern))
		})
	}},
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
		c.problem(path, "expected an object of librdkafka properties, got %s", TypeName(v))
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
		c.problem(path, "expected a string, a number or a boolean, got %s", TypeName(v))
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
	if prefix != "" && !utils.IsToken(prefix) {
		c.problem(path, "it has a character that an HTTP header name cannot have")
		return
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
		c.problem(path, "expected an object of header names and values, got %s", TypeName(v))
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
		c.problem(path, "expected a string, got %s", TypeName(v))
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
		c.problem(path, "expected true or false, got %s", TypeName(v))
	}
	return b
}

func (c *configReader) integer(path string, v any, lowest, highest int64) (int64, bool) {
	number, ok := v.(json.Number)
	if !ok {
		c.problem(path, "expected an integer from %d to %d, got %s", lowest, highest, TypeName(v))
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
	c.problem(path, "expected one of %s, got %s", nearest.Quoted(names), TypeName(v))
}

func (c *configReader) each(path string, v any, f func(path string, v any)) {
	list, ok := v.([]any)
	if !ok {
		c.problem(path, "expected a list, got %s", TypeName(v))
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
