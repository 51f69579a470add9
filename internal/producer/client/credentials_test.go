package client

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

// Secrets are read again twice a second while the cluster does not answer, which may be days.
func TestCredentialsGrowOnlyWithSecretsThatHaveChanged(t *testing.T) {
	conn, err := kafkaconf.New(kafkaconf.Properties{"bootstrap.servers": "127.0.0.1:1", "security.protocol": "sasl_plaintext",
		"sasl.mechanism": "PLAIN", "sasl.username": "u", "sasl.password": "$file://password"}, record.Mode{})
	if err != nil {
		t.Fatal(err)
	}
	secret := "first-secret"
	c := newCredentials(conn, func(value string) (string, error) { return strings.ReplaceAll(value, "$file://password", secret), nil },
		slog.New(slog.DiscardHandler))
	props, err := c.resolve()
	if err != nil {
		t.Fatal(err)
	}
	c.use(props)
	before := c.redactor.Load()
	for range 10 {
		if changed, _ := c.renew(); changed != nil {
			t.Fatal("nothing has changed")
		}
	}
	if c.redactor.Load() != before {
		t.Error("what Redact takes out has grown")
	}
	secret = "second-secret"
	if changed, replace := c.renew(); changed["sasl.password"] != secret || replace {
		t.Errorf("changed: %v, replace: %v", changed != nil, replace)
	}
	if got := c.Redact("first-secret second-secret"); strings.Contains(got, "-secret") {
		t.Errorf("redacted: %s", got)
	}
}
