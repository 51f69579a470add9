package routeconf

import (
	"fmt"
	"strings"
	"testing"
)

func TestAReferenceStandsOnlyWhereASecretDoes(t *testing.T) {
	const where = "a reference is possible only where a secret stands"
	cases := []struct {
		says, property string
		possible       bool
	}{
		{"a password", "sasl.password", true},
		{"the user beside it", "sasl.username", true},
		{"a key's password", "ssl.key.password", true},
		{"a key store's", "ssl.keystore.password", true},
		{"a key", "ssl.key.pem", true},
		{"a certificate", "ssl.certificate.pem", true},
		{"a CA's", "ssl.ca.pem", true},
		{"a client secret", "sasl.oauthbearer.client.secret", true},
		{"a client's id", "sasl.oauthbearer.client.id", true},
		{"the configuration of a token", "sasl.oauthbearer.config", true},
		{"a broker, whose name is looked up", "bootstrap.servers", false},
		{"the same by its other name", "metadata.broker.list", false},
		{"a file's path", "ssl.ca.location", false},
		{"a client's name, which brokers log", "client.id", false},
		{"a number", "acks", false},
		{"a codec", "compression.type", false},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			for _, value := range []string{"$env://KAFKA_X", "$file://x"} {
				for path, conf := range map[string]string{
					"config." + c.property:                      fmt.Sprintf(`{"bootstrap.servers":"b:1",%q:%q}`, c.property, value),
					"config.default.topic.config." + c.property: fmt.Sprintf(`{"bootstrap.servers":"b:1","default.topic.config":{%q:%q}}`, c.property, value),
				} {
					_, err := ParseRoute([]byte(`{"topic":"t","config":`+strings.Replace(conf, `"bootstrap.servers":"b:1","bootstrap.servers"`, `"bootstrap.servers"`, 1)+`}`), limits)
					if refused := err != nil && strings.Contains(err.Error(), path+": "+where); refused == c.possible {
						t.Errorf("%s: %v", path, err)
					}
				}
			}
		})
	}
	_, err := ParseRoute([]byte(`{"topic":"t","transport_url":"kafka://u:p@h/?security_protocol=SSL&ssl_cafile=%24file%3A%2F%2Fs3cret"}`), limits)
	if err == nil || !strings.Contains(err.Error(), "transport_url: the value for ssl.ca.location: "+where) || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("got %v", err)
	}
}

func TestWhatOnlyLooksLikeAReferenceIsDoubtful(t *testing.T) {
	for value, doubtful := range map[string]bool{
		"$env://KAFKA_PW": false, "$file://pw": false, "hunter2": false, "$env": false, "x$secret://vault/1/k/p": false,
		"$secret://vault/1/k/p": true, "$SECRET://vault/1/k/p": true, "$ENV://KAFKA_PW": true, "$File://pw": true,
	} {
		_, findings := Lint(fmt.Appendf(nil, `{"config":{"bootstrap.servers":"k","security.protocol":"SASL_SSL","sasl.mechanism":"PLAIN",
			"sasl.username":"u","sasl.password":%q},"topic":"t"}`, value), limits)
		warned := len(findings.Warnings) == 1 && findings.Warnings[0].Path == "config.sasl.password"
		if len(findings.Problems) > 0 || warned != doubtful || len(findings.Warnings) > 1 {
			t.Errorf("%s: %v", value, findings)
		}
	}
	// Of what is refused nothing more is said, and other keys take none.
	_, findings := Lint([]byte(`{"config":{"bootstrap.servers":"k","linger.ms":"$env://KAFKA_X"},"key":"$secret://vault/1/k/p"}`), limits)
	if len(findings.Problems) != 1 || len(findings.Warnings) != 1 || findings.Warnings[0].Path != "key" {
		t.Errorf("%v", findings)
	}
}
