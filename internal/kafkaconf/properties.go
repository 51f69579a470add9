package kafkaconf

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/kafkaupstream/kafkaupstream/internal/librdkafka"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/internal/secrets"
)

// Properties are librdkafka's configuration properties, name to value.
type Properties map[string]string

// preferred are the names that this project has for librdkafka's own, where that has
// several.
var preferred = map[string]string{
	"metadata.broker.list":     "bootstrap.servers",
	"request.required.acks":    "acks",
	"message.send.max.retries": "retries",
	"queue.buffering.max.ms":   "linger.ms",
	"compression.codec":        "compression.type",
	// The Java client's. Both bound a record before it is compressed.
	"max.request.size": "message.max.bytes",
}

// isSecret reports the properties whose values no log line may carry.
func isSecret(name string) bool {
	for _, part := range []string{"password", "passphrase", "secret", "key.pem", "ssl_key", "jaas", "oauthbearer.config"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

// servers is the property that no route can do without.
const servers = "bootstrap.servers"

const (
	// defaultMessageMaxBytes is librdkafka's own.
	defaultMessageMaxBytes = 1000000
	// defaultQueueKbytes bounds the records that wait in one producer's memory;
	// librdkafka's own is 1 GiB.
	defaultQueueKbytes = 128 << 10
	// acknowledgedRetries makes a broker's refusal that passes, such as too few
	// replicas, known within about four seconds (librdkafka waits 0.1, 0.2, 0.4,
	// 0.8, 1, 1 s between). librdkafka's own is to retry for message.timeout.ms:
	// a record could then arrive minutes after its client got an error.
	acknowledgedRetries = 6
	// defaultBatchBytes bounds a batch: a topic's limit is one of batches, and a record
	// must not be refused for its neighbours. librdkafka's own, 1 MB, is larger than
	// what some topics take; the Java client's is 16 kB.
	defaultBatchBytes = 128 << 10
)

// Refused returns why a property may not be set, "" when it may.
func Refused(name string) string {
	switch {
	case strings.HasPrefix(name, "go."):
		return "it configures the Go client, which is this program's own business"
	case strings.HasPrefix(name, "test.mock."):
		return "it replaces the brokers by a simulation"
	case name == "plugin.library.paths", name == "ssl.engine.location", name == "ssl.providers":
		return "it loads code into this program"
	case name == "transactional.id":
		return "every record would have to be in a transaction"
	case name == "delivery.report.only.error", name == "dr_msg_cb", name == "dr_cb":
		return "this program needs the delivery reports"
	case strings.HasSuffix(name, "_cb"), strings.HasSuffix(name, "_callback_data"),
		name == "opaque", name == "interceptors", name == "default_topic_conf", name == "enabled_events",
		name == "log.queue":
		return "it can only be set by a program"
	}
	return ""
}

// Canonical returns the one name of a property that has several.
func Canonical(name string) string {
	if p, ok := librdkafka.Find(name); ok {
		name = p.Canonical
	}
	if c, ok := preferred[name]; ok {
		return c
	}
	return name
}

// Value returns what librdkafka reads in a property's value, in its own spelling; see
// [librdkafka.Normalize]. A reference to a secret stays one. The error has nothing of
// the value.
func Value(name, value string) (string, error) {
	if why := Refused(name); why != "" {
		return "", fmt.Errorf("it may not be set: %s", why)
	}
	c := Canonical(name)
	if _, known := librdkafka.Find(c); known && secrets.IsReference(value) {
		return value, nil
	}
	return librdkafka.Normalize(c, value)
}

// Invalid is a property that cannot be used.
type Invalid struct {
	Name string // as the route has it, if it has it; "": it is about several
	Why  string // never a value
}

// InvalidError is all that is wrong with a route's properties.
type InvalidError []Invalid

func (e InvalidError) Error() string {
	var all []string
	for _, i := range e {
		all = append(all, strings.TrimPrefix(i.Name+": "+i.Why, ": "))
	}
	return strings.Join(all, "; ")
}

// Given are a route's properties as librdkafka reads them.
type Given struct {
	Values Properties        // by canonical name
	Names  map[string]string // the route's name for each canonical one
}

// Read returns the properties that are good each for itself, and what is wrong with the
// others.
func Read(route Properties) (given Given, invalid []Invalid) {
	given = Given{Properties{}, map[string]string{}}
	for _, name := range slices.Sorted(maps.Keys(route)) {
		value, err := Value(name, route[name])
		if err != nil {
			invalid = append(invalid, Invalid{name, err.Error()})
			continue
		}
		c := Canonical(name)
		if other, twice := given.Values[c]; twice && other != value {
			invalid = append(invalid, Invalid{"", c + " is given twice, under two names, with different values"})
			continue
		}
		given.Values[c], given.Names[c] = value, name
	}
	unread := func(i Invalid) bool { return Canonical(i.Name) == servers }
	if given.Values[servers] == "" && !slices.ContainsFunc(invalid, unread) {
		invalid = append(invalid, Invalid{servers, "it is missing"})
	}
	return given, invalid
}

// Check returns an [InvalidError] with all that is wrong with a route's properties in the
// mode, or nil. What references stand for is not known here: see [Connection.Resolve].
func Check(route Properties, mode record.Mode) error {
	given, invalid := Read(route)
	if invalid = append(invalid, given.contradictions(mode)...); len(invalid) > 0 {
		return InvalidError(invalid)
	}
	return nil
}

// known returns a property's value, "" for a reference to one that is not known yet.
func (p Properties) known(name string) string {
	if secrets.IsReference(p[name]) {
		return ""
	}
	return p[name]
}

// Effective returns what librdkafka is given for a route: its properties, under their
// canonical names and as librdkafka reads them, over this project's defaults. The error
// is an [InvalidError]: a property cannot be read. What else [Check] says is not looked at.
func Effective(route Properties, mode record.Mode) (Properties, error) {
	given, invalid := Read(route)
	if len(invalid) > 0 {
		return nil, InvalidError(invalid)
	}
	props := given.Values
	if mode != (record.Mode{}) && props["acks"] == "0" {
		// The records of an async route that are still queued at its end go to the disk,
		// and from there they are sent with acknowledgements, whatever the route has.
		delete(props, "acks")
	}
	defaults := Properties{
		"client.id":                  "kafkaupstream",
		"partitioner":                "murmur2_random",
		"reconnect.backoff.max.ms":   "500",
		"queue.buffering.max.kbytes": strconv.Itoa(max(defaultQueueKbytes, 2*messageMaxBytes(props)>>10)),
		"linger.ms":                  "5",
		"batch.size":                 strconv.Itoa(defaultBatchBytes),
	}
	switch {
	case mode.Transactional:
		defaults["linger.ms"] = "0"
	case mode.Delivery == record.Sync:
		defaults["linger.ms"] = "0"
		defaults["retries"] = strconv.Itoa(acknowledgedRetries)
	case mode.Delivery == record.Durable:
		defaults["linger.ms"] = "0"
		defaults["message.timeout.ms"] = "0" // never: an idempotent producer then makes no duplicate
		// With more, a batch that a broker refuses for a moment and the one behind it,
		// which it takes, make a gap. librdkafka then raises the producer's epoch, and
		// numbers anew what other partitions wait to repeat after a broken connection:
		// the broker takes it for new records.
		defaults["max.in.flight.requests.per.connection"] = "1"
	}
	if props.againstIdempotence() == "" {
		defaults["enable.idempotence"] = "true"
	}
	if v, err := strconv.Atoi(props["reconnect.backoff.ms"]); err == nil && v > 500 {
		delete(defaults, "reconnect.backoff.max.ms")
	}
	maps.Copy(defaults, props)
	if linger, err := strconv.ParseFloat(defaults["linger.ms"], 64); err == nil && linger < stickyMs/2 && defaults[stickyTime] == "" {
		defaults[stickyTime] = strconv.Itoa(stickyMs)
	}
	return defaults, nil
}

// Records without a key go to one partition for a while, and then to another: those that come
// together make one batch. librdkafka makes that while twice linger.ms, so that without a
// linger each record is a batch of its own: at 32 waiting senders and 12 partitions that is
// two to three times the CPU time and a quarter of the records/s (docs/performance.md).
const (
	stickyTime = "sticky.partitioning.linger.ms"
	stickyMs   = 10 // what librdkafka has for its own linger.ms, 5
)

// contradictions returns what is wrong with the properties together, or in the mode.
func (g Given) contradictions(mode record.Mode) (invalid []Invalid) {
	problem := func(canonical, format string, args ...any) {
		name, given := g.Names[canonical]
		if !given {
			name = canonical
		}
		invalid = append(invalid, Invalid{name, fmt.Sprintf(format, args...)})
	}
	p := g.Values
	if secrets.IsReference(p["message.max.bytes"]) {
		problem("message.max.bytes", "it cannot be a reference: the route's own limits depend on it")
	}
	switch acks := p.known("acks"); {
	case acks == "0" && mode.Delivery != record.Async && !mode.Transactional:
		problem("acks", "%s delivery needs acknowledgements: all, or 1", mode)
	case acks != "" && acks != "-1" && acks != "0" && acks != "1":
		problem("acks", "expected all, 1 or 0; Kafka refuses other numbers")
	}
	if mode.Transactional {
		name := p.againstIdempotence()
		if p.known("enable.idempotence") == "false" {
			name = "enable.idempotence"
		}
		if name != "" {
			problem(name, "transactions need acks=all, retries, max.in.flight of 5 or less, queuing.strategy=fifo, and enable.idempotence")
		}
	}
	g.checkBrokers(problem)
	g.checkLogin(problem)
	return invalid
}

// checkBrokers looks for an address that can be one of a broker.
func (g Given) checkBrokers(problem func(canonical, format string, args ...any)) {
	brokers := g.Brokers()
	if slices.ContainsFunc(brokers, func(b Broker) bool { return !b.Unusable }) {
		return
	}
	for _, b := range brokers {
		problem(servers, "%s", b.Wrong)
	}
	if len(brokers) == 0 && g.Values.known(servers) != "" {
		problem(servers, "it names no broker")
	}
}

// Protocol returns security.protocol of properties as librdkafka reads them. A reference
// to it stays one.
func (p Properties) Protocol() string { return cmp.Or(p["security.protocol"], "plaintext") }

// UsesTLS reports whether security.protocol is ssl or sasl_ssl.
func (p Properties) UsesTLS() bool { return strings.HasSuffix(p.Protocol(), "ssl") }

// UsesSASL reports whether security.protocol is sasl_plaintext or sasl_ssl.
func (p Properties) UsesSASL() bool { return strings.HasPrefix(p.Protocol(), "sasl_") }

// Brokers returns the entries of bootstrap.servers; none where a reference stands for it.
func (g Given) Brokers() []Broker {
	protocol := g.Values.Protocol()
	if secrets.IsReference(protocol) {
		protocol = ""
	}
	return Brokers(g.Values.known(servers), protocol)
}

// oauthSources are what gives OAUTHBEARER its tokens.
const oauthSources = "sasl.oauthbearer.method=oidc with a client's id and secret and sasl.oauthbearer.token.endpoint.url; AWS MSK IAM is not offered yet"

// checkLogin looks at what a log-in cannot do without.
func (g Given) checkLogin(problem func(canonical, format string, args ...any)) {
	if !g.Values.UsesSASL() {
		return
	}
	const method, unsecure, metadata = "sasl.oauthbearer.method", "enable.sasl.oauthbearer.unsecure.jwt", "sasl.oauthbearer.metadata.authentication.type"
	switch p := g.Values; {
	case p["sasl.mechanisms"] == "":
		problem("sasl.mechanisms", "it is missing: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER")
	case p["sasl.mechanisms"] != "OAUTHBEARER" || secrets.IsReference(p[method]) || secrets.IsReference(p[unsecure]):
	case p[metadata] == "aws_iam":
		problem(metadata, "AWS MSK IAM is not offered yet: librdkafka gets no token by it")
	case p[method] != "oidc" && p[unsecure] != "true":
		problem("sasl.mechanisms", "OAUTHBEARER has no source of a token: %s", oauthSources)
	}
}

// againstIdempotence returns the property that keeps librdkafka from being idempotent, ""
// where it can be. A reference may do so.
func (p Properties) againstIdempotence() string {
	if acks, ok := p["acks"]; ok && acks != "-1" {
		return "acks"
	}
	const inFlight = "max.in.flight.requests.per.connection"
	if n, err := strconv.Atoi(p[inFlight]); p[inFlight] != "" && (err != nil || n > 5) {
		return inFlight
	}
	if n, err := strconv.Atoi(p["retries"]); p["retries"] != "" && (err != nil || n < 1) {
		return "retries"
	}
	if s, ok := p["queuing.strategy"]; ok && s != "fifo" {
		return "queuing.strategy"
	}
	return ""
}

// messageMaxBytes returns the largest record the producer takes, in bytes.
func messageMaxBytes(p Properties) int {
	if n, err := strconv.Atoi(p["message.max.bytes"]); err == nil {
		return n
	}
	return defaultMessageMaxBytes
}

// Together returns what librdkafka has against effective properties that are good each
// for itself, "" for nothing. It connects to nothing and reads no file.
func Together(effective Properties) string {
	props := map[string]string{}
	for name, value := range effective {
		p, _ := librdkafka.Find(name)
		switch {
		case name == "bootstrap.servers", name == "log_level", name == "debug", strings.HasPrefix(name, "ssl."):
			continue
		case secrets.IsReference(value) && p.IsText():
			value = "x"
		case secrets.IsReference(value):
			continue
		}
		props[name] = value
	}
	// With TLS, librdkafka would read the system's certificates; with OAUTHBEARER it
	// would fetch a token.
	switch {
	case props["sasl.mechanisms"] == "OAUTHBEARER", props["security.protocol"] == "ssl":
		props["security.protocol"] = "plaintext"
	case props["security.protocol"] == "sasl_ssl":
		props["security.protocol"] = "sasl_plaintext"
	}
	return Redactor(effective)(librdkafka.Together(props))
}
