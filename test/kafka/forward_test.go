package kafka

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kafkaupstream/kafkaupstream/test/await"
	"github.com/kafkaupstream/kafkaupstream/test/kafkatest"
)

// durableRunner is a runner with a spool, and its gateway with one durable route, r.
func durableRunner(t *testing.T, config string) (*apisix, func() (deadLetters int)) {
	t.Helper()
	spool := filepath.Join(t.TempDir(), "spool")
	a := startGateway(t, startRunner(t, "", "KAFKAUPSTREAM_SPOOL_DIR="+spool).socket)
	a.route("r", `{"config":{`+config+`},"delivery":"durable","timeout_ms":1500}`)
	return a, func() int {
		found, err := filepath.Glob(filepath.Join(spool, "*", "dead", "*.seg"))
		if err != nil {
			t.Fatal(err)
		}
		return len(found)
	}
}

func bootstrap(k *kafkatest.Cluster) string {
	return fmt.Sprintf(`"bootstrap.servers":%q`, k.Bootstrap())
}

// arrive waits until the topic has n records, whatever else is away.
func arrive(t *testing.T, k *kafkatest.Cluster, topic string, n int) []kafkatest.Record {
	t.Helper()
	return recordsWithin(t, k, topic, n, 5*time.Minute)
}

// The first of these records becomes a dead letter half a minute after Kafka is back.
func TestRecordsForTopicsThatAreMissingHoldNobodyElseUp(t *testing.T) {
	t.Parallel()
	k := kafkatest.Run(t, kafkatest.Options{})
	topic := topicOf(t, k, 1, nil)
	a, deadLetters := durableRunner(t, bootstrap(k))
	a.post("r", h{"topic": topic}, "0").want(t, 200, "yes")
	if err := k.Kill(1); err != nil {
		t.Fatal(err)
	}
	for i := range 150 {
		a.post("r", h{"topic": fmt.Sprint("missing-", i)}, "x").want(t, 202, "pending")
	}
	a.post("r", h{"topic": topic}, "1").want(t, 202, "pending")
	if err := k.Restart(1); err != nil {
		t.Fatal(err)
	}
	await.True(t, "the record behind them arrives", func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		recs, _ := k.WaitRecords(ctx, topic, 2)
		return len(recs) == 2
	})
	await.True(t, "new records go straight to Kafka, past those that wait", func() bool {
		a.post("r", h{"topic": "missing-0"}, "x").want(t, 202, "pending")
		return a.post("r", h{"topic": topic}, "x").Status == 200
	})
	if n := deadLetters(); n > 0 {
		t.Error("what is missing was given up before")
	}
	await.Within(t, 2*time.Minute, "what is missing becomes dead letters", func() bool { return deadLetters() > 0 })
}

func TestTopicWithoutTheRightToWriteHoldsNobodyElseUp(t *testing.T) {
	t.Parallel()
	k := kafkatest.Run(t, kafkatest.Options{SASL: true, Users: map[string]string{"bob": "bobs-password"}})
	for _, topic := range []string{"open", "closed"} {
		if err := k.CreateTopic(topic, 1, 1, nil); err != nil {
			t.Fatal(err)
		}
	}
	describe := kafkatest.ACL{User: "bob", Operation: kmsg.ACLOperationDescribe, Resource: kmsg.ACLResourceTypeTopic, Name: "closed"}
	if err := k.Allow(describe); err != nil {
		t.Fatal(err)
	}
	if err := k.AllowWrite("bob", "open"); err != nil {
		t.Fatal(err)
	}
	a, deadLetters := durableRunner(t, bootstrap(k)+`,"security.protocol":"SASL_PLAINTEXT","sasl.mechanisms":"PLAIN","sasl.username":"bob","sasl.password":"bobs-password"`)
	a.post("r", h{"topic": "open"}, "0").want(t, 200, "yes")
	if err := k.Kill(1); err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		a.post("r", h{"topic": "closed"}, fmt.Sprint(i)).want(t, 202, "pending")
		a.post("r", h{"topic": "open"}, fmt.Sprint(i+1)).want(t, 202, "pending")
	}
	if err := k.Restart(1); err != nil {
		t.Fatal(err)
	}
	numbered(t, arrive(t, k, "open", 51))
	await.True(t, "the others are dead letters", func() bool { return deadLetters() > 0 })
}

// keyOf has a key for each of two partitions.
var keyOf = [2]string{"a", "d"}

func TestPartitionWithoutALeaderHoldsNothingElseUp(t *testing.T) {
	t.Parallel()
	k := kafkatest.Run(t, kafkatest.Options{Nodes: 3})
	config := map[string]string{"min.insync.replicas": "1"}
	if err := k.CreateTopicOn("half", [][]int{{3}, {1}}, config); err != nil {
		t.Fatal(err)
	}
	if err := k.CreateTopicOn("gone", [][]int{{3}}, config); err != nil {
		t.Fatal(err)
	}
	if err := k.CreateTopicOn("other", [][]int{{1, 2}}, config); err != nil {
		t.Fatal(err)
	}
	a, _ := durableRunner(t, bootstrap(k))
	for p, key := range keyOf {
		if got := a.post("r", h{"topic": "half", "key": key}, "0"); got.Status != 200 || *got.Partition != p {
			t.Fatalf("key %s: %d, partition %v", key, got.Status, got.Partition)
		}
	}
	for _, topic := range []string{"gone", "other"} {
		a.post("r", h{"topic": topic}, "0").want(t, 200, "yes")
	}
	if err := k.Kill(3); err != nil {
		t.Fatal(err)
	}
	const n = 600 // more than may be under way to one partition
	post := func(i int, topic, key string) {
		t.Helper()
		headers := h{"topic": topic}
		if key != "" {
			headers["key"] = key
		}
		if got := a.post("r", headers, fmt.Sprint(i)); got.Status != 200 && got.Status != 202 {
			t.Errorf("%s: got %d %s", topic, got.Status, got.Message)
		}
	}
	for i := range n {
		post(i+1, "gone", "")
		post(i+1, "half", keyOf[0])
		post(i+1, "half", keyOf[1])
		post(i+1, "other", "")
	}
	numbered(t, arrive(t, k, "other", n+1))
	await.True(t, "the partition with a leader has its records", func() bool {
		_, end, err := k.Offsets("half", 1)
		return err == nil && end == n+1
	})
	await.True(t, "new records of the other topic go straight to Kafka", func() bool {
		return a.post("r", h{"topic": "other"}, "x").Status == 200
	})
	if err := k.Restart(3); err != nil {
		t.Fatal(err)
	}
	numbered(t, arrive(t, k, "gone", n+1))
	half := arrive(t, k, "half", 2*(n+1))
	numbered(t, half[:n+1])
	numbered(t, half[n+1:])
}

// Two of three nodes are needed to create a topic. Each of them knows its own
// configuration, and that the topic is not there yet.
func TestTopicThatIsJustBeingCreatedIsWaitedFor(t *testing.T) {
	t.Parallel()
	k := kafkatest.Run(t, kafkatest.Options{Nodes: 3, AutoCreateTopics: true})
	if err := k.CreateTopicOn("old", [][]int{{1}}, map[string]string{"min.insync.replicas": "1"}); err != nil {
		t.Fatal(err)
	}
	a := startGateway(t, startRunner(t, "").socket)
	quick := fmt.Sprintf(`{"config":{"bootstrap.servers":%q},"delivery":"sync","timeout_ms":`, k.BootstrapOf(1))
	a.route("quick", quick+`3000}`)
	a.route("patient", quick+`55000}`)
	a.post("quick", h{"topic": "old"}, "x").want(t, 200, "yes")
	for _, node := range []int{2, 3} {
		if err := k.Kill(node); err != nil {
			t.Fatal(err)
		}
	}
	a.post("quick", h{"topic": "new"}, "0").want(t, 503, "no")
	got := make(chan answer)
	go func() { got <- a.post("patient", h{"topic": "new"}, "1") }()
	if err := k.Restart(2, 3); err != nil {
		t.Fatal(err)
	}
	(<-got).want(t, 200, "yes")
	if recs := arrive(t, k, "new", 1); string(recs[0].Value) != "1" {
		t.Errorf("%v", values(recs))
	}
}

func TestRouteWhoseTopicHasNoLeaderHoldsNoOtherRouteUp(t *testing.T) {
	t.Parallel()
	k := kafkatest.Run(t, kafkatest.Options{Nodes: 3})
	config := map[string]string{"min.insync.replicas": "1"}
	if err := k.CreateTopicOn("gone", [][]int{{3}}, config); err != nil {
		t.Fatal(err)
	}
	if err := k.CreateTopicOn("other", [][]int{{1, 2}}, config); err != nil {
		t.Fatal(err)
	}
	a := startGateway(t, startRunner(t, "").socket)
	a.route("gone", conf(k.Bootstrap(), `"topic":"gone","delivery":"sync","timeout_ms":55000`))
	a.route("soon", conf(k.Bootstrap(), `"topic":"gone","delivery":"sync","timeout_ms":1000`))
	a.route("other", conf(k.Bootstrap(), `"topic":"other","delivery":"sync"`))
	for _, route := range []string{"gone", "other"} {
		a.post(route, nil, "0").want(t, 200, "yes")
	}
	if err := k.Kill(3); err != nil {
		t.Fatal(err)
	}
	await.True(t, "the topic is known to have no leader", func() bool {
		got := a.post("soon", nil, "x")
		return got.Status == 503 && got.Delivered == "no"
	})
	const hanging = 64
	replies := make(chan answer, hanging)
	for range hanging {
		go func() { replies <- a.post("gone", nil, "x") }()
	}
	for i := range 500 {
		a.post("other", nil, fmt.Sprint(i+1)).want(t, 200, "yes")
	}
	if n := len(replies); n > 0 {
		t.Errorf("%d of %d requests for the topic without a leader did not wait", n, hanging)
	}
	if err := k.Restart(3); err != nil {
		t.Fatal(err)
	}
	for range hanging {
		(<-replies).want(t, 200, "yes")
	}
}
