// Package librdkafka knows librdkafka's configuration properties: their names, what
// they may be, which are deprecated, and which do something for a producer. The
// table is the linked library's own, see generate/.
//
// It is for telling people what is wrong with a property before librdkafka refuses
// it, one at a time and without saying what would be right. It sets nothing and
// connects to nothing; which properties a route may set is internal/producer's.
// internal/check calls it, and internal/producer for what it logs.
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
	"max.request.size":        "message.max.bytes takes its place",
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
	if best != "" {
		return fmt.Sprintf("%s; did you mean %q?", none, best)
	}
	return none + "; see CONFIGURATION.md of librdkafka"
}

// texts are the values of properties that the library calls strings, and of which this
// build knows these only. Letter case counts.
var texts = map[string][]string{
	"partitioner":     {"random", "consistent", "consistent_random", "murmur2", "murmur2_random", "fnv1a", "fnv1a_random"},
	"sasl.mechanisms": {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"},
}

// IsText tells whether any text is a value of the property.
func (p Property) IsText() bool { return p.kind == typeString }

// Check returns what is wrong with a value, and what is allowed. Most texts are not
// looked into, and the value, which may be a secret, is in no error.
func (p Property) Check(value string) error {
	switch p.kind {
	case typeInteger:
		return p.checkInteger(value)
	case typeFloat:
		if f, err := strconv.ParseFloat(value, 64); err != nil || f < float64(p.min) || f > float64(p.max) {
			return fmt.Errorf("expected a number from %d to %d", p.min, p.max)
		}
	case typeBoolean:
		switch strings.ToLower(value) {
		case "true", "t", "1", "false", "f", "0":
		default:
			return errors.New("expected true or false")
		}
	case typeEnum:
		return p.checkValue(value)
	case typeFlags:
		return p.checkFlags(value)
	case typeString:
		if p.values = texts[p.Canonical]; p.values != nil && !slices.Contains(p.values, value) {
			return p.expected(value)
		}
	}
	return nil
}

func (p Property) checkInteger(value string) error {
	all := p.Canonical == "request.required.acks"
	if all && value == "all" {
		return nil
	}
	n, err := strconv.ParseInt(value, 0, 64)
	if err == nil && n >= p.min && n <= p.max {
		return nil
	}
	if all {
		return errors.New("expected all, 1 or 0")
	}
	return fmt.Errorf("expected an integer from %d to %d", p.min, p.max)
}

func (p Property) checkValue(value string) error {
	if slices.ContainsFunc(p.values, func(v string) bool { return strings.EqualFold(v, value) }) {
		return nil
	}
	return p.expected(value)
}

// expected is the error for what is none of the values.
func (p Property) expected(value string) error {
	best := nearest.Name(value, p.values, len(value)/3+2)
	for _, v := range p.values {
		if strings.EqualFold(v, value) {
			best = v
		}
	}
	hint := ""
	if best != "" {
		hint = fmt.Sprintf("; did you mean %q?", best)
	}
	return fmt.Errorf("expected one of %s%s", strings.Join(p.values, ", "), hint)
}

func (p Property) checkFlags(value string) error {
	if len(p.values) == 0 {
		return nil
	}
	for flag := range strings.SplitSeq(value, ",") {
		if flag = strings.TrimSpace(flag); flag == "" {
			continue
		}
		if err := p.checkValue(strings.TrimLeft(flag, "+-")); err != nil {
			return err
		}
	}
	return nil
}
