package routeconf

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

func TestACompressionThatEndsAnOPALServersReaderIsAnError(t *testing.T) {
	refused := []string{
		`"config":{"bootstrap.servers":"a","compression.type":"snappy"}`,
		`"config":{"bootstrap.servers":"a","compression.codec":"lz4"}`,
		`"config":{"bootstrap.servers":"a","default.topic.config":{"compression.type":"zstd"}}`,
		`"config":{"bootstrap.servers":"a","default.topic.config":{"compression.codec":"Zstd"}}`,
		`"transport_url":"kafka://a/?compression_codec=snappy"`,
	}
	for _, conf := range refused {
		_, err := ParseRoute([]byte(`{"topic":"EventNotifier","envelope":"opal",`+conf+`}`), limits)
		if err == nil || !strings.Contains(err.Error(), "the compression can be none or gzip only: the Kafka client of an OPAL server has no other codec by default") {
			t.Errorf("%s: got %v", conf, err)
		}
		if err != nil && strings.HasPrefix(err.Error(), "transport_url:") != strings.Contains(conf, "transport_url") {
			t.Errorf("%s: the place is wrong: %v", conf, err)
		}
		if _, err := ParseRoute([]byte(`{"topic":"t","envelope":"oslo",`+conf+`}`), limits); err != nil {
			t.Errorf("oslo: %s: %v", conf, err)
		}
	}
	for _, conf := range []string{`"compression.type":"none"`, `"compression.codec":"GZIP"`, `"compression.level":3`} {
		mustParse(t, `{"config":{"bootstrap.servers":"a",`+conf+`},"topic":"EventNotifier","envelope":"opal"}`)
	}
}

func TestTheTopicsOfAConfiguration(t *testing.T) {
	cases := []struct{ conf, want string }{
		{`"topic":"t"`, "[t]"},
		{`"topic":"t","envelope":"opal"`, "[t]"},
		{`"topic":"t","transport_url":"kafka:///v"`, "[t.v]"},
		{`"topic":"t","envelope":"oslo","transport_url":"kafka:///v"`, "[t.audit.v t.debug.v t.info.v t.warn.v t.error.v t.critical.v t.sample.v]"},
		{`"topic":"$arg_t","envelope":"oslo"`, "[]"},
		{`"envelope":"oslo"`, "[]"},
	}
	for _, c := range cases {
		if got := fmt.Sprint(mustParse(t, `{`+brokers+`,`+c.conf+`}`).Topics()); got != c.want {
			t.Errorf("%s: got %s, want %s", c.conf, got, c.want)
		}
	}
	_, err := ParseRoute([]byte(`{`+brokers+`,"topic":"`+strings.Repeat("a", 245)+`","envelope":"oslo"}`), limits)
	if err == nil || !strings.Contains(err.Error(), "topic: with what the envelope and the virtual host put behind it: a topic's name has at most 249") {
		t.Errorf("a topic that becomes too long: %v", err)
	}
}

func TestATransportURLIsAConnection(t *testing.T) {
	cases := []struct{ says, conf, want string }{
		{"alone", `"transport_url":"kafka://u:p%40@a,b:1/?compression_codec=gzip"`,
			"bootstrap.servers=a:9092,b:1 compression.type=gzip sasl.mechanisms=PLAIN sasl.password=p@ sasl.username=u security.protocol=SASL_PLAINTEXT"},
		{"with further properties", `"transport_url":"kafka://a/","config":{"acks":1}`, "acks=1 bootstrap.servers=a:9092"},
		{"with the same said twice", `"transport_url":"kafka://a/","config":{"metadata.broker.list":"a:9092"}`, "metadata.broker.list=a:9092"},
		{"with the password and the protocol in config", `"transport_url":"kafka://u@a/","config":{"sasl.password":"$file://p","security.protocol":"sasl_ssl","sasl.mechanism":"SCRAM-SHA-256"}`,
			"bootstrap.servers=a:9092 sasl.mechanism=SCRAM-SHA-256 sasl.password=$file://p sasl.username=u security.protocol=sasl_ssl"},
		{"with a user that is not to log in, as in the driver", `"transport_url":"kafka://u:p@a/?security_protocol=PLAINTEXT"`,
			"bootstrap.servers=a:9092 sasl.mechanisms=PLAIN sasl.password=p sasl.username=u security.protocol=PLAINTEXT"},
		{"without brokers", `"transport_url":"kafka:///?security_protocol=SSL&ssl_cafile=/ca","config":{"bootstrap.servers":"a"}`,
			"bootstrap.servers=a security.protocol=SSL ssl.ca.location=/ca"},
	}
	for _, c := range cases {
		route := mustParse(t, `{"topic":"t",`+c.conf+`}`).Conn.Route()
		var got []string
		for _, name := range slices.Sorted(maps.Keys(route)) {
			got = append(got, name+"="+route[name])
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s:\ngot  %v\nwant %s", c.says, got, c.want)
		}
	}
}

func TestATransportURLThatCannotBeUsedIsToldWithoutItsSecret(t *testing.T) {
	cases := []struct{ conf, want string }{
		{`"transport_url":7`, "transport_url: expected a string, got a number"},
		{`"transport_url":"rabbit://u:s3cret@h"`, "transport_url: it must begin with kafka://"},
		{`"transport_url":"$file://s3cret"`, "transport_url: it cannot be a reference as a whole"},
		{`"transport_url":"kafka://u:%24file%3A%2F%2F..%2Fs3cret@h"`, "transport_url: the value for sasl.password: $file:// wants the path"},
		{`"transport_url":"kafka://u:s3cret@h","config":{"sasl.password":"s3cret2"}`, "transport_url: it and config.sasl.password say different things"},
		{`"transport_url":"kafka://h","config":{"bootstrap.servers":"h"}`, "transport_url: it and config.bootstrap.servers say different things"},
		{`"transport_url":"kafka://h/?sasl_mechanism=PLAIN","config":{"sasl.mechanism":"SCRAM-SHA-256"}`, "transport_url: it and config.sasl.mechanism say different things"},
		{`"transport_url":"kafka://h/?producer_batch_timeout=1","config":{"queue.buffering.max.ms":5}`, "transport_url: it and config.queue.buffering.max.ms say different things"},
		{`"transport_url":"kafka:///"`, "config.bootstrap.servers: it is missing"},
		{`"transport_url":"kafka://h/?ssl_cafile=/ca"`, "transport_url: it has an option of TLS (ssl.ca.location), but the connection does not use TLS"},
		{`"transport_url":"kafka://u:s3cret@h/?ssl_cafile=/ca"`, "transport_url: it has an option of TLS"},
		{`"topic":"t"`, "config: it is required: an object of librdkafka properties (or transport_url)"},
	}
	for _, c := range cases {
		_, err := ParseRoute([]byte(`{`+c.conf+`}`), limits)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "s3") {
			t.Errorf("%s: got %v, want %s", c.conf, err, c.want)
		}
	}
}
