// Package durabletest is what the tests of internal/durable and of the packages on top of it share:
// an in-process broker whose replies a test can hold back or replace, and a queue with its pool, as
// one process has them. It does not import internal/durable, so that package's own tests can use it.
package durabletest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

// Nobody is where no broker answers.
const Nobody = "127.0.0.1:1"

// Broker is an in-process broker whose answers to producers can be held back or
// replaced.
type Broker struct {
	*kfake.Cluster
	mu   sync.Mutex
	hold chan struct{} // not nil: requests wait for its end
	fail func(topic string) *kerr.Error
	held atomic.Int32  // requests that wait for hold
	slow time.Duration // what a request takes
}

func StartBroker(t *testing.T, opts ...kfake.Opt) *Broker {
	t.Helper()
	c, err := kfake.NewCluster(append(opts, kfake.NumBrokers(1), kfake.SeedTopics(1, "t", "u"))...)
	if err != nil {
		t.Fatal(err)
	}
	b := &Broker{Cluster: c}
	t.Cleanup(func() {
		b.Release()
		c.Close()
	})
	c.ControlKey(int16(kmsg.Produce), b.produce)
	return b
}

func (b *Broker) produce(req kmsg.Request) (kmsg.Response, error, bool) {
	b.KeepControl()
	b.mu.Lock()
	hold, fail, slow := b.hold, b.fail, b.slow
	b.mu.Unlock()
	<-time.After(slow)
	if hold != nil {
		b.held.Add(1)
		<-hold
		b.held.Add(-1)
	}
	if fail == nil {
		return nil, nil, false
	}
	r := req.(*kmsg.ProduceRequest)
	resp := r.ResponseKind().(*kmsg.ProduceResponse)
	failed := false
	for _, topic := range r.Topics {
		rt := kmsg.NewProduceResponseTopic()
		rt.Topic, rt.TopicID = topic.Topic, topic.TopicID
		name := topic.Topic
		if name == "" {
			name = b.TopicIDInfo(topic.TopicID).Topic
		}
		for _, p := range topic.Partitions {
			rp := kmsg.NewProduceResponseTopicPartition()
			rp.Partition = p.Partition
			if err := fail(name); err != nil {
				rp.ErrorCode = err.Code
				failed = true
			}
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	if !failed {
		return nil, nil, false
	}
	return resp, nil, true
}

// Block holds the broker's answers back until Release.
func (b *Broker) Block() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hold = make(chan struct{})
}

func (b *Broker) Release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.hold != nil {
		close(b.hold)
		b.hold = nil
	}
}

// FailWith makes the broker answer with the error that f has for a topic; nil: none.
func (b *Broker) FailWith(f func(topic string) *kerr.Error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fail = f
}

// Values reads values of a topic until there are n.
func (b *Broker) Values(t *testing.T, topic string, n int) []string {
	t.Helper()
	return b.read(t, topic, n)
}

// Committed reads values as a consumer does that sees what is committed only, until there are n,
// and separates them by spaces.
func (b *Broker) Committed(t *testing.T, topic string, n int) string {
	t.Helper()
	return strings.Join(b.read(t, topic, n, kgo.FetchIsolationLevel(kgo.ReadCommitted())), " ")
}

func (b *Broker) read(t *testing.T, topic string, n int, opts ...kgo.Opt) []string {
	t.Helper()
	cl, err := kgo.NewClient(append(opts, kgo.SeedBrokers(b.ListenAddrs()...), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))...)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(context.Background(), Patient)
	defer cancel()
	var values []string
	for len(values) < n {
		fetches := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			t.Fatalf("only %d of %d records arrived: %v", len(values), n, values)
		}
		fetches.EachRecord(func(r *kgo.Record) { values = append(values, string(r.Value)) })
	}
	return values
}

// Waiting reports whether librdkafka has sent a request that is held back.
func (b *Broker) Waiting() bool { return b.held.Load() > 0 }

// SetDelay makes every produce request take this long.
func (b *Broker) SetDelay(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.slow = d
}

// Refuse makes the broker answer that records of topic u are too large for ever.
func (b *Broker) Refuse() {
	b.FailWith(func(topic string) *kerr.Error {
		if topic == "u" {
			return kerr.MessageTooLarge
		}
		return nil
	})
}

// Brokers is the value of bootstrap.servers.
func (b *Broker) Brokers() string { return strings.Join(b.ListenAddrs(), ",") }

// Connect returns a connection to the broker for durable delivery.
func (b *Broker) Connect(t *testing.T) *kafkaconf.Connection {
	t.Helper()
	return Connect(t, b.Brokers())
}

// Transactional is Connect for a transactional route.
func (b *Broker) Transactional(t *testing.T) *kafkaconf.Connection {
	t.Helper()
	return b.Connect(t).As(record.Mode{Delivery: record.Durable, Transactional: true})
}

// Connect returns a connection for durable delivery.
func Connect(t *testing.T, brokers string) *kafkaconf.Connection {
	t.Helper()
	conn, err := kafkaconf.New(kafkaconf.Properties{"bootstrap.servers": brokers}, record.Mode{Delivery: record.Durable})
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// Ascending fails the test unless the values are 0, 1, 2….
func Ascending(t *testing.T, got []string) {
	t.Helper()
	for i, v := range got {
		if v != fmt.Sprint(i) {
			t.Fatalf("record %d is %s, all: %v", i, v, got)
		}
	}
}
