package librdkafka

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

func TestTableIsThatOfTheLinkedLibrary(t *testing.T) {
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
	made, err := NewProducer(map[string]string{
		"log_level": "0", "security.protocol": "sasl_plaintext", "sasl.mechanisms": "PLAIN", name: value,
	}, Handler{})
	if err == nil {
		made.Close()
		return nil
	}
	p, _ := Find(name)
	for _, quoted := range []string{`"` + name + `"`, `"` + p.Canonical + `"`, "Invalid value", "Failed to parse"} {
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

// TestLibrdkafkaAndNormalizeAgreeOnValues makes a producer with each value, and one with
// what was read of it.
func TestLibrdkafkaAndNormalizeAgreeOnValues(t *testing.T) {
	for _, name := range Names() {
		p, _ := Find(name)
		if !settable(p) {
			continue
		}
		var values []string
		switch p.kind {
		case typeInteger:
			values = []string{"x", "", fmt.Sprint(p.min), fmt.Sprint(p.max), fmt.Sprint(p.min - 1), fmt.Sprint(p.max + 1), "0x10", "all", "5s", "4294967296"}
		case typeString:
			if name == "partitioner" { // of the mechanisms, librdkafka says it later
				values = append([]string{"murmur", "RANDOM"}, texts[name]...)
			}
		case typeFloat:
			values = []string{fmt.Sprint(p.min), fmt.Sprint(p.max)}
		case typeBoolean:
			values = []string{"true", "FALSE", "t", "0", "1", "yes", "2", "on"}
		case typeEnum, typeFlags, typePatterns:
			values = append([]string{"nonsense", "1 ", "(("}, p.values...)
			if len(p.values) > 0 {
				values = append(values, strings.ToUpper(p.values[0]))
			}
		}
		for _, value := range values {
			normal, mine := Normalize(name, value)
			if theirs := set(name, value); (mine == nil) != (theirs == nil) {
				t.Errorf("%s=%q: %v here, %v there", name, value, mine, theirs)
			}
			if mine != nil {
				continue
			}
			if again, err := Normalize(name, normal); err != nil || again != normal {
				t.Errorf("%s=%q is read as %q, and that as %q (%v)", name, value, normal, again, err)
			}
		}
	}
}

func TestValueIsReadAsLibrdkafkaReadsIt(t *testing.T) {
	for _, c := range []struct {
		says, name, value, want string
		misread                 bool
	}{
		{"letter case does not count in words", "acks", "ALL", "-1", false},
		{"an alias is the same property", "request.required.acks", "All", "-1", false},
		{"nothing is nothing, with a sign", "acks", "-0", "0", true},
		{"more digits are none", "acks", "00", "0", true},
		{"hexadecimal digits count", "acks", "0x0", "0", true},
		{"white space before a number does not", "acks", " 1", "1", false},
		{"a number ends where its digits end", "message.timeout.ms", "5s", "5", true},
		{"so does one with an exponent", "retries", "1e3", "1", true},
		{"a number begins with 0 in base 8", "retries", "010", "8", true},
		{"of a number beyond 32 bits there is a rest", "acks", "4294967296", "0", true},
		{"a fraction stays", "linger.ms", "0.5", "0.5", false},
		{"an exponent of a fraction counts", "linger.ms", "1e2", "100", false},
		{"and ends where its digits end", "linger.ms", "5s", "5", true},
		{"a boolean has letters of any case", "enable.idempotence", "False", "false", false},
		{"or one letter", "enable.idempotence", "f", "false", false},
		{"or a digit", "enable.idempotence", "0", "false", false},
		{"an enum has letters of any case", "queuing.strategy", "LIFO", "lifo", false},
		{"so have flags", "debug", "Broker, TOPIC", "broker,topic", false},
		{"a text is what it is, after white space", "sasl.password", "  S3cret ", "S3cret ", false},
		{"an empty text is none", "sasl.password", "", "", false},
		{"a long one is whole", "ssl.key.pem", strings.Repeat("k", 100000), strings.Repeat("k", 100000), false},
	} {
		p, _ := Find(c.name)
		got, err := Normalize(c.name, c.value)
		if err != nil || got != c.want || p.Misread(c.value, got) != c.misread {
			t.Errorf("%s: %s=%q is %.40q, misread %v, %v", c.says, c.name, c.value, got, p.Misread(c.value, got), err)
		}
	}
}

func TestPropertiesThatDoNotGoTogether(t *testing.T) {
	for _, c := range []struct {
		props map[string]string
		want  string
	}{
		{map[string]string{"acks": "-1", "enable.idempotence": "true"}, ""},
		{map[string]string{"acks": "1", "enable.idempotence": "true"}, "`acks` must be set to `all` when `enable.idempotence` is true"},
		{map[string]string{"linger.ms": "600000", "message.timeout.ms": "1000"}, "`message.timeout.ms` must be greater than `linger.ms`"},
		{map[string]string{"security.protocol": "sasl_plaintext", "sasl.mechanisms": "PLAIN"}, "sasl.username and sasl.password must be set"},
		{map[string]string{"linger.mss": "1"}, "linger.mss is refused"},
	} {
		if got := Together(c.props); got != c.want {
			t.Errorf("%v: %q", c.props, got)
		}
	}
}

// FuzzNormalize looks for a value that is read in another way the second time, and for
// one that an error repeats.
func FuzzNormalize(f *testing.F) {
	for _, seed := range [][2]string{{"acks", "0x0"}, {"linger.ms", "1e-400"}, {"debug", "a,-b"}, {"topic.blacklist", "^(a"}, {"sasl.mechanism", "\x00"}, {"partitioner", "\xff"}, {"sasl.mechanism", " "}, {"debug", " "}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, name, value string) {
		normal, err := Normalize(name, value)
		if p, known := Find(name); err == nil && (!known || !settable(p)) {
			return
		}
		if err != nil {
			if len(value) > 20 && strings.Contains(err.Error(), value) {
				t.Errorf("%s: the value is in %q", name, err)
			}
			return
		}
		if again, err := Normalize(name, normal); err != nil || again != normal {
			t.Errorf("%s=%q is read as %q, and that as %q (%v)", name, value, normal, again, err)
		}
	})
}

func BenchmarkNormalize(b *testing.B) {
	for b.Loop() {
		_, _ = Normalize("acks", "ALL")
	}
}

func BenchmarkTogether(b *testing.B) {
	for b.Loop() {
		Together(map[string]string{"acks": "-1", "enable.idempotence": "true"})
	}
}

func TestPropertysDescription(t *testing.T) {
	for name, want := range map[string]string{
		"retries.backoff":         `librdkafka has no such property; did you mean "retry.backoff.ms"?`,
		"message.max":             `librdkafka has no such property; did you mean "message.max.bytes"?`,
		"queue.buffering.max.msg": `librdkafka has no such property; did you mean "queue.buffering.max.ms"?`,
		"linger.mss":              `librdkafka has no such property; did you mean "linger.ms"?`,
		"bootstrap_servers":       `librdkafka has no such property; did you mean "bootstrap.servers"?`,
		"Compression.Typ":         `librdkafka has no such property; did you mean "compression.type"?`,
		"linger":                  `librdkafka has no such property; did you mean "linger.ms"?`,
		"whatever":                "librdkafka has no such property; see CONFIGURATION.md of librdkafka",
		"max.block.ms":            "librdkafka has no such property, it is one of Kafka's Java client; the route's timeout_ms takes its place",
		strings.Repeat("k", 1000): "librdkafka has no such property; see CONFIGURATION.md of librdkafka",
	} {
		if got := Unknown(name); got != want {
			t.Errorf("%.40s: %s", name, got)
		}
	}
	for _, c := range []struct{ name, value, want string }{
		{"linger.ms", "s5", "expected a number from 0 to 900000"},
		{"linger.ms", "nan", "expected a number from 0 to 900000"},
		{"debug", "brokr,topic", "expected one of generic, broker, topic, metadata, feature, queue, msg, protocol, cgrp, security, fetch, interceptor, plugin, consumer, admin, eos, mock, assignor, conf, telemetry, all; did you mean \"broker\"?"},
		{"topic.blacklist", "^((", "expected regular expressions, separated by commas"},
		{"ssl.ca.certificate.stores", "Root", "this build of librdkafka does not have it"},
		{"dr_msg_cb", "x", "it can only be set by a program"},
		{"sasl.password", "a\x00b", "it has a zero byte, where librdkafka's texts end"},
		{"linger.mss", "1", `librdkafka has no such property; did you mean "linger.ms"?`},
		{"acks", "none", "expected all, 1 or 0"},
		{"compression.type", "gzipp", `expected one of none, gzip, snappy, lz4, zstd; did you mean "gzip"?`},
		{"security.protocol", "tls", "expected one of plaintext, ssl, sasl_plaintext, sasl_ssl"},
		{"sasl.mechanism", "scram-sha-512", `expected one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER; did you mean "SCRAM-SHA-512"?`},
		{"sasl.mechanisms", "GSSAPI", "expected one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER"},
		{"partitioner", "murmur2_randm", `expected one of random, consistent, consistent_random, murmur2, murmur2_random, fnv1a, fnv1a_random; did you mean "murmur2_random"?`},
		{"enable.idempotence", "yes", "expected true or false"},
	} {
		if _, err := Normalize(c.name, c.value); err == nil || err.Error() != c.want {
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

func TestJavaNamesAreNotLibrdkafkas(t *testing.T) {
	for name := range java {
		if _, ok := Find(name); ok {
			t.Errorf("%s is a property", name)
		}
	}
}
