package routeconf

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/librdkafka"
	"github.com/kafkaupstream/kafkaupstream/internal/secrets"
)

// Findings are all that is to be said of a configuration.
type Findings struct {
	// Problems keep the route from being served: its requests are answered 500, or would
	// be answered 503 for ever.
	Problems []Problem
	// Warnings are about what works otherwise than it looks.
	Warnings []Problem
}

// Err joins the problems, nil when there are none.
func (f Findings) Err() error {
	var all []error
	for _, p := range f.Problems {
		all = append(all, p)
	}
	return errors.Join(all...)
}

// Lint reads a configuration, the JSON text under the plugin's value, and says all that
// is wrong or doubtful about it. The route is nil when there is a problem. It connects to
// nothing and reads no file: the plugin calls it when it loads a route, and `check` and
// `route` before that.
func Lint(text []byte, limits Limits) (*Route, Findings) {
	c := newConfigReader(limits)
	fields, err := readObject(text)
	if err != nil {
		return nil, Findings{Problems: []Problem{{"", err.Error()}}}
	}
	c.readKeys("", fields, configKeys)
	c.finish()
	c.doubts()
	c.doubtReferences("", fields)
	if len(c.findings.Problems) > 0 {
		return nil, c.findings
	}
	route := c.route // alone: a gateway has thousands, and the reader is no more than that
	return &route, c.findings
}

// connect makes the route's connection of its properties.
func (c *configReader) connect() {
	if err := kafkaconf.Check(c.properties, c.route.Mode); err != nil {
		c.invalid(err)
		return
	}
	conn, err := kafkaconf.New(c.properties, c.route.Mode)
	if err != nil {
		c.invalid(err)
		return
	}
	c.route.Conn = conn
	if !c.maxBodySet {
		c.route.MaxBody = min(conn.MessageMaxBytes, c.limits.Body)
	}
	if len(c.findings.Problems) > 0 {
		return
	}
	if refusal := kafkaconf.Together(conn.Properties()); refusal != "" {
		path := "config"
		for _, name := range slices.Sorted(maps.Keys(c.paths)) {
			if strings.Contains(refusal, fmt.Sprintf("%q", kafkaconf.Canonical(name))) {
				path = c.paths[name]
			}
		}
		c.problem(path, "librdkafka refuses it: %s", refusal)
	}
}

// invalid says where in the configuration the properties are that cannot be used.
func (c *configReader) invalid(err error) {
	all, _ := errors.AsType[kafkaconf.InvalidError](err)
	for _, i := range all {
		path, given := c.paths[i.Name]
		switch {
		case given:
		case i.Name == "":
			path = "config"
		case c.unread[i.Name]:
			continue // it is missing only because its form is wrong, which is said already
		default:
			path = "config." + i.Name
		}
		c.problem(path, "%s", i.Why)
	}
}

func (c *configReader) warn(path, format string, args ...any) {
	c.findings.Warnings = append(c.findings.Warnings, Problem{path, fmt.Sprintf(format, args...)})
}

// doubts looks for what works otherwise than it looks.
func (c *configReader) doubts() {
	given, _ := kafkaconf.Read(c.properties)
	for _, name := range slices.Sorted(maps.Keys(given.Values)) {
		c.doubtProperty(name, given)
	}
	c.doubtSecurity(given)
	if language, nearest := foreignPath(c.route.JSONKey); language != "" {
		c.warn("jsonkey", "it looks like %s; jsonkey is a gjson path, and this one finds no key in most bodies%s", language, nearest)
	}
	for o, text := range map[Override]*Template{OverrideTopic: &c.route.TopicText, OverrideKey: &c.route.Key} {
		for _, name := range text.Variables() {
			if c.route.Allowed[o] && strings.HasPrefix(name, "consumer_") {
				c.warn(OverrideNames[o], "a client's header %s goes before $%s; leave %s out of overrides to bind it to the consumer", c.route.HeaderNames[o], name, OverrideNames[o])
			}
		}
	}
	for _, secret := range []string{"authorization", "cookie", "proxy-authorization"} {
		if c.route.InEnvelope(secret) {
			c.warn("envelope_headers", "it takes the header %s: whoever reads the topic can act for the client", secret)
			break
		}
	}
	if conn := c.route.Conn; conn != nil && c.route.MaxBody > conn.MessageMaxBytes {
		c.warn("max_body_bytes", "the producer takes %d bytes at most (message.max.bytes): a larger body is fetched and then refused with 413", conn.MessageMaxBytes)
	}
}

// doubtProperty looks at one property; name is its canonical name.
func (c *configReader) doubtProperty(name string, given kafkaconf.Given) {
	asGiven := given.Names[name]
	path, value := c.paths[asGiven], given.Values[name]
	p, _ := librdkafka.Find(name)
	switch {
	case p.Deprecated:
		c.warn(path, "it is deprecated, and there for old configurations only; remove it")
	case p.ConsumerOnly:
		c.warn(path, "it is a consumer's and has no effect on a producer; remove it")
	case !secrets.IsReference(value) && p.Misread(c.properties[asGiven], value):
		c.warn(path, "librdkafka reads it as %s", value)
	}
	if name != "bootstrap.servers" {
		return
	}
	brokers := given.Brokers()
	if !slices.ContainsFunc(brokers, func(b kafkaconf.Broker) bool { return !b.Unusable }) {
		return // that is a problem, and said
	}
	for i, b := range brokers {
		if b.Wrong != "" {
			c.warn(path, "address %d of %d: %s", i+1, len(brokers), b.Wrong)
		}
	}
}

// doubtSecurity looks at properties that say how to reach the cluster and log in.
func (c *configReader) doubtSecurity(given kafkaconf.Given) {
	protocol := given.Values.Protocol()
	if secrets.IsReference(protocol) {
		return
	}
	tls, login := given.Values.UsesTLS(), given.Values.UsesSASL()
	path := func(name string) string { return c.paths[given.Names[name]] }
	for _, name := range slices.Sorted(maps.Keys(given.Values)) {
		switch {
		case strings.HasPrefix(name, "ssl.") && !tls:
			c.warn(path(name), "it has no effect while security.protocol is %s; ssl or sasl_ssl uses TLS", protocol)
		case strings.HasPrefix(name, "sasl.") && !login:
			c.warn(path(name), "it has no effect while security.protocol is %s; sasl_ssl or sasl_plaintext logs in", protocol)
		}
	}
	const verify = "enable.ssl.certificate.verification"
	if tls && given.Values[verify] == "false" {
		c.warn(path(verify), "anybody can pose as the broker; name its CA in ssl.ca.location instead")
	}
	if protocol == "sasl_plaintext" && given.Values["sasl.mechanisms"] == "PLAIN" {
		c.warn(path("security.protocol"), "the password crosses the network as it is; sasl_ssl encrypts it, the SCRAM mechanisms never send it")
	}
}

var (
	// subscript is an element of a list or an object as JSONPath has it, behind a name or
	// at the root. gjson has brackets around lists of paths and behind #(.
	subscript = regexp.MustCompile(`([\w\])])\[(?:(\d+)|'([^']*)'|"([^"]*)"|(\*))\]`)
	plainPath = regexp.MustCompile(`^[\w-]+(\.([\w-]+|#))*$`)
)

// foreignPath returns the language of a path that is none of gjson's, "" for another
// path, and what to write instead, if that is plain.
func foreignPath(path string) (language, nearest string) {
	gjson := ""
	switch {
	case strings.HasPrefix(path, "/"):
		language, gjson = "a JSON pointer", strings.ReplaceAll(path[1:], "/", ".")
	case path == "$", strings.HasPrefix(path, "$."), strings.HasPrefix(path, "$["),
		!strings.Contains(path, "#(") && subscript.MatchString(path):
		language, gjson = "JSONPath", "r"+strings.TrimPrefix(path, "$")
		if !strings.HasPrefix(path, "$") {
			gjson = "r." + path
		}
		for before := ""; before != gjson; { // neighbours overlap
			before = gjson
			gjson = strings.ReplaceAll(subscript.ReplaceAllString(gjson, "$1.$2$3$4$5"), ".*", ".#")
		}
		gjson = strings.TrimPrefix(strings.TrimPrefix(gjson, "r"), ".")
	default:
		return "", ""
	}
	if plainPath.MatchString(gjson) {
		nearest = fmt.Sprintf("; did you mean %q?", gjson)
	}
	return language, nearest
}
