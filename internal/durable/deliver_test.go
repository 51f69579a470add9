package durable

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/test/await"
	"github.com/kafkaupstream/kafkaupstream/test/durabletest"
)

func TestQueueDeliversABatchInOrderAndOnce(t *testing.T) {
	b, dir := startBroker(t), t.TempDir()
	g := startQueue(t, dir, Options{}).await()
	conn := b.Connect(t)
	want := func(want string, timeout time.Duration, values ...string) {
		t.Helper()
		if got := g.SendAll(conn, timeout, values...); got != want {
			t.Fatalf("%v: %s, want %s", values, got, want)
		}
	}
	want("acknowledged, acknowledged", durabletest.Patient, "0", "1")
	b.Block()
	want("kept, kept", durabletest.Soon, "2", "3") // and under way
	want("kept, kept", durabletest.Soon, "4", "5") // behind them
	b.Release()
	g.awaitEmpty()
	want("acknowledged", durabletest.Patient, "6")
	durabletest.Ascending(t, b.Values(t, "t", 7))
}

func TestQueueIsNotHeldUpByOneOfABatchThatKafkaRefuses(t *testing.T) {
	b, dir := startBroker(t), t.TempDir()
	g := startQueue(t, dir, Options{}).await()
	b.FailWith(func(topic string) *kerr.Error {
		if topic == "u" {
			return kerr.InvalidRecord
		}
		return nil
	})
	got := g.SendAll(b.Connect(t), durabletest.Patient, "u:x", "nowhere:x")
	if want := fmt.Sprintf("refused %v, refused %v", record.KindRejected, record.KindTopicNotFound); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if left := durabletest.Files(t, dir); len(left) > 0 {
		t.Errorf("on disk: %v", left)
	}
}

// For a moment the partition of a key is one that the topic does not have any more.
func TestQueueRefusesNoKeyOfATopicThatIsMadeAgainWithFewerPartitions(t *testing.T) {
	b := startBroker(t, kfake.SeedTopics(12, "again"))
	g := startQueue(t, t.TempDir(), Options{}).await()
	conn := b.Connect(t)
	sendKeys := func() {
		t.Helper()
		for i := range 60 {
			rec := durabletest.RecordOf("again", "v")
			rec.Key = fmt.Append(nil, i)
			if o := g.Deliver(conn, DeadLetter, durabletest.Patient, *rec).Outcomes[0]; o.Err != nil {
				t.Errorf("key %d: %+v", i, o.Err)
			}
		}
	}
	sendKeys()
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	gone, name := kmsg.NewPtrDeleteTopicsRequest(), "again"
	gone.TopicNames, gone.Topics = []string{name}, []kmsg.DeleteTopicsRequestTopic{{Topic: &name}}
	if _, err := gone.RequestWith(t.Context(), cl); err != nil {
		t.Fatal(err)
	}
	b.addTopic(t, name, 3)
	sendKeys()
	g.awaitEmpty()
	if dead := g.info(streamID(conn, DeadLetter)).DeadLetters; dead > 0 {
		t.Errorf("%d dead letters", dead)
	}
}

func TestQueueKeepsOfABatchWhatHasRoom(t *testing.T) {
	b := startBroker(t)
	g := startQueue(t, t.TempDir(), Options{MaxBytes: 2000}).await()
	conn := b.Connect(t)
	g.Want("acknowledged", conn, "t", "0", durabletest.Patient)
	large := strings.Repeat("x", 1500)
	got := g.SendAll(durabletest.Connect(t, "127.0.0.1:1"), durabletest.Soon, "1", large, large, "4")
	if want := fmt.Sprintf("kept, kept, refused %v, refused %v", record.KindSpoolFull, record.KindSpoolFull); got != want {
		t.Errorf("no broker: %s, want %s", got, want)
	}
	b.Block()
	if got := g.SendAll(conn, durabletest.Soon, "1", large); got != "kept, unconfirmed" {
		t.Errorf("under way: %s", got)
	}
	b.Release()
	await.True(t, "nothing of the connection is on disk", func() bool { return g.Queue.stream(conn, DeadLetter).clear(nil) })
	g.Want("acknowledged", conn, "t", "2", durabletest.Patient)
	if n := len(b.Values(t, "t", 4)); n != 4 {
		t.Errorf("the topic has %d records, want 4", n)
	}
}
