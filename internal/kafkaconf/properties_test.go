package kafkaconf

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

func TestDefaultsGiveWayToTheRoute(t *testing.T) {
	type p = Properties
	cases := []struct {
		says         string
		route        p
		acknowledged bool
		want         p // "" means: not set
	}{
		{"an async route", p{}, false, p{"enable.idempotence": "true", "partitioner": "murmur2_random", "client.id": "kafkaupstream",
			"linger.ms": "5", "reconnect.backoff.max.ms": "500", "queue.buffering.max.kbytes": "131072", "retries": "", "sticky.partitioning.linger.ms": ""}},
		{"an acknowledged route", p{}, true, p{"linger.ms": "0", "retries": "6", "enable.idempotence": "true", "sticky.partitioning.linger.ms": "10"}},
		{"without a linger, records without a key still share batches", p{"queue.buffering.max.ms": "0.0"}, false, p{"sticky.partitioning.linger.ms": "10"}},
		{"with one, librdkafka knows for how long", p{"linger.ms": "50"}, true, p{"sticky.partitioning.linger.ms": ""}},
		{"unless the route says that they do not", p{"sticky.partitioning.linger.ms": "0"}, true, p{"sticky.partitioning.linger.ms": "0"}},
		{"what the route sets stays", p{"linger.ms": "7", "partitioner": "consistent", "client.id": "me", "enable.idempotence": "false"}, true,
			p{"linger.ms": "7", "partitioner": "consistent", "client.id": "me", "enable.idempotence": "false"}},
		{"under its other name too", p{"queue.buffering.max.ms": "7", "message.send.max.retries": "2"}, true, p{"linger.ms": "7", "retries": "2"}},
		{"acks=all allows idempotence", p{"acks": "all", "retries": "3"}, false, p{"enable.idempotence": "true"}},
		{"acks=-1 does", p{"request.required.acks": "-1"}, false, p{"enable.idempotence": "true", "acks": "-1"}},
		{"acks=1 forbids it", p{"acks": "1"}, false, p{"enable.idempotence": ""}},
		{"acks=0 does", p{"request.required.acks": "0"}, false, p{"enable.idempotence": ""}},
		{"so do six requests in flight", p{"max.in.flight": "6"}, false, p{"enable.idempotence": ""}},
		{"and no retries", p{"retries": "0"}, false, p{"enable.idempotence": ""}},
		{"and a queue out of order", p{"queuing.strategy": "lifo"}, false, p{"enable.idempotence": ""}},
		{"all in any letters is all", p{"acks": "ALL"}, false, p{"enable.idempotence": "true", "acks": "-1"}},
		{"1 in any digits is 1", p{"acks": "0x1"}, false, p{"enable.idempotence": "", "acks": "1"}},
		{"lifo in any letters is lifo", p{"queuing.strategy": "LIFO"}, false, p{"enable.idempotence": "", "queuing.strategy": "lifo"}},
		{"fifo in any letters is fifo", p{"queuing.strategy": "FIFO"}, false, p{"enable.idempotence": "true"}},
		{"no retries in any digits are none", p{"retries": "0x0"}, false, p{"enable.idempotence": ""}},
		{"six requests in any digits are six", p{"max.in.flight": "06"}, false, p{"enable.idempotence": ""}},
		{"false in any letters is false", p{"enable.idempotence": "F"}, false, p{"enable.idempotence": "false"}},
		{"a limit in any digits is that limit", p{"message.max.bytes": "0x5F5E100"}, false, p{"queue.buffering.max.kbytes": "195312", "message.max.bytes": "100000000"}},
		{"what a reference stands for may forbid it", p{"acks": "$env://ACKS"}, false, p{"enable.idempotence": "", "acks": "$env://ACKS"}},
		{"a large record needs a large queue", p{"message.max.bytes": "100000000"}, false, p{"queue.buffering.max.kbytes": "195312"}},
		{"the Java client's limit is librdkafka's", p{"max.request.size": "2000000"}, false, p{"message.max.bytes": "2000000", "max.request.size": ""}},
		{"a long first backoff lifts the longest", p{"reconnect.backoff.ms": "2000"}, false, p{"reconnect.backoff.max.ms": ""}},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			c.route["bootstrap.servers"] = "127.0.0.1:1"
			got, err := Effective(c.route, modeOf(c.acknowledged))
			if err != nil {
				t.Fatal(err)
			}
			for name, want := range c.want {
				if got[name] != want {
					t.Errorf("%s is %q, want %q", name, got[name], want)
				}
			}
		})
	}
}

func TestPropertiesThatContradictAreRefused(t *testing.T) {
	for _, p := range []Properties{
		{},
		{"bootstrap.servers": "a", "metadata.broker.list": "b"},
		{"bootstrap.servers": "a", "message.max.bytes": "many"},
		{"bootstrap.servers": "a", "message.max.bytes": "2000000000"},
		{"bootstrap.servers": "a", "linger.mss": "5"},
		{"bootstrap.servers": "a", "acks": "1", "request.required.acks": "all"},
	} {
		if _, err := Effective(p, async); err == nil {
			t.Errorf("%v was accepted", p)
		}
	}
}

func TestPropertiesWithTheSameValueInTwoSpellingsAreAccepted(t *testing.T) {
	if _, err := Effective(Properties{"bootstrap.servers": "a", "acks": "ALL", "request.required.acks": "-1"}, async); err != nil {
		t.Error(err)
	}
}

func TestPropertiesThatBreakAModesPromiseAreRefused(t *testing.T) {
	type p = Properties
	const needs = "%s: %s delivery needs acknowledgements: all, or 1"
	for _, acks := range []string{"0", "-0", "+0", "00", "0x0", " 0", "4294967296"} {
		for _, name := range []string{"acks", "request.required.acks"} {
			for _, mode := range []record.Mode{acknowledged, durable} {
				err := Check(p{"bootstrap.servers": "a", name: acks}, mode)
				if want := fmt.Sprintf(needs, name, mode); err == nil || err.Error() != want {
					t.Errorf("%s=%q: %v, want %s", name, acks, err, want)
				}
			}
		}
	}
	const transactions = ": transactions need acks=all, retries, max.in.flight of 5 or less, queuing.strategy=fifo, and enable.idempotence"
	cases := []struct {
		says  string
		route p
		mode  record.Mode
		want  string // "": nothing
	}{
		{"acks=0 without anybody who waits", p{"acks": "0"}, async, ""},
		{"acks=1", p{"acks": "1"}, durable, ""},
		{"what a reference stands for", p{"acks": "$env://ACKS"}, acknowledged, ""},
		{"a number of replicas", p{"acks": "2"}, async, "acks: expected all, 1 or 0; Kafka refuses other numbers"},
		{"no acknowledgement of a transaction", p{"acks": "00"}, transactional, "acks" + transactions},
		{"all of them in capitals", p{"acks": "ALL"}, transactional, ""},
		{"a transaction without idempotence", p{"enable.idempotence": "False"}, transactional, "enable.idempotence" + transactions},
		{"by a letter", p{"enable.idempotence": "f"}, transactional, "enable.idempotence" + transactions},
		{"by a digit", p{"enable.idempotence": "0"}, transactional, "enable.idempotence" + transactions},
		{"a transaction out of order", p{"queuing.strategy": "LIFO"}, transactional, "queuing.strategy" + transactions},
		{"a limit that is not known", p{"message.max.bytes": "$env://LIMIT"}, async, "message.max.bytes: it cannot be a reference: the route's own limits depend on it"},
		{"no address", p{"bootstrap.servers": " , "}, async, "bootstrap.servers: it names no broker"},
		{"an address that is none", p{"metadata.broker.list": "h1;h2", "bootstrap.servers": "h1;h2"}, async, "metadata.broker.list: addresses are separated by commas: h1:9092,h2:9092"},
		{"one address of two", p{"bootstrap.servers": "h1:kafka,h2"}, async, ""},
		{"a log-in without a mechanism", p{"security.protocol": "SASL_SSL"}, async, "sasl.mechanisms: it is missing: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER"},
		{"a token from nowhere", p{"security.protocol": "SASL_SSL", "sasl.mechanism": "OAUTHBEARER"}, async, "sasl.mechanism: OAUTHBEARER has no source of a token: " + oauthSources},
		{"a token from AWS", p{"security.protocol": "sasl_ssl", "sasl.mechanism": "OAUTHBEARER", "sasl.oauthbearer.method": "OIDC", "sasl.oauthbearer.metadata.authentication.type": "AWS_IAM"}, async,
			"sasl.oauthbearer.metadata.authentication.type: AWS MSK IAM is not offered yet: librdkafka gets no token by it"},
		{"a token from an endpoint", p{"security.protocol": "sasl_ssl", "sasl.mechanism": "OAUTHBEARER", "sasl.oauthbearer.method": "OIDC"}, async, ""},
		{"a token that anybody can make", p{"security.protocol": "sasl_ssl", "sasl.mechanism": "OAUTHBEARER", "enable.sasl.oauthbearer.unsecure.jwt": "T"}, async, ""},
		{"a source that is not known yet", p{"security.protocol": "sasl_ssl", "sasl.mechanism": "OAUTHBEARER", "sasl.oauthbearer.method": "$env://METHOD"}, async, ""},
		{"a mechanism that is not used", p{"sasl.mechanism": "OAUTHBEARER"}, async, ""},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			if c.route["bootstrap.servers"] == "" {
				c.route["bootstrap.servers"] = "a"
			}
			got := ""
			if err := Check(c.route, c.mode); err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestReferencedValueIsCheckedWhenItIsKnown(t *testing.T) {
	type p = Properties
	cases := []struct {
		says  string
		route p
		mode  record.Mode
		env   map[string]string
		want  p      // among what librdkafka is given
		err   string // "": none
	}{
		{"no acknowledgements for sync delivery", p{"acks": "$env://A"}, acknowledged, map[string]string{"A": "0"}, nil, "acks: sync delivery needs acknowledgements"},
		{"none in another spelling, for durable delivery", p{"request.required.acks": "$env://A"}, durable, map[string]string{"A": "0x0"}, nil, "request.required.acks: durable delivery needs acknowledgements"},
		{"all allows idempotence", p{"acks": "$env://A"}, durable, map[string]string{"A": "All"}, p{"acks": "-1", "enable.idempotence": "true"}, ""},
		{"1 forbids it", p{"acks": "$env://A"}, durable, map[string]string{"A": "1"}, p{"acks": "1", "enable.idempotence": ""}, ""},
		{"none for a route that waits for none", p{"acks": "$env://A"}, async, map[string]string{"A": "0"}, p{"acks": "0", "enable.idempotence": ""}, ""},
		{"a value that is none", p{"compression.type": "$env://A"}, async, map[string]string{"A": "s3cret"}, nil, "compression.type: expected one of none, gzip, snappy, lz4, zstd"},
		{"an address that is none", p{"bootstrap.servers": "$env://A"}, async, map[string]string{"A": "http://s3cret"}, nil, `bootstrap.servers: expected host:port, such as "s3cret:9092", without http://`},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			if c.route["bootstrap.servers"] == "" {
				c.route["bootstrap.servers"] = "a"
			}
			conn, err := New(c.route, c.mode)
			if err != nil {
				t.Fatal(err)
			}
			got, err := conn.Resolve(func(value string) (string, error) {
				if name, ok := strings.CutPrefix(value, "$env://"); ok {
					return c.env[name], nil
				}
				return value, nil
			})
			if (err == nil) != (c.err == "") || err != nil && !strings.HasPrefix(err.Error(), c.err) {
				t.Fatalf("got %v, want %s", err, c.err)
			}
			for name, want := range c.want {
				if got[name] != want {
					t.Errorf("%s is %q, want %q", name, got[name], want)
				}
			}
		})
	}
}

func TestRecordsKeptOfARouteWithoutAcknowledgementsAreSentWithThem(t *testing.T) {
	waiting, err := New(Properties{"bootstrap.servers": "a", "request.required.acks": "0x0"}, async)
	if err != nil {
		t.Fatal(err)
	}
	kept := waiting.As(durable)
	props, err := kept.Resolve(func(value string) (string, error) { return value, nil })
	if err != nil || props["acks"] != "" || props["enable.idempotence"] != "true" {
		t.Errorf("%v, %v", props, err)
	}
	if kept.Origin() != waiting.Origin() {
		t.Error("it is another stream")
	}
}

func TestLimitIsThatOfTheReadValue(t *testing.T) {
	conn, err := New(Properties{"bootstrap.servers": "a", "max.request.size": "0x1000"}, async)
	if err != nil || conn.MessageMaxBytes != 4096 {
		t.Errorf("%+v, %v", conn, err)
	}
}

func TestPropertiesAreTriedTogether(t *testing.T) {
	type p = Properties
	for says, c := range map[string]struct {
		props p
		want  string
	}{
		"what goes together":                     {p{"acks": "all"}, ""},
		"what does not":                          {p{"acks": "1", "enable.idempotence": "true"}, "`acks` must be set to `all` when `enable.idempotence` is true"},
		"a password that is known later":         {p{"security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN", "sasl.username": "u", "sasl.password": "$env://P"}, ""},
		"no password":                            {p{"security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN"}, "sasl.username and sasl.password must be set"},
		"a file of certificates is not read":     {p{"security.protocol": "SSL", "ssl.ca.location": "/no/such/file"}, ""},
		"no endpoint for tokens":                 {p{"security.protocol": "SASL_SSL", "sasl.mechanism": "OAUTHBEARER", "sasl.oauthbearer.method": "oidc"}, "`sasl.oauthbearer.token.endpoint.url` is mandatory when `sasl.oauthbearer.method=oidc` is set"},
		"an endpoint for tokens is not asked":    {p{"security.protocol": "SASL_SSL", "sasl.mechanism": "OAUTHBEARER", "sasl.oauthbearer.method": "oidc", "sasl.oauthbearer.client.id": "a", "sasl.oauthbearer.client.secret": "$env://S", "sasl.oauthbearer.token.endpoint.url": "http://127.0.0.1:1/"}, ""},
		"a number that is known later is absent": {p{"linger.ms": "$env://L", "message.timeout.ms": "1000"}, ""},
	} {
		c.props["bootstrap.servers"] = "127.0.0.1:1"
		effective, err := Effective(c.props, async)
		if err != nil {
			t.Fatal(err)
		}
		if got := Together(effective); got != c.want {
			t.Errorf("%s: %q", says, got)
		}
	}
}

func TestPropertiesThatWouldRunForeignCodeOrBreakTheProgramAreRefused(t *testing.T) {
	for _, name := range []string{"go.batch.producer", "go.logs.channel", "test.mock.num.brokers", "plugin.library.paths",
		"ssl.engine.location", "ssl.providers", "transactional.id", "delivery.report.only.error", "dr_msg_cb", "error_cb",
		"ssl.certificate.verify_cb", "ssl_engine_callback_data", "opaque", "interceptors", "log.queue"} {
		if Refused(name) == "" {
			t.Errorf("%s may be set", name)
		}
	}
	for _, name := range []string{"bootstrap.servers", "sasl.password", "acks", "message.max.bytes", "debug"} {
		if why := Refused(name); why != "" {
			t.Errorf("%s may not be set: %s", name, why)
		}
	}
}

func TestConnectionsAreTheSameIfTheirPropertiesAre(t *testing.T) {
	conn := func(p Properties, acknowledged bool) *Connection {
		t.Helper()
		p["bootstrap.servers"] = "a"
		c, err := New(p, modeOf(acknowledged))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	base := conn(Properties{"linger.ms": "5"}, false)
	for says, c := range map[string]struct {
		conn *Connection
		same bool
	}{
		"a default that is written out":       {conn(Properties{}, false), true},
		"another name of the same property":   {conn(Properties{"queue.buffering.max.ms": "5"}, false), true},
		"another value":                       {conn(Properties{"linger.ms": "6"}, false), false},
		"other credentials":                   {conn(Properties{"linger.ms": "5", "sasl.password": "x"}, false), false},
		"acknowledged":                        {conn(Properties{"linger.ms": "5"}, true), false},
		"a value that looks like two":         {conn(Properties{"client.id": "13:kafkaupstream;9:linger.ms=1:5"}, false), false},
		"another spelling of the value":       {conn(Properties{"linger.ms": "5.0", "partitioner": " murmur2_random"}, false), true},
		"an empty value beside a missing one": {conn(Properties{"linger.ms": "5", "sasl.username": ""}, false), false},
	} {
		if (c.conn.ID() == base.ID()) != c.same {
			t.Errorf("%s: same is %v", says, !c.same)
		}
	}
}

func TestSecretsAreTakenOutOfTexts(t *testing.T) {
	redact := Redactor(Properties{"sasl.password": "hunter2", "ssl.key.pem": "-----KEY", "sasl.oauthbearer.client.secret": "s3", "sasl.username": "bob", "ssl.key.password": ""})
	got := redact("user bob, password hunter2, key -----KEY, secret s3")
	if strings.Contains(got, "hunter2") || strings.Contains(got, "-----KEY") || strings.Contains(got, "s3") || !strings.Contains(got, "bob") {
		t.Error(got)
	}
	for range 50 { // in whatever order a map gives them
		redact := Redactor(Properties{"sasl.password": "secret", "ssl.key.password": "secret-and-more"})
		if got := redact("it is secret-and-more"); got != "it is [redacted]" {
			t.Fatal(got)
		}
	}
}

var (
	async         = record.Mode{Delivery: record.Async}
	acknowledged  = record.Mode{Delivery: record.Sync}
	durable       = record.Mode{Delivery: record.Durable}
	transactional = record.Mode{Transactional: true}
)

func modeOf(wait bool) record.Mode {
	if wait {
		return acknowledged
	}
	return async
}

func TestConnectionsOriginIsTheRoutesWhateverTheMode(t *testing.T) {
	waiting, err := New(Properties{"metadata.broker.list": "b:1"}, async)
	if err != nil {
		t.Fatal(err)
	}
	kept := waiting.As(durable)
	if kept.Origin() != waiting.Origin() || kept.id == waiting.id || kept.As(durable) != kept {
		t.Errorf("%+v %+v", waiting, kept)
	}
	other, err := New(Properties{"bootstrap.servers": "b:1"}, acknowledged)
	if err != nil {
		t.Fatal(err)
	}
	if other.Origin() != waiting.Origin() {
		t.Error("the same property under its two names makes two origins")
	}
}

// A short secret is a part of many words: to take it out of these would spoil them, and show which letters it has.
func TestRedactorTakesShortSecretsOutAsWholeWords(t *testing.T) {
	for _, c := range []struct{ secret, text, want string }{
		{"b", "SASL PLAIN: not supported by broker", "SASL PLAIN: not supported by broker"},
		{"b", "user:b@host, b, \"b\" or b", "user:[redacted]@host, [redacted], \"[redacted]\" or [redacted]"},
		{"é", "é is in été, not in (é)", "[redacted] is in été, not in ([redacted])"},
		{"pw1", "pw1=pw1 pw12 xpw1", "[redacted]=[redacted] pw12 xpw1"},
		{"!", "wrong!", "wrong[redacted]"},
		{"b!", "ab! b!a", "ab! [redacted]a"},
		{"pass", "trespassing", "tres[redacted]ing"},
		{"\xff", "a\xff b", "a[redacted] b"},
	} {
		if got := Redactor(Properties{"sasl.password": c.secret})(c.text); got != c.want {
			t.Errorf("%q in %q: %q, want %q", c.secret, c.text, got, c.want)
		}
	}
}

// FuzzRedactor: wherever a secret stands as a word, and a longer one anywhere, it does not stay.
func FuzzRedactor(f *testing.F) {
	f.Add("b", "hunter2", "not supported by ", " broker")
	f.Add("ab", "ab-and-more", "a", "b")
	f.Add("é", "ée!é", "\xc3", "\xa9")
	f.Fuzz(func(t *testing.T, short, long, before, after string) {
		redact := Redactor(Properties{"sasl.password": short, "ssl.key.password": long})
		for _, secret := range []string{short, long} {
			for _, text := range []string{before + " " + secret + " " + after, before + secret + after} {
				got := strings.ReplaceAll(redact(text), redacted, "\x00")
				anywhere := len(secret) >= wordBytes && strings.Contains(got, secret)
				if secret != "" && !strings.Contains(secret, "\x00") && (anywhere || strings.Contains(got, " "+secret+" ")) {
					t.Errorf("%q is in %q, of %q", secret, got, text)
				}
			}
			if text := "\x01 " + secret + " \x01"; secret != "" && redact(text) == text {
				t.Errorf("%q stays", text)
			}
		}
	})
}
