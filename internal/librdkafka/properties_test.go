package librdkafka

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

func TestTheTableIsThatOfTheLinkedLibrary(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "run", "./generate").Output()
	if err != nil {
		t.Fatal(err)
	}
	if string(out) != table {
		t.Error("properties.tsv is not what go generate writes")
	}
}

// set asks librdkafka to take a property, and returns its refusal. What is beside it
// makes no producer, and is refused only when all properties have been taken.
func set(name, value string) error {
	conf := kafka.ConfigMap{"log_level": 0, "security.protocol": "sasl_plaintext", "sasl.mechanisms": "PLAIN", name: value}
	made, err := kafka.NewProducer(&conf)
	if err == nil {
		made.Close()
		return nil
	}
	p, _ := Find(name)
	for _, quoted := range []string{`"` + name + `"`, `"` + p.Canonical + `"`, "Invalid value"} {
		if strings.Contains(err.Error(), quoted) {
			return err
		}
	}
	return nil
}

// settable leaves out what only a program sets, and what this library was built without.
func settable(p Property) bool {
	switch p.Name {
	case "ssl.engine.location", "ssl.providers", "plugin.library.paths", "interceptors", "builtin.features", "default_topic_conf":
		return false
	}
	return p.kind != "see dedicated API" && !strings.HasPrefix(p.Name, "sasl.kerberos")
}

func TestLibrdkafkaKnowsEachName(t *testing.T) {
	for _, name := range Names() {
		p, _ := Find(name)
		if !settable(p) {
			continue
		}
		if err := set(name, "1"); err != nil && strings.Contains(err.Error(), "No such configuration property") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := set("linger.mss", "1"); err == nil || !strings.Contains(err.Error(), "No such configuration property") {
		t.Errorf("librdkafka takes a property that there is not: %v", err)
	}
}

func TestLibrdkafkaAndCheckAgreeOnValues(t *testing.T) {
	for _, name := range Names() {
		p, _ := Find(name)
		if !settable(p) {
			continue
		}
		var values []string
		switch p.kind {
		case typeInteger:
			values = []string{"x", "", fmt.Sprint(p.min), fmt.Sprint(p.max), fmt.Sprint(p.min - 1), fmt.Sprint(p.max + 1), "0x10", "all"}
		case typeString:
			if name == "partitioner" { // of the mechanisms, librdkafka says it later
				values = append([]string{"murmur", "RANDOM"}, texts[name]...)
			}
		case typeFloat:
			values = []string{fmt.Sprint(p.min), fmt.Sprint(p.max)}
		case typeBoolean:
			values = []string{"true", "FALSE", "t", "0", "1", "yes", "2", "on"}
		case typeEnum, typeFlags:
			values = append([]string{"nonsense", "1 "}, p.values...)
			if len(p.values) > 0 {
				values = append(values, strings.ToUpper(p.values[0]))
			}
		}
		for _, value := range values {
			mine, theirs := p.Check(value), set(name, value)
			if (mine == nil) != (theirs == nil) {
				t.Errorf("%s=%q: %v here, %v there", name, value, mine, theirs)
			}
		}
	}
}

func TestWhatIsSaidOfAProperty(t *testing.T) {
	for name, want := range map[string]string{
		"linger.mss":              `librdkafka has no such property; did you mean "linger.ms"?`,
		"bootstrap_servers":       `librdkafka has no such property; did you mean "bootstrap.servers"?`,
		"Compression.Typ":         `librdkafka has no such property; did you mean "compression.type"?`,
		"linger":                  `librdkafka has no such property; did you mean "linger.ms"?`,
		"whatever":                "librdkafka has no such property; see CONFIGURATION.md of librdkafka",
		"max.request.size":        "librdkafka has no such property, it is one of Kafka's Java client; message.max.bytes takes its place",
		strings.Repeat("k", 1000): "librdkafka has no such property; see CONFIGURATION.md of librdkafka",
	} {
		if got := Unknown(name); got != want {
			t.Errorf("%.40s: %s", name, got)
		}
	}
	for _, c := range []struct{ name, value, want string }{
		{"linger.ms", "5s", "expected a number from 0 to 900000"},
		{"acks", "none", "expected all, 1 or 0"},
		{"compression.type", "gzipp", `expected one of none, gzip, snappy, lz4, zstd; did you mean "gzip"?`},
		{"security.protocol", "tls", "expected one of plaintext, ssl, sasl_plaintext, sasl_ssl"},
		{"sasl.mechanism", "scram-sha-512", `expected one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER; did you mean "SCRAM-SHA-512"?`},
		{"sasl.mechanisms", "GSSAPI", "expected one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER"},
		{"partitioner", "murmur2_randm", `expected one of random, consistent, consistent_random, murmur2, murmur2_random, fnv1a, fnv1a_random; did you mean "murmur2_random"?`},
		{"enable.idempotence", "yes", "expected true or false"},
	} {
		p, _ := Find(c.name)
		if err := p.Check(c.value); err == nil || err.Error() != c.want {
			t.Errorf("%s=%s: %v", c.name, c.value, err)
		}
	}
	for name, want := range map[string]Property{
		"group.id":                        {Name: "group.id", ConsumerOnly: true},
		"topic.metadata.refresh.fast.cnt": {Name: "topic.metadata.refresh.fast.cnt", Deprecated: true},
	} {
		if p, ok := Find(name); !ok || p.ConsumerOnly != want.ConsumerOnly || p.Deprecated != want.Deprecated {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

func TestNoJavaNameIsOneOfLibrdkafka(t *testing.T) {
	for name := range java {
		if _, ok := Find(name); ok {
			t.Errorf("%s is a property", name)
		}
	}
}
