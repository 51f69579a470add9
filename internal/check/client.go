package check

import (
	"context"
	"sync"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/kafkaupstream/kafkaupstream/internal/check/complaint"
	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
)

// client is a librdkafka producer that remembers what it complained of.
type client struct {
	*kafka.Producer
	admin     *kafka.AdminClient
	mechanism string // of the log-in

	calls sync.WaitGroup // that may outlast the step that made them

	complaints complaint.Log
}

// newClient makes a producer with the properties, which connects to the cluster on its
// own from now on.
func newClient(props kafkaconf.Properties) (*client, error) {
	logs := make(chan kafka.LogEvent, 100)
	conf := kafka.ConfigMap{
		"go.delivery.report.fields": "none",
		"go.events.channel.size":    256,
		"go.produce.channel.size":   0,
		"go.logs.channel.enable":    true,
		"go.logs.channel":           logs,
	}
	for name, value := range props {
		conf[name] = value
	}
	go func() {
		for range logs { // they say what the errors say, and could hold secrets
		}
	}()
	p, err := kafka.NewProducer(&conf)
	if err != nil {
		return nil, err
	}
	c := &client{Producer: p, mechanism: props["sasl.mechanisms"]}
	if c.admin, err = kafka.NewAdminClientFromProducer(p); err != nil {
		return nil, err
	}
	go c.listen()
	return c, nil
}

// await returns what f returns, or an error when ctx ends before. f may go on then:
// librdkafka's calls cannot be interrupted.
func await[T any](ctx context.Context, f func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		v, err := f()
		done <- result{v, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// ask is await for a call of the client's: the client is not closed under it, which
// librdkafka would not survive.
func ask[T any](ctx context.Context, c *client, f func() (T, error)) (T, error) {
	c.calls.Add(1)
	return await(ctx, func() (T, error) {
		defer c.calls.Done()
		return f()
	})
}

// end closes the client in the background: that takes a second where no broker answers.
func (c *client) end() {
	go func() {
		c.calls.Wait()
		c.Close()
	}()
}

// delivered is what a record's report says.
type delivered struct {
	partition int32
	offset    int64
	err       error
	reported  bool // and not refused before it was queued
}

func (c *client) listen() {
	for event := range c.Events() {
		switch e := event.(type) {
		case *kafka.Message:
			e.Opaque.(chan delivered) <- delivered{e.TopicPartition.Partition, int64(e.TopicPartition.Offset), e.TopicPartition.Error, true}
		case kafka.Error:
			c.complaints.Note(e)
		}
	}
}

// firstMillis is how long the first question waits for its answer. Then the complaints are looked at.
const firstMillis = 250

// answer waits until the cluster answers a question about its brokers. Each question waits
// twice as long as the one before: the answer of a broker that is far away comes in time for
// one of them, and a broker that hangs is not all that is asked.
func (c *client) answer(ctx context.Context) (*kafka.Metadata, error) {
	for millis := firstMillis; ; millis *= 2 {
		m, err := ask(ctx, c, func() (*kafka.Metadata, error) { return c.GetMetadata(nil, false, min(millis, millisOf(ctx))) })
		if err == nil {
			return m, nil
		}
		if c.complaints.Hopeless() || ctx.Err() != nil {
			return nil, err
		}
	}
}

// why says what keeps the cluster from answering.
func (c *client) why() string { return c.complaints.Why(c.mechanism) }

// millisOf is what is left of a step, for librdkafka.
func millisOf(ctx context.Context) int {
	deadline, _ := ctx.Deadline()
	return max(int(time.Until(deadline)/time.Millisecond), 1)
}

// noTopic is what is said where a topic is missing.
const noTopic = "there is no such topic, and a check creates none"

// transactionPrefix is how the plugin's transactional ids begin.
const transactionPrefix = "kafkaupstream-"

// cause says in an operator's words why Kafka refused something.
func (c *client) cause(err error) string {
	if err == context.DeadlineExceeded {
		if c.complaints.Any() {
			return "no answer in time; " + c.why()
		}
		return "no answer in time"
	}
	kerr, isKafka := err.(kafka.Error)
	if !isKafka {
		return err.Error()
	}
	switch kerr.Code() {
	case kafka.ErrUnknownTopicOrPart, kafka.ErrUnknownTopic:
		return noTopic
	case kafka.ErrTopicException:
		return "the cluster refuses the topic's name"
	case kafka.ErrTopicAuthorizationFailed:
		return "the route's credentials may not write to this topic; they need WRITE on it"
	case kafka.ErrClusterAuthorizationFailed:
		return "the route's credentials may not produce with enable.idempotence on this cluster; they need WRITE on a topic, or IDEMPOTENT_WRITE on the cluster"
	case kafka.ErrTransactionalIDAuthorizationFailed:
		return "the route's credentials may not use transactions; they need WRITE on transactional ids that begin with " + transactionPrefix
	case kafka.ErrNotEnoughReplicas, kafka.ErrNotEnoughReplicasAfterAppend:
		return "too few replicas are in sync for acks=all (min.insync.replicas)"
	case kafka.ErrMsgSizeTooLarge:
		return "it is larger than the topic takes (max.message.bytes), or the producer (message.max.bytes)"
	case kafka.ErrMsgTimedOut, kafka.ErrTimedOut:
		if c.complaints.Any() {
			return c.why()
		}
		return "no acknowledgement in time"
	}
	return kerr.String()
}
