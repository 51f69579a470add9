package kafkaupstream

import (
	"errors"
	"strings"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/internal/routeconf"
	"github.com/kafkaupstream/kafkaupstream/internal/secrets"
)

func TestReferenceThatTheOperatorDoesNotAllowIsAProblemOfTheRoute(t *testing.T) {
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
		_, err := h.Prepare(mustParse(t, text))
		if path == "" {
			if err != nil {
				t.Errorf("%s: %v", text, err)
			}
			continue
		}
		problem, ok := errors.AsType[routeconf.Problem](err)
		if !ok || !strings.Contains(err.Error(), path+": $env://: only these variables may be named: KAFKA_*") || strings.Contains(err.Error(), "S3CRET") {
			t.Errorf("%s: %v, %+v", text, err, problem)
		}
	}
}
