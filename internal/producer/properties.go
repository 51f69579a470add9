package producer

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
)

// Properties are librdkafka's configuration properties, name to value.
type Properties map[string]string

// aliases are librdkafka's other names of properties that this package looks at.
var aliases = map[string]string{
	"metadata.broker.list":     "bootstrap.servers",
	"request.required.acks":    "acks",
	"message.send.max.retries": "retries",
	"queue.buffering.max.ms":   "linger.ms",
	"max.in.flight":            "max.in.flight.requests.per.connection",
	"compression.codec":        "compression.type",
	"delivery.timeout.ms":      "message.timeout.ms",
	"sasl.mechanism":           "sasl.mechanisms",
	// The Java client's. Both bound a record before it is compressed.
	"max.request.size": "message.max.bytes",
}

// java are properties that only the Java client has, and what stands for them here.
var java = map[string]string{
	"key.serializer": "", "value.serializer": "", "partitioner.class": "partitioner",
	"max.block.ms": "the route's timeout_ms", "buffer.memory": "queue.buffering.max.kbytes",
	"sasl.jaas.config":        "sasl.username and sasl.password",
	"ssl.truststore.location": "ssl.ca.location",
	"ssl.truststore.password": "ssl.ca.location",
}

// isSecret tells of the properties whose values no log line may carry.
func isSecret(name string) bool {
	for _, part := range []string{"password", "passphrase", "secret", "key.pem", "ssl_key", "jaas", "oauthbearer.config"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

const (
	// defaultMessageMaxBytes is librdkafka's own.
	defaultMessageMaxBytes = 1000000
	// defaultQueueKbytes bounds the records that wait in one producer's memory;
	// librdkafka's own is 1 GiB.
	defaultQueueKbytes = 128 << 10
	// acknowledgedRetries makes a broker's refusal that passes, such as too few
	// replicas, known within about four seconds (librdkafka waits 0.1, 0.2, 0.4,
	// 0.8, 1, 1 s between). librdkafka's own is to retry for message.timeout.ms.
	acknowledgedRetries = 6
	// defaultBatchBytes bounds a batch: a topic's limit is one of batches, and a record
	// must not be refused for its neighbours. librdkafka's own, 1 MB, is larger than
	// what some topics take; the Java client's is 16 kB.
	defaultBatchBytes = 128 << 10
)

// Refused returns why a property may not be set, "" when it may.
func Refused(name string) string {
	instead, isJava := java[name]
	switch {
	case isJava && instead == "":
		return "it is the Java client's; a record's bytes are produced as they are"
	case isJava:
		return "it is the Java client's; here it is " + instead
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
	if c, ok := aliases[name]; ok {
		return c
	}
	return name
}

// Effective returns what librdkafka is given for a route: its properties, under
// their canonical names, over this project's defaults.
func Effective(route Properties, mode Mode) (Properties, error) {
	props := Properties{}
	for name, value := range route {
		c := Canonical(name)
		if other, ok := props[c]; ok && other != value {
			return nil, fmt.Errorf("%s is given twice, under two names, with different values", c)
		}
		props[c] = value
	}
	if props["bootstrap.servers"] == "" {
		return nil, fmt.Errorf("bootstrap.servers is missing")
	}
	maxBytes, err := MessageMaxBytes(props)
	if err != nil {
		return nil, err
	}
	defaults := Properties{
		"client.id":                  "kafkaupstream",
		"partitioner":                "murmur2_random",
		"reconnect.backoff.max.ms":   "500",
		"queue.buffering.max.kbytes": strconv.Itoa(max(defaultQueueKbytes, 2*maxBytes>>10)),
		"linger.ms":                  "5",
		"batch.size":                 strconv.Itoa(defaultBatchBytes),
	}
	switch mode {
	case Sync:
		defaults["linger.ms"] = "0"
		defaults["retries"] = strconv.Itoa(acknowledgedRetries)
	case Durable:
		defaults["linger.ms"] = "0"
		defaults["message.timeout.ms"] = "0" // never: an idempotent producer then makes no duplicate
		// With more, a batch that a broker refuses for a moment and the one behind it,
		// which it takes, make a gap. librdkafka then raises the producer's epoch, and
		// numbers anew what other partitions wait to repeat after a broken connection:
		// the broker takes it for new records.
		defaults["max.in.flight.requests.per.connection"] = "1"
	}
	if mode == Transactional {
		if !idempotencePossible(props) || props["enable.idempotence"] == "false" {
			return nil, fmt.Errorf("transactions need acks=all, retries, max.in.flight of 5 or less, and enable.idempotence")
		}
		defaults["linger.ms"] = "0"
	}
	if idempotencePossible(props) {
		defaults["enable.idempotence"] = "true"
	}
	if v, err := strconv.Atoi(props["reconnect.backoff.ms"]); err == nil && v > 500 {
		delete(defaults, "reconnect.backoff.max.ms")
	}
	maps.Copy(defaults, props)
	return defaults, nil
}

// idempotencePossible tells whether librdkafka accepts enable.idempotence beside
// what the route sets.
func idempotencePossible(p Properties) bool {
	if acks, ok := p["acks"]; ok && acks != "all" && acks != "-1" {
		return false
	}
	if n, err := strconv.Atoi(p["max.in.flight.requests.per.connection"]); err == nil && n > 5 {
		return false
	}
	if n, err := strconv.Atoi(p["retries"]); err == nil && n < 1 {
		return false
	}
	return p["queuing.strategy"] != "lifo"
}

// MessageMaxBytes returns the largest record the producer takes, in bytes.
func MessageMaxBytes(p Properties) (int, error) {
	v, ok := p["message.max.bytes"]
	if !ok {
		return defaultMessageMaxBytes, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1000 || n > 1000000000 {
		return 0, fmt.Errorf("message.max.bytes: expected an integer from 1000 to 1000000000")
	}
	return n, nil
}
