package kafkaupstream

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/internal/secrets"
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
					_, err := ParseRoute([]byte(`{"topic":"t","config":` + strings.Replace(conf, `"bootstrap.servers":"b:1","bootstrap.servers"`, `"bootstrap.servers"`, 1) + `}`))
					if refused := err != nil && strings.Contains(err.Error(), path+": "+where); refused == c.possible {
						t.Errorf("%s: %v", path, err)
					}
				}
			}
		})
	}
	_, err := ParseRoute([]byte(`{"topic":"t","transport_url":"kafka://u:p@h/?security_protocol=SSL&ssl_cafile=%24file%3A%2F%2Fs3cret"}`))
	if err == nil || !strings.Contains(err.Error(), "transport_url: the value for ssl.ca.location: "+where) || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("got %v", err)
	}
}

func TestAReferenceThatTheOperatorDoesNotAllowIsAProblemOfTheRoute(t *testing.T) {
	names, err := secrets.ParseNames(secrets.DefaultNames)
	if err != nil {
		t.Fatal(err)
	}
	h := newHandler(&fakeSender{}, nil)
	h.opts.AllowReference = names.Check
	for text, path := range map[string]string{
		`{"config":{"bootstrap.servers":"b:1","sasl.username":"$env://KAFKA_USER","sasl.password":"$file://p"},"topic":"t"}`:                  "",
		`{"config":{"bootstrap.servers":"b:1","sasl.username":"$env://KAFKA_USER","sasl.password":"$env://S3CRET"},"topic":"t"}`:              "config.sasl.password",
		`{"config":{"bootstrap.servers":"b:1","default.topic.config":{"sasl.password":"$env://S3CRET"}},"topic":"t"}`:                         "config.default.topic.config.sasl.password",
		`{` + brokers + `,"topic":"t","schema":{"registry":"http://127.0.0.1:1","subject":"s","username":"u","password":"$env://S3CRET"}}`:    "schema.password",
		`{` + brokers + `,"topic":"t","schema":{"registry":"http://127.0.0.1:1","subject":"s","token":"$env://S3CRET"}}`:                      "schema.token",
		`{"transport_url":"kafka://u:%24env%3A%2F%2FS3CRET@h","topic":"t"}`:                                                                   "transport_url",
		`{"config":{"bootstrap.servers":"b:1","sasl.username":"$env://S3CRET","sasl.oauthbearer.client.secret":"$env://S3CRET"},"topic":"t"}`: "config.sasl.oauthbearer.client.secret",
	} {
		err := h.Prepare(mustParse(t, text))
		if path == "" {
			if err != nil {
				t.Errorf("%s: %v", text, err)
			}
			continue
		}
		problem, ok := errors.AsType[Problem](err)
		if !ok || !strings.Contains(err.Error(), path+": $env://: only these variables may be named: KAFKA_*") || strings.Contains(err.Error(), "S3CRET") {
			t.Errorf("%s: %v, %+v", text, err, problem)
		}
	}
}
