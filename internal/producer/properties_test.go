package producer

import (
	"strings"
	"testing"
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
			"linger.ms": "5", "reconnect.backoff.max.ms": "500", "queue.buffering.max.kbytes": "131072", "retries": ""}},
		{"an acknowledged route", p{}, true, p{"linger.ms": "0", "retries": "6", "enable.idempotence": "true"}},
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
	} {
		if _, err := Effective(p, Async); err == nil {
			t.Errorf("%v was accepted", p)
		}
	}
}

func TestPropertiesThatWouldRunForeignCodeOrBreakTheProgramAreRefused(t *testing.T) {
	for _, name := range []string{"go.batch.producer", "go.logs.channel", "test.mock.num.brokers", "plugin.library.paths",
		"ssl.engine.location", "ssl.providers", "transactional.id", "delivery.report.only.error", "dr_msg_cb", "error_cb",
		"key.serializer", "max.block.ms", "sasl.jaas.config", "ssl.certificate.verify_cb", "ssl_engine_callback_data", "opaque", "interceptors", "log.queue"} {
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
		c, err := NewConnection(p, modeOf(acknowledged))
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
		"a value that looks like two":         {conn(Properties{"linger.ms": "5;9:client.id=1:x"}, false), false},
		"an empty value beside a missing one": {conn(Properties{"linger.ms": "5", "sasl.username": ""}, false), false},
	} {
		if (c.conn.id == base.id) != c.same {
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
