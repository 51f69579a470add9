package kafka

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kafkaupstream/kafkaupstream/test/await"
	"github.com/kafkaupstream/kafkaupstream/test/kafkatest"
)

// Kafka refuses a whole batch for one record in it. These tests have good and bad records
// at once, over one connection.

// mixture is a way to send bad records among good ones.
type mixture struct {
	name   string
	topic  map[string]string // its configuration
	route  string            // more of the route's
	bad    func(i int) (headers map[string]string, body string)
	status int
}

var mixtures = []mixture{
	{"a compacted topic takes no record without a key", map[string]string{"cleanup.policy": "compact"}, `"jsonkey":"id"`,
		func(i int) (map[string]string, string) { return nil, fmt.Sprintf(`{"x":%d}`, i) }, 422},
	{"a timestamp that lies too far ahead", nil, `"jsonkey":"id","overrides":["timestamp"]`,
		func(i int) (map[string]string, string) {
			return map[string]string{"timestamp": fmt.Sprint(time.Now().Add(1000 * time.Hour).UnixMilli())}, fmt.Sprintf(`{"id":"bad%d"}`, i)
		}, 422},
	{"a timestamp in microseconds", nil, `"jsonkey":"id","overrides":["timestamp"]`,
		func(i int) (map[string]string, string) {
			return map[string]string{"timestamp": "1712832480000000"}, fmt.Sprintf(`{"id":"bad%d"}`, i)
		}, 422},
	{"a record larger than the topic takes", map[string]string{"max.message.bytes": "2000"}, `"jsonkey":"id"`,
		func(i int) (map[string]string, string) {
			return nil, fmt.Sprintf(`{"id":"bad%d","x":"%s"}`, i, strings.Repeat("x", 3000))
		}, 413},
}

func good(i int) string { return fmt.Sprintf(`{"id":"good%d","x":"%s"}`, i, strings.Repeat("y", 250)) }

func TestRefusedRecordsHarmNoOthers(t *testing.T) {
	k := sharedKafka(t)
	r := startRunner(t, "", "KAFKAUPSTREAM_SPOOL_DIR="+filepath.Join(t.TempDir(), "spool"))
	a := startGateway(t, r.socket)
	for _, m := range mixtures {
		for _, delivery := range []string{"sync", "durable"} {
			t.Run(m.name+", "+delivery, func(t *testing.T) {
				topic := topicOf(t, k, 1, m.topic)
				a := &apisix{t, a.gateway, a.url, a.client}
				// A route of its own sends the bad ones over the same connection.
				rest := fmt.Sprintf(`"topic":%q,"delivery":%q,"timeout_ms":20000,%s`, topic, delivery, m.route)
				a.route("good", conf(k.Bootstrap(), rest))
				a.route("bad", conf(k.Bootstrap(), rest+`,"headerprefix":""`))
				const total, each = 400, 20
				var senders sync.WaitGroup
				next := make(chan int)
				for range 64 {
					senders.Go(func() {
						for i := range next {
							route, headers, body, status := "good", map[string]string(nil), good(i), 200
							if i%each == each/2 {
								route, status = "bad", m.status
								headers, body = m.bad(i)
							}
							send := map[string]string{"content-type": "application/json"}
							for name, value := range headers {
								send[name] = value
							}
							got, err := a.do("POST", route, send, []byte(body))
							delivered := map[bool]string{true: "yes", false: "no"}[status == 200]
							if err != nil || got.Status != status || got.Delivered != delivered {
								t.Errorf("record %d of %s: %d %s %q %v", i, route, got.Status, got.Delivered, got.Message, err)
							}
						}
					})
				}
				for i := range total {
					next <- i
				}
				close(next)
				senders.Wait()
				seen, began := map[string]int{}, time.Now().Add(-10*time.Minute)
				for _, rec := range records(t, k, topic, total-total/each) {
					seen[string(rec.Key)]++
					if rec.Timestamp.Before(began) {
						t.Errorf("%s is stored with the time %v", rec.Key, rec.Timestamp)
					}
				}
				for i := range total {
					if i%each != each/2 && seen[fmt.Sprint("good", i)] != 1 {
						t.Errorf("record %d is in the topic %d times", i, seen[fmt.Sprint("good", i)])
					}
				}
			})
		}
	}
}

func TestRefusedRecordsOnDiskAreTheOnlyDeadLetters(t *testing.T) {
	k := kafkatest.Run(t, kafkatest.Options{})
	spool := filepath.Join(t.TempDir(), "spool")
	r := startRunner(t, "", "KAFKAUPSTREAM_SPOOL_DIR="+spool)
	a := startGateway(t, r.socket)
	topic := topicOf(t, k, 1, map[string]string{"cleanup.policy": "compact"})
	a.route("r", conf(k.Bootstrap(), fmt.Sprintf(`"topic":%q,"delivery":"durable","timeout_ms":1000,"jsonkey":"id"`, topic)))
	asJSON := map[string]string{"content-type": "application/json"}
	a.post("r", asJSON, `{"id":"first"}`).want(t, 200, "yes")
	if err := k.Pause(1); err != nil {
		t.Fatal(err)
	}
	var senders sync.WaitGroup
	for i := range 100 {
		senders.Go(func() {
			body := good(i)
			if i == 50 {
				body = `{"x":1}`
			}
			if got, err := a.do("POST", "r", asJSON, []byte(body)); err != nil || got.Status != 202 {
				t.Errorf("record %d: %+v %v", i, got, err)
			}
		})
	}
	senders.Wait()
	if err := k.Resume(1); err != nil {
		t.Fatal(err)
	}
	records(t, k, topic, 100)
	list := func() (pending, deadLetters int) {
		out, err := exec.Command(binary, "spool", "ls", "--json", "--spool-dir", spool).Output()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		var streams []struct {
			Pending     int
			DeadLetters int `json:"dead_letters"`
		}
		if err := json.Unmarshal(out, &streams); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		for _, stream := range streams {
			pending, deadLetters = pending+stream.Pending, deadLetters+stream.DeadLetters
		}
		return pending, deadLetters
	}
	await.True(t, "nothing waits", func() bool {
		pending, _ := list()
		return pending == 0
	})
	if _, n := list(); n != 1 {
		t.Errorf("%d dead letters, want the one that Kafka refuses", n)
	}
}

// A broker that has nothing yet of a producer in a partition takes whatever sequence number
// comes first (ProducerAppendInfo.checkSequence): of several batches under way the second
// one, when it has refused the first.
func TestRefusedRecordsThatAreTheFirstOfAPartitionKeepTheOrderOfTheOthers(t *testing.T) {
	k := sharedKafka(t)
	r := startRunner(t, "")
	a := startGateway(t, r.socket)
	for _, delivery := range []string{"async", "sync"} {
		t.Run(delivery, func(t *testing.T) {
			for range 5 {
				topic := topicOf(t, k, 1, map[string]string{"cleanup.policy": "compact"})
				a := &apisix{t, a.gateway, a.url, a.client}
				config := conf(k.Bootstrap(), fmt.Sprintf(`"topic":%q,"delivery":%q,"timeout_ms":20000,"jsonkey":"id","batch":true`, topic, delivery))
				a.route("r", strings.Replace(config, `"bootstrap.servers"`, `"batch.size":1000,"bootstrap.servers"`, 1))
				const total = 300
				body := []string{`{"n":0}`}
				for i := range total {
					body = append(body, fmt.Sprintf(`{"id":"key","n":%d,"x":"%s"}`, i, strings.Repeat("y", 250)))
				}
				if got, err := a.do("POST", "r", map[string]string{"content-type": "application/json"}, []byte("["+strings.Join(body, ",")+"]")); err != nil || got.Status >= 300 {
					t.Fatalf("%+v %v", got, err)
				}
				for i, rec := range records(t, k, topic, total) {
					if !strings.Contains(string(rec.Value), fmt.Sprintf(`"n":%d,`, i)) {
						t.Fatalf("at offset %d is %.40s", i, rec.Value)
					}
				}
			}
		})
	}
}
