package check

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kafkaupstream/kafkaupstream/internal/routeconf"
	waiting "github.com/kafkaupstream/kafkaupstream/test/await"
)

// Consumers with read_committed see nothing of what is behind a transaction that is open.
func TestCheckLeavesNoTransactionOpenWhoseCommitGotNoAnswer(t *testing.T) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.ControlKey(int16(kmsg.SASLHandshake), func(req kmsg.Request) (kmsg.Response, error, bool) { // as a broker without log-in
		c.KeepControl()
		r := req.ResponseKind().(*kmsg.SASLHandshakeResponse)
		r.ErrorCode = kerr.IllegalSaslState.Code
		return r, nil, true
	})
	const timeout = time.Second
	var first time.Time
	c.ControlKey(int16(kmsg.EndTxn), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if first.IsZero() {
			first = time.Now()
		}
		if time.Since(first) < timeout+timeout/2 {
			return nil, errors.New("the answer is lost"), true
		}
		return nil, nil, false
	})
	report := Run(t.Context(), Options{
		Text:  []byte(`{"config":{"bootstrap.servers":"` + strings.Join(c.ListenAddrs(), ",") + `"},"topic":"orders","delivery":"sync"}`),
		Topic: "orders", Transactions: true, Timeout: timeout, Resolve: func(s string) (string, error) { return s, nil }, Limits: routeconf.Limits{},
	})
	failed := false
	for _, s := range report.Steps {
		failed = failed || s.Name == "transaction" && s.Status == Problem && strings.HasPrefix(s.Message, "commit: ")
	}
	if !failed {
		t.Fatalf("%+v", report.Steps)
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	end := func(isolation int8) int64 {
		req := kmsg.NewPtrListOffsetsRequest()
		req.ReplicaID, req.IsolationLevel = -1, isolation
		topic, partition := kmsg.NewListOffsetsRequestTopic(), kmsg.NewListOffsetsRequestTopicPartition()
		topic.Topic, partition.Timestamp = "orders", -1
		topic.Partitions = append(topic.Partitions, partition)
		req.Topics = append(req.Topics, topic)
		resp, err := req.RequestWith(t.Context(), cl)
		if err != nil {
			t.Fatal(err)
		}
		return resp.Topics[0].Partitions[0].Offset
	}
	const uncommitted, committed = 0, 1
	waiting.Within(t, 30*time.Second, "nothing is hidden", func() bool { return end(committed) == end(uncommitted) })
}
