package kafka

import (
	"context"
	"os/exec"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// verify runs `kafkaupstream verify` against a route.
func (a *apisix) verify(brokers, topic, path string, args ...string) (output string, code int) {
	a.t.Helper()
	args = append([]string{"verify", "--url", a.url + path, "--brokers", brokers, "--topic", topic, "--records", "500"}, args...)
	command := exec.Command(binary, args...)
	text, err := command.CombinedOutput()
	if _, failed := err.(*exec.ExitError); err != nil && !failed {
		a.t.Fatal(err)
	}
	return string(text), command.ProcessState.ExitCode()
}

// Each delivery keeps its promises on real Kafka, in a topic with the marks of transactions
// that others commit and abort.
func TestVerifyFindsNothingBroken(t *testing.T) {
	k := sharedKafka(t)
	r := startRunner(t, "", "KAFKAUPSTREAM_SPOOL_DIR="+t.TempDir())
	a := startGateway(t, r.socket)
	for name, delivery := range map[string]string{
		"async": `"delivery":"async"`, "sync": `"delivery":"sync"`, "durable": `"delivery":"durable"`,
		"transactional": `"delivery":"sync","transactional":true`,
	} {
		t.Run(name, func(t *testing.T) {
			topic := topicOf(t, k, 3, nil)
			a.route(name, `{"config":{"bootstrap.servers":"`+k.Bootstrap()+`"},"topic":"`+topic+`","jsonkey":"key",`+delivery+`}`)
			other, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(k.Bootstrap(), ",")...), kgo.TransactionalID("other-"+topic), kgo.DefaultProduceTopic(topic))
			if err != nil {
				t.Fatal(err)
			}
			defer other.Close()
			for _, end := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort} {
				if err := other.BeginTransaction(); err != nil {
					t.Fatal(err)
				}
				if err := other.ProduceSync(context.Background(), kgo.StringRecord("of others")).FirstErr(); err != nil {
					t.Fatal(err)
				}
				if err := other.EndTransaction(context.Background(), end); err != nil {
					t.Fatal(err)
				}
			}
			text, code := a.verify(k.Bootstrap(), topic, "/"+name)
			if code != 0 || !strings.Contains(text, "promised     500: ") || !strings.Contains(text, "no promise was broken") || strings.Contains(text, "without a key") {
				t.Errorf("exit code %d\n%s", code, text)
			}
		})
	}
}

// What a transaction hides that is still open is not called lost.
func TestVerifyDoesNotJudgeBehindAnOpenTransaction(t *testing.T) {
	k := sharedKafka(t)
	a := startGateway(t, startRunner(t, "").socket)
	topic := topicOf(t, k, 1, nil)
	a.route("hidden", `{"config":{"bootstrap.servers":"`+k.Bootstrap()+`"},"topic":"`+topic+`","delivery":"sync"}`)
	other, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(k.Bootstrap(), ",")...), kgo.TransactionalID("open-"+topic), kgo.DefaultProduceTopic(topic))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := other.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := other.ProduceSync(context.Background(), kgo.StringRecord("of others")).FirstErr(); err != nil {
		t.Fatal(err)
	}
	text, code := a.verify(k.Bootstrap(), topic, "/hidden", "--wait", "1s")
	if code != 1 || !strings.Contains(text, "shows nothing behind offset 0, where a producer's transaction is open") {
		t.Errorf("exit code %d\n%s", code, text)
	}
	if err := other.EndTransaction(context.Background(), kgo.TryAbort); err != nil {
		t.Fatal(err)
	}
	if text, code := a.verify(k.Bootstrap(), topic, "/hidden"); code != 0 {
		t.Errorf("exit code %d\n%s", code, text)
	}
}
