// Package librdkafka is the binding of librdkafka for what a producer needs: [NewProducer], records and
// their reports in batches, metadata, transactions; and the table of its error codes, by which a
// report becomes a record.Error ([Undelivered]). The C library itself is linked by
// confluent-kafka-go. internal/producer/client calls it. [Simulation] is the library's broker for dev (internal/devbroker).
//
// It also knows librdkafka's configuration properties: their names, which are deprecated, which do
// something for a producer, and what librdkafka reads in a value ([Normalize]); the table and the
// reading are the linked library's own, see generate/. That is for telling people what is wrong with a
// property before librdkafka refuses it, one at a time and without saying what would be right. Which
// properties a route may set is internal/kafkaconf's.
package librdkafka

import (
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/kafkaupstream/kafkaupstream/internal/nearest"
)

//go:generate sh -c "go run ./generate > properties.tsv"

// table has a line a property: name, C/P, type, range or values, "deprecated",
// canonical name.
//
//go:embed properties.tsv
var table string

// Property is one of librdkafka's configuration properties.
type Property struct {
	Name string
	// Canonical is the name under which the library has it: Name, or what Name is an
	// alias of.
	Canonical  string
	Deprecated bool
	// ConsumerOnly properties do nothing for a producer.
	ConsumerOnly bool

	kind     string
	min, max int64
	values   []string
}

// The types of properties, as the library names them.
const (
	typeInteger = "integer"
	typeFloat   = "float"
	typeBoolean = "boolean"
	typeEnum    = "enum value"
	typeFlags   = "CSV flags"
	typeString  = "string"

	typePatterns = "pattern list"
)

var properties = sync.OnceValue(func() map[string]Property {
	all := map[string]Property{}
	for line := range strings.Lines(table) {
		p := parse(strings.TrimSuffix(line, "\n"))
		all[p.Name] = p
	}
	return all
})

// parse reads a line of the table, whose form the test guards.
func parse(line string) Property {
	columns := strings.Split(line, "\t")
	p := Property{
		Name: columns[0], ConsumerOnly: columns[1] == "C", kind: columns[2],
		Deprecated: columns[4] != "", Canonical: columns[0],
	}
	if columns[5] != "" {
		p.Canonical = columns[5]
	}
	switch p.kind {
	case typeInteger, typeFloat:
		lowest, highest, _ := strings.Cut(columns[3], " .. ")
		p.min, _ = strconv.ParseInt(lowest, 10, 64)
		p.max, _ = strconv.ParseInt(highest, 10, 64)
	case typeEnum, typeFlags:
		if columns[3] != "" {
			p.values = strings.Split(columns[3], ", ")
		}
	}
	return p
}

// Find returns the property of this name or alias.
func Find(name string) (Property, bool) {
	p, ok := properties()[name]
	return p, ok
}

// Names returns all names and aliases in alphabetical order.
func Names() []string { return slices.Sorted(maps.Keys(properties())) }

// java are properties of Kafka's Java clients that people bring along, and what
// does the same here.
var java = map[string]string{
	"buffer.memory":           "queue.buffering.max.kbytes takes its place",
	"key.serializer":          "a record is the request's bytes, nothing serializes it",
	"max.block.ms":            "the route's timeout_ms takes its place",
	"partitioner.class":       "partitioner takes its place",
	"sasl.jaas.config":        "sasl.username and sasl.password take its place",
	"ssl.keystore.type":       "ssl.keystore.location takes a PKCS#12 file, ssl.certificate.location and ssl.key.location take PEM files",
	"ssl.truststore.location": "ssl.ca.location takes its place, with a file of PEM certificates",
	"ssl.truststore.password": "ssl.ca.location takes a file of PEM certificates, which has no password",
	"ssl.truststore.type":     "ssl.ca.location takes a file of PEM certificates",
	"value.serializer":        "a record is the request's bytes, nothing serializes it",
}

// Unknown says of a name that is no property what was probably meant. It begins
// with "librdkafka has no such property".
func Unknown(name string) string {
	const none = "librdkafka has no such property"
	if instead, ok := java[name]; ok {
		return none + ", it is one of Kafka's Java client; " + instead
	}
	best := nearest.Name(name, Names(), len(name)/3+1)
	for _, longer := range Names() { // "linger" is far from linger.ms, letter by letter
		if best == "" && strings.HasPrefix(longer, name+".") {
			best = longer
		}
	}
	if best == "" { // its unit is left out
		best = nearest.Name(name+".ms", Names(), len(name)/3+1)
	}
	if best != "" {
		return fmt.Sprintf("%s; did you mean %q?", none, best)
	}
	return none + "; see CONFIGURATION.md of librdkafka"
}

// texts are the values of properties that the library calls strings, and of which this
// build knows these only. Letter case counts. Its documentation mentions this for sasl.mechanisms only
// when a producer is made.
var texts = map[string][]string{
	"partitioner":     {"random", "consistent", "consistent_random", "murmur2", "murmur2_random", "fnv1a", "fnv1a_random"},
	"sasl.mechanisms": {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"},
}

// IsText reports whether any text is a value of the property.
func (p Property) IsText() bool { return p.kind == typeString }

// expected is the error for a value that is refused. The value, which may be a secret, is
// not in it.
func (p Property) expected(value string) error {
	switch p.kind {
	case typeInteger:
		if p.Canonical == "request.required.acks" {
			return errors.New("expected all, 1 or 0")
		}
		return fmt.Errorf("expected an integer from %d to %d", p.min, p.max)
	case typeFloat:
		return fmt.Errorf("expected a number from %d to %d", p.min, p.max)
	case typeBoolean:
		return errors.New("expected true or false")
	case typeEnum:
		return oneOf(p.values, value)
	case typeFlags:
		return oneOf(p.values, p.strange(value))
	case typePatterns:
		return errors.New("expected regular expressions, separated by commas")
	case typeString:
		if known := texts[p.Canonical]; known != nil {
			return oneOf(known, value)
		}
		return errors.New("this build of librdkafka does not have it")
	}
	return errors.New("it can only be set by a program")
}

// strange is the first of a list of flags that is none.
func (p Property) strange(list string) string {
	for flag := range strings.SplitSeq(list, ",") {
		flag = strings.TrimLeft(strings.TrimSpace(flag), "+-")
		if flag != "" && !slices.ContainsFunc(p.values, func(v string) bool { return strings.EqualFold(v, flag) }) {
			return flag
		}
	}
	return ""
}

// oneOf is the error for what is none of the values.
func oneOf(values []string, value string) error {
	best := nearest.Name(value, values, len(value)/3+2)
	for _, v := range values {
		if strings.EqualFold(v, strings.TrimSpace(value)) {
			best = v
		}
	}
	hint := ""
	if best != "" {
		hint = fmt.Sprintf("; did you mean %q?", best)
	}
	return fmt.Errorf("expected one of %s%s", strings.Join(values, ", "), hint)
}
