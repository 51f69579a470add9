package kafka

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/kafkaupstream/kafkaupstream/test/await"
	"github.com/kafkaupstream/kafkaupstream/test/cli/program"
	"github.com/kafkaupstream/kafkaupstream/test/kafkatest"
)

func TestBrokersErrorBecomesAStatus(t *testing.T) {
	k := sharedKafka(t)
	a := startGateway(t, startRunner(t, "").socket)
	topic := topicOf(t, k, 3, h{"max.message.bytes": "1000"})
	long := strings.Repeat("incompressible?", 200)
	cases := []struct {
		says      string
		rest      string
		headers   h
		body      string
		status    int
		delivered string
	}{
		{"an unknown topic", `"topic":"no.such.topic"`, nil, "x", 404, "no"},
		{"an unknown topic, sync", `"topic":"no.such.topic","delivery":"sync"`, nil, "x", 404, "no"},
		{"a partition that there is not", `"topic":"TOPIC","partition":3`, nil, "x", 404, "no"},
		{"a partition that there is not, by header", `"topic":"TOPIC","delivery":"sync"`, h{"partition": "99"}, "x", 404, "no"},
		{"larger than the topic takes", `"topic":"TOPIC","delivery":"sync"`, nil, long, 413, "no"},
		{"within what the topic takes", `"topic":"TOPIC","delivery":"sync"`, nil, "x", 200, "yes"},
	}
	for i, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			name := fmt.Sprint("r", i)
			a.route(name, conf(k.Bootstrap(), strings.ReplaceAll(c.rest, "TOPIC", topic)))
			a.post(name, c.headers, c.body).want(t, c.status, c.delivered)
		})
	}
	records(t, k, topic, 1)
}

func TestBrokerThatCreatesTopicsOnDemandStillDoes(t *testing.T) {
	k := kafkatest.Run(t, kafkatest.Options{AutoCreateTopics: true})
	a := startGateway(t, startRunner(t, "").socket)
	for _, delivery := range []string{"async", "sync"} {
		topic := "made-by-" + delivery
		a.route(delivery, conf(k.Bootstrap(), `"topic":"`+topic+`","delivery":"`+delivery+`"`))
		if got := a.post(delivery, nil, "first"); got.Status != 200 {
			t.Errorf("%s: got %d %s", delivery, got.Status, got.Message)
		}
		if rec := records(t, k, topic, 1)[0]; string(rec.Value) != "first" {
			t.Errorf("got %q", rec.Value)
		}
	}
}

func TestTopicMadeOrWidenedOrDeletedMeanwhileIsNoticed(t *testing.T) {
	k := sharedKafka(t)
	a := startGateway(t, startRunner(t, "").socket)
	topic := fmt.Sprint("later.", time.Now().UnixNano())
	a.route("r", conf(k.Bootstrap(), `"topic":"`+topic+`","delivery":"sync"`))
	a.post("r", nil, "x").want(t, 404, "no")
	becomes := func(status int, headers h) {
		t.Helper()
		await.True(t, fmt.Sprint("status ", status), func() bool { return a.post("r", headers, "x").Status == status })
	}
	if err := k.CreateTopic(topic, 1, 1, nil); err != nil {
		t.Fatal(err)
	}
	becomes(200, nil)
	a.post("r", h{"partition": "1"}, "x").want(t, 404, "no")
	if err := k.AddPartitions(topic, 2); err != nil {
		t.Fatal(err)
	}
	becomes(200, h{"partition": "1"})
	if err := k.DeleteTopic(topic); err != nil {
		t.Fatal(err)
	}
	becomes(404, nil)
}

func TestCredentials(t *testing.T) {
	k := kafkatest.Run(t, kafkatest.Options{SASL: true, Users: map[string]string{"bob": "bobs-password"}})
	for _, topic := range []string{"open", "closed"} {
		if err := k.CreateTopic(topic, 1, 1, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := k.AllowWrite("bob", "open"); err != nil {
		t.Fatal(err)
	}
	r := startRunner(t, "")
	a := startGateway(t, r.socket)
	sasl := func(mechanism, password, rest string) string {
		return fmt.Sprintf(`{"config":{"bootstrap.servers":%q,"security.protocol":"SASL_PLAINTEXT","sasl.mechanisms":%q,"sasl.username":"bob","sasl.password":%q},%s}`,
			k.Bootstrap(), mechanism, password, rest)
	}
	cases := []struct {
		says, conf string
		status     int
		delivered  string
	}{
		{"PLAIN, the right password", sasl("PLAIN", "bobs-password", `"topic":"open","delivery":"sync"`), 200, "yes"},
		{"SCRAM-SHA-256, the right password", sasl("SCRAM-SHA-256", "bobs-password", `"topic":"open","delivery":"sync"`), 200, "yes"},
		{"SCRAM-SHA-512, the right password", sasl("SCRAM-SHA-512", "bobs-password", `"topic":"open","delivery":"sync"`), 200, "yes"},
		{"PLAIN, a wrong password", sasl("PLAIN", "guessed", `"topic":"open","delivery":"sync"`), 503, "no"},
		{"SCRAM-SHA-256, a wrong password", sasl("SCRAM-SHA-256", "guessed", `"topic":"open","delivery":"sync"`), 503, "no"},
		{"a wrong password, async", sasl("PLAIN", "guessed", `"topic":"open"`), 503, "no"},
		{"a topic that bob may not write to", sasl("PLAIN", "bobs-password", `"topic":"closed","delivery":"sync"`), 403, "no"},
		{"a topic that bob may not write to, async", sasl("PLAIN", "bobs-password", `"topic":"closed"`), 403, "no"},
		{"no credentials at all", conf(k.Bootstrap(), `"topic":"open","timeout_ms":1500`), 503, "no"},
	}
	for i, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			name := fmt.Sprint("r", i)
			a.route(name, c.conf)
			for range 2 {
				got := a.post(name, nil, "x")
				got.want(t, c.status, c.delivered)
				if strings.Contains(c.says, "wrong") && got.Message != "Kafka refused the gateway's credentials" {
					t.Errorf("got %q", got.Message)
				}
				if strings.Contains(got.Message, "127.0.0.1") || strings.Contains(got.Message, "sasl") {
					t.Errorf("the message tells of the inside: %q", got.Message)
				}
			}
		})
	}
	t.Run("a permission that is taken away and given back", func(t *testing.T) {
		a.route("r", sasl("PLAIN", "bobs-password", `"topic":"open","delivery":"sync"`))
		a.post("r", nil, "x").want(t, 200, "yes")
		if err := k.RevokeWrite("bob", "open"); err != nil {
			t.Fatal(err)
		}
		a.post("r", nil, "x").want(t, 403, "no")
		if err := k.AllowWrite("bob", "open"); err != nil {
			t.Fatal(err)
		}
		await.True(t, "bob may write again", func() bool { return a.post("r", nil, "x").Status == 200 })
	})
	for _, secret := range []string{"bobs-password", "guessed"} {
		if strings.Contains(r.log.String(), secret) {
			t.Errorf("the log has %q", secret)
		}
	}
}

func TestBrokerThatIsAway(t *testing.T) {
	t.Parallel()
	k := kafkatest.Run(t, kafkatest.Options{})
	if err := k.CreateTopic("t", 1, 1, nil); err != nil {
		t.Fatal(err)
	}
	a := startGateway(t, startRunner(t, "").socket)
	a.route("async", conf(k.Bootstrap(), `"topic":"t"`))
	a.route("sync", conf(k.Bootstrap(), `"topic":"t","delivery":"sync","timeout_ms":3000`))
	a.route("nobody", conf(program.FreeAddress(t), `"topic":"t"`))
	a.post("nobody", nil, "x").want(t, 503, "no")
	a.post("async", nil, "1").want(t, 200, "unknown")
	a.post("sync", nil, "2").want(t, 200, "yes")

	t.Run("killed: nothing is taken that cannot be delivered", func(t *testing.T) {
		if err := k.Kill(1); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"async", "sync"} {
			await.True(t, name+" is refused", func() bool { return a.post(name, nil, "lost").Status == 503 })
			got := a.post(name, nil, "lost")
			got.want(t, 503, "no")
			if got.Message != "no Kafka broker can be reached" {
				t.Errorf("got %q", got.Message)
			}
		}
	})
	t.Run("back: it is taken again", func(t *testing.T) {
		if err := k.Restart(1); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"async", "sync"} {
			await.True(t, name+" is taken", func() bool { return a.post(name, nil, "again").Status == 200 })
		}
	})
	t.Run("silent: the reply comes in time and says that nobody knows", func(t *testing.T) {
		if err := k.Pause(1); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		a.post("sync", nil, "late").want(t, 504, "unknown")
		if took := time.Since(start); took < 3*time.Second {
			t.Errorf("it was given up after %v, before the route's 3 s", took)
		}
		if err := k.Resume(1); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		for found := false; !found; {
			recs, err := k.Records(ctx, "t")
			if err != nil {
				t.Fatal(err)
			}
			for _, rec := range recs {
				found = found || string(rec.Value) == "late"
			}
		}
	})
}

func TestTooFewReplicas(t *testing.T) {
	t.Parallel()
	k := kafkatest.Run(t, kafkatest.Options{Nodes: 3})
	if err := k.CreateTopicOn("t", [][]int{{1, 2, 3}}, map[string]string{"min.insync.replicas": "3"}); err != nil {
		t.Fatal(err)
	}
	a := startGateway(t, startRunner(t, "").socket)
	a.route("r", conf(k.Bootstrap(), `"topic":"t","delivery":"sync"`))
	a.post("r", nil, "all three").want(t, 200, "yes")
	if err := k.Kill(3); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	if err := k.WaitInSync(ctx, "t", 2); err != nil {
		t.Fatal(err)
	}
	got := a.post("r", nil, "two")
	got.want(t, 503, "no")
	if got.Message != "too few of the topic's replicas are in sync" {
		t.Errorf("got %q", got.Message)
	}
	if err := k.Restart(3); err != nil {
		t.Fatal(err)
	}
	if err := k.WaitInSync(ctx, "t", 3); err != nil {
		t.Fatal(err)
	}
	a.post("r", nil, "three again").want(t, 200, "yes")
	var values []string
	for _, rec := range records(t, k, "t", 2) {
		values = append(values, string(rec.Value))
	}
	if strings.Join(values, ", ") != "all three, three again" {
		t.Errorf("the topic has %v", values)
	}
}
