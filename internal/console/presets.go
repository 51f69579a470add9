package console

import (
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Preset is a request that shows one thing that a route does.
type Preset struct {
	Name    string      `json:"name"`
	Note    string      `json:"note"` // what it shows, in a sentence
	Method  string      `json:"method"`
	Path    string      `json:"path"`
	Headers [][2]string `json:"headers"`
	Body    string      `json:"body"`
	// Status is what it is refused with; 0 where it is taken, or that depends on more than the route.
	Status int `json:"status,omitempty"`
}

const (
	jsonType   = "application/json"
	otherTopic = "another-topic" // that no route is likely to name
	sampleKey  = "customer-17"
)

// order is what the bodies of presets are about.
type order struct{ key, item, quantity, total string }

var (
	espresso = order{sampleKey, "espresso", "2", "5.60"}
	tea      = order{"customer-18", "tea", "1", "2.80"}
	water    = order{"customer-19", "water", "3", "4.50"}
)

// presets are those that fit the route.
func presets(r *Route) []Preset {
	b := &builder{route: r, method: producing(r.Methods)}
	b.target()
	if b.method != "" {
		if r.Summary.CloudEvents {
			b.events()
		} else {
			b.bodies()
		}
		b.headers()
	}
	b.methods()
	return b.list
}

// producing is the method that presets use; "" when the route takes none that produces.
func producing(methods []string) string {
	for _, m := range []string{"POST", "PUT", "PATCH"} {
		if len(methods) == 0 || slices.Contains(methods, m) {
			return m
		}
	}
	return ""
}

// builder collects a route's presets. What each request needs to be taken at all is in path and base.
type builder struct {
	route  *Route
	method string
	path   string
	base   [][2]string
	list   []Preset
}

// variable is one of the configuration that the client gives.
var variable = regexp.MustCompile(`\$\{?(arg|http)_([a-z0-9_]+)`)

// target fills in where requests go, and what the topic and the key are made of.
func (b *builder) target() {
	s := b.route.Summary
	b.path = "/"
	if len(b.route.URIs) > 0 {
		prefix, isPrefix := strings.CutSuffix(b.route.URIs[0], "*")
		switch b.path = prefix; {
		case isPrefix && s.Topic == "" && s.Batch && !b.may("topic"):
			b.path += "topics/orders"
		case isPrefix:
			b.path += "anything"
		}
	}
	if s.Topic == "" && b.may("topic") {
		b.base = append(b.base, [2]string{s.HeaderPrefix + "topic", "orders"})
	}
	separator := "?"
	seen := map[string]bool{}
	for _, v := range variable.FindAllStringSubmatch(s.Topic+" "+s.Key, -1) {
		if seen[v[0]] {
			continue
		}
		seen[v[0]] = true
		if v[1] == "http" {
			b.base = append(b.base, [2]string{strings.ReplaceAll(v[2], "_", "-"), "sample"})
			continue
		}
		b.path += separator + v[2] + "=sample"
		separator = "&"
	}
	if s.RequireKey && s.Key == "" && b.may("key") {
		b.base = append(b.base, [2]string{s.HeaderPrefix + "key", sampleKey})
	}
}

func (b *builder) may(override string) bool {
	return slices.Contains(b.route.Summary.Overrides, override)
}

// refused is the status of a request that is refused for its body, or for its topic once that is known. 0: it may be refused
// for something else before, a topic that the route does not allow or a path of the REST Proxy.
func (b *builder) refused(status int) int {
	s := b.route.Summary
	if s.Confluent || strings.Contains(s.Topic, "$") || s.Topic == "" && s.Topics != nil {
		return 0
	}
	return status
}

func (b *builder) add(name, note string, status int, body string, headers ...string) {
	p := Preset{Name: name, Note: note, Method: b.method, Path: b.path, Body: body, Status: status, Headers: slices.Clone(b.base)}
	for i := 0; i < len(headers); i += 2 {
		p.Headers = slices.DeleteFunc(p.Headers, func(h [2]string) bool { return h[0] == headers[i] })
		p.Headers = append(p.Headers, [2]string{headers[i], headers[i+1]})
	}
	if p.Headers == nil {
		p.Headers = [][2]string{}
	}
	b.list = append(b.list, p)
}

func (b *builder) bodies() {
	s := b.route.Summary
	b.add("JSON", "A JSON body is checked, and produced without insignificant white space.", 0, b.sample(), "content-type", jsonType)
	if s.RequireJSON {
		b.add("Text", "The route takes JSON only.", b.refused(415), "plain text", "content-type", "text/plain")
	} else {
		b.add("Text", "What is not JSON is produced as it came.", 0, "plain text,\nas it came", "content-type", "text/plain")
	}
	b.add("Invalid JSON", "Invalid JSON is refused, with the byte that is wrong.", b.refused(400), `{"item": "espresso", "total": }`, "content-type", jsonType)
	if s.Batch {
		b.add("Batch", "A line is a record: three of them, and an answer for each.", 0,
			b.line(espresso)+b.line(tea)+b.line(water), "content-type", "application/x-ndjson")
	}
	if s.Confluent {
		b.add("REST Proxy", "A request of the Confluent REST Proxy's clients, and their reply.", 0,
			`{"records": [{"key": "k", "value": `+b.sample()+`}]}`, "content-type", "application/vnd.kafka.json.v2+json")
	}
	if s.Idempotency {
		b.add("Repeat", "The same Idempotency-Key again gets the first answer again, and makes no second record: send it twice.", 0,
			b.sample(), "content-type", jsonType, "idempotency-key", `"8e03978e"`)
	}
}

func (b *builder) events() {
	b.add("CloudEvent", "Attributes come as headers ce_…, the data as the value.", 0, `{"celsius": 21.5}`, "content-type", jsonType,
		"ce-specversion", "1.0", "ce-id", "1", "ce-source", "/sensors/7", "ce-type", "com.example.reading", "ce-partitionkey", "sensor-7")
	b.add("Structured event", "The same event as one JSON document.", 0,
		`{
  "specversion": "1.0", "id": "2", "source": "/sensors/7", "type": "com.example.reading",
  "partitionkey": "sensor-7", "datacontenttype": "application/json",
  "data": {"celsius": 21.5}
}`, "content-type", "application/cloudevents+json")
	b.add("No event", "What is no CloudEvent is refused.", b.refused(400), `{"celsius": 21.5}`, "content-type", jsonType)
}

// headers are presets of what a client's headers can change.
func (b *builder) headers() {
	s := b.route.Summary
	if s.CloudEvents {
		return
	}
	if b.may("key") {
		b.add("Key header", "A header gives the record its key.", 0, b.sample(), "content-type", jsonType, s.HeaderPrefix+"key", sampleKey)
	}
	matches := func(pattern string) bool { ok, _ := path.Match(pattern, otherTopic); return ok }
	switch {
	case s.Suffixed && s.Topics != nil: // the suffix is of the record, which the envelope may refuse before
		b.add("Other topic", "A header chooses the topic, if the route allows it.", 0, b.sample(), "content-type", jsonType, s.HeaderPrefix+"topic", otherTopic)
	case !b.may("topic"), s.Topics != nil && !slices.ContainsFunc(s.Topics, matches):
		b.add("Other topic", "The route does not let the client choose this topic.", b.refused(403), b.sample(), "content-type", jsonType, s.HeaderPrefix+"topic", otherTopic)
	default:
		b.add("Other topic", "A header chooses the topic.", 0, b.sample(), "content-type", jsonType, s.HeaderPrefix+"topic", otherTopic)
	}
	if b.may("headers") {
		b.add("Record headers", "Headers of the request become the record's; -bin says base64.", 0, b.sample(), "content-type", jsonType,
			s.HeaderPrefix+"header-trace", "7f3a", s.HeaderPrefix+"header-raw-bin", "AAEC/w==")
	}
	if b.may("dry-run") {
		b.add("Dry run", "What would be produced, where and why; nothing is.", 0, b.sample(), "content-type", jsonType, s.HeaderPrefix+"dry-run", "true")
	}
}

// methods are presets of other methods than the one that the rest uses.
func (b *builder) methods() {
	s := b.route.Summary
	allowed := func(m string) bool { return len(b.route.Methods) == 0 || slices.Contains(b.route.Methods, m) }
	if s.Tombstones && allowed("DELETE") && (b.may("key") || s.Key != "") {
		b.method = "DELETE"
		var key []string
		if s.Key == "" {
			key = []string{s.HeaderPrefix + "key", sampleKey}
		}
		b.add("Tombstone", "DELETE with a key produces null, which deletes the key from a compacted topic.", 0, "", key...)
	}
	if allowed("GET") {
		b.method = "GET"
		if s.WholeRequest {
			b.add("GET", "A request without a body is a record, too.", 0, "")
		} else {
			b.add("GET", "GET produces nothing.", 405, "")
		}
	}
}

// plainPath is a gjson path of names only.
var plainPath = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$`)

// sample is a JSON object that has something at the route's jsonkey.
func (b *builder) sample() string { return "{\n  " + strings.Join(b.fields(espresso), ",\n  ") + "\n}" }

// line is one in a line of its own.
func (b *builder) line(o order) string { return "{" + strings.Join(b.fields(o), ", ") + "}\n" }

func (b *builder) fields(o order) []string {
	var fields []string
	top := ""
	if path := b.route.Summary.JSONKey; plainPath.MatchString(path) {
		names := strings.Split(path, ".")
		top = names[0]
		value := strconv.Quote(o.key)
		for _, name := range slices.Backward(names[1:]) {
			value = "{" + strconv.Quote(name) + ": " + value + "}"
		}
		fields = append(fields, strconv.Quote(top)+": "+value)
	}
	for _, f := range []struct{ name, value string }{{"item", strconv.Quote(o.item)}, {"quantity", o.quantity}, {"total", o.total}} {
		if f.name != top {
			fields = append(fields, strconv.Quote(f.name)+": "+f.value)
		}
	}
	return fields
}
