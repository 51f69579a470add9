package producer

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/test/await"
)

func TestRedactionTakesOutTheQueryOfATokensEndpoint(t *testing.T) {
	log := &await.Log{}
	pool := NewPool(Options{Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	defer pool.Close(t.Context())
	conn, err := kafkaconf.New(kafkaconf.Properties{
		"bootstrap.servers": "127.0.0.1:1", "security.protocol": "SASL_PLAINTEXT", "sasl.mechanisms": "OAUTHBEARER", "sasl.oauthbearer.method": "oidc",
		"sasl.oauthbearer.client.id": "me", "sasl.oauthbearer.client.secret": "hunter2", "sasl.oauthbearer.token.endpoint.url": "http://u5er:s3cret@127.0.0.1:1/token?key=s3cret",
	}, record.Mode{Delivery: record.Sync})
	if err != nil {
		t.Fatal(err)
	}
	_, failed := send(pool, conn, &record.Record{Topic: "t", Value: []byte("x")}, true, time.Now().Add(time.Second))
	await.True(t, "librdkafka says that it gets no token", func() bool { return strings.Contains(log.String(), "/token") })
	for _, text := range []string{log.String(), failed.Reason} {
		if strings.Contains(text, "s3cret") || strings.Contains(text, "u5er") || strings.Contains(text, "hunter2") {
			t.Errorf("%s", text)
		}
	}
}

func TestRedactionShowsAURLWithoutItsQueryAndUser(t *testing.T) {
	for url, want := range map[string]string{
		"https://host/token":                  "https://host/token",
		"https://host:1/a@b/token":            "https://host:1/a@b/token",
		"https://host/token?key=s3cret":       "https://host/token[redacted]",
		"https://host/token#s3cret":           "https://host/token[redacted]",
		"https://u:s3cret@host/token":         "https://[redacted]@host/token",
		"https://u:s3@cret@host/token?s3cret": "https://[redacted]@host/token[redacted]",
		"no URL at all":                       "no URL at all",
	} {
		if got := kafkaconf.Redactor(kafkaconf.Properties{"sasl.oauthbearer.token.endpoint.url": url})(url); got != want {
			t.Errorf("%s: got %s", url, got)
		}
	}
}
