package kafka

import (
	"fmt"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/internal/gateway"
	"github.com/kafkaupstream/kafkaupstream/test/await"
	"github.com/kafkaupstream/kafkaupstream/test/kafkatest"
)

// A request that was answered 504 is under way until Kafka says what became of it: its
// repetition is then told the same as a request that was in time.
func TestRepetitionFindsOutWhatBecameOfARequestThatWasAnswered504(t *testing.T) {
	k := kafkatest.Run(t, kafkatest.Options{})
	for _, tt := range []struct {
		name, conf, contentType, body string
		records                       int
	}{
		{"one record", ``, "text/plain", "x", 1},
		{"a batch", `,"batch":true`, "application/x-ndjson", "1\n2\n3\n", 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			topic := topicOf(t, k, 1, nil)
			a := startGateway(t, startRunner(t, "").socket)
			a.route("r", conf(k.Bootstrap(), fmt.Sprintf(`"topic":%q,"delivery":"sync","timeout_ms":1500,"idempotency":{}%s`, topic, tt.conf)))
			post := func(key string) answer {
				t.Helper()
				return a.post("r", map[string]string{"content-type": tt.contentType, "idempotency-key": key}, tt.body)
			}
			post("before").want(t, 200, "yes")
			must(t, k.Pause(1))
			post("late").want(t, 504, "unknown")
			for range 3 {
				post("late").want(t, 409, "unknown")
			}
			must(t, k.Resume(1))
			var got answer
			await.True(t, "the repetition is no longer told that the request is under way", func() bool {
				got = post("late")
				return got.Status != 409
			})
			got.want(t, 200, "yes")
			if tt.records == 1 {
				got.Records = []answer{got}
			}
			for i, rec := range got.Records {
				if rec.Offset == nil || *rec.Offset != int64(tt.records+i) {
					t.Errorf("record %d: %+v", i, rec)
				}
			}
			if len(got.Records) != tt.records {
				t.Errorf("got %+v", got)
			}
			records(t, k, topic, 2*tt.records)
		})
	}
}

// A process that ends waits for what is under way; what that was is known to the next one.
func TestIdempotentRequestsOutcomeIsKnownAfterItsProcessUnlessThatIsKilled(t *testing.T) {
	k := kafkatest.Run(t, kafkatest.Options{})
	for _, tt := range []struct {
		name      string
		signal    syscall.Signal
		status    int
		delivered string
	}{
		{"killed", syscall.SIGKILL, 410, "unknown"},
		{"stopped", syscall.SIGTERM, 200, "yes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			topic := topicOf(t, k, 1, nil)
			spool := "KAFKAUPSTREAM_SPOOL_DIR=" + filepath.Join(t.TempDir(), "spool")
			r := startRunner(t, "", spool)
			a := startGateway(t, r.socket)
			a.route("r", conf(k.Bootstrap(), fmt.Sprintf(`"topic":%q,"delivery":"sync","timeout_ms":1500,"idempotency":{}`, topic)))
			post := func(key string) answer {
				t.Helper()
				return a.post("r", map[string]string{"idempotency-key": key}, "x")
			}
			post("before").want(t, 200, "yes")
			must(t, k.Pause(1))
			post("late").want(t, 504, "unknown")
			must(t, r.Process.Signal(tt.signal))
			if tt.signal == syscall.SIGKILL {
				<-r.exited
			}
			must(t, k.Resume(1))
			<-r.exited
			startRunner(t, r.socket, spool)
			for range 2 {
				got := post("late")
				if got.want(t, tt.status, tt.delivered); tt.status == 200 && (got.Offset == nil || *got.Offset != 1) {
					t.Errorf("got %+v", got)
				}
			}
			post("another").want(t, 200, "yes")
		})
	}
}

func TestKeyIsItsConsumersAndItsTopics(t *testing.T) {
	k := sharedKafka(t)
	topic := topicOf(t, k, 1, nil)
	other := topic + "-other"
	must(t, k.CreateTopic(other, 1, 1, nil))
	r := startRunner(t, "")
	consumers := map[string]*apisix{}
	for _, name := range []string{"", "jack", "jill"} {
		a := startGatewayWith(t, r.socket, gateway.Options{Vars: map[string]string{"consumer_name": name}})
		a.route("r", conf(k.Bootstrap(), `"topic":"${http_x_topic}","delivery":"sync","idempotency":{},"record_headers":{"id":"$request_id"}`))
		consumers[name] = a
	}
	offsets := map[string]int64{}
	for range 2 { // the second time, each consumer gets its first reply
		for name, a := range consumers {
			for _, topic := range []string{topic, other} {
				got := a.post("r", map[string]string{"idempotency-key": "k", "x-topic": topic}, "x")
				if got.want(t, 200, "yes"); got.Offset == nil {
					t.Fatalf("%s, topic %s: %+v", name, topic, got)
				}
				place := name + " " + topic
				if before, again := offsets[place]; again && before != *got.Offset || got.Topic != topic {
					t.Errorf("%s was told %s %d, and before %d", place, got.Topic, *got.Offset, before)
				}
				offsets[place] = *got.Offset
			}
		}
	}
	records(t, k, topic, 3)
	records(t, k, other, 3)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
