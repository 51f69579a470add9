package rig

import (
	"context"
	"fmt"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/kafkaupstream/kafkaupstream/internal/devbroker"
	"github.com/kafkaupstream/kafkaupstream/test/kafkatest"
)

const (
	// brokerWait bounds one question to the broker, in milliseconds.
	brokerWait = 5000
	// arrivalWait is how long records may take to arrive once the load has ended.
	arrivalWait = 20 * time.Second
	// partitions are a topic's where nothing else is said: as many as the embedded broker gives each.
	partitions = 4
)

// Broker is a Kafka outside the processes that are measured, so that its CPU time is not theirs, and
// an eye on what arrives there: a runner that answered 200 has done its work when
// the broker has the record.
type Broker struct {
	Address string // bootstrap.servers

	create func(topic string) error
	stop   func()
	eye    *kafka.Consumer
}

// StartBroker starts the broker that is embedded in this process (nodes 0), or a real Kafka of 1 or 3 nodes.
func StartBroker(nodes int) (*Broker, error) {
	if nodes == 0 {
		embedded, err := devbroker.Start()
		if err != nil {
			return nil, err
		}
		return NewBroker(embedded.Address(), func(string) error { return nil }, embedded.Close)
	}
	cluster, err := kafkatest.Start(kafkatest.Options{Nodes: nodes})
	if err != nil {
		return nil, err
	}
	create := func(topic string) error { return cluster.CreateTopic(topic, partitions, nodes, nil) }
	return NewBroker(cluster.Bootstrap(), create, cluster.Close)
}

// NewBroker is a broker that runs already. create makes a topic; stop ends the broker, also when NewBroker fails.
func NewBroker(address string, create func(topic string) error, stop func()) (*Broker, error) {
	eye, err := kafka.NewConsumer(&kafka.ConfigMap{"bootstrap.servers": address, "group.id": "bench"})
	if err != nil {
		stop()
		return nil, err
	}
	return &Broker{address, create, stop, eye}, nil
}

func (b *Broker) Close() {
	_ = b.eye.Close()
	b.stop()
}

// Records counts what has ever arrived in the topic.
func (b *Broker) Records(topic string) (int64, error) {
	md, err := b.eye.GetMetadata(&topic, false, brokerWait)
	if err != nil {
		return 0, err
	}
	var n int64
	for _, p := range md.Topics[topic].Partitions {
		_, high, err := b.eye.QueryWatermarkOffsets(topic, p.ID, brokerWait)
		if err != nil {
			return 0, err
		}
		n += high
	}
	return n, nil
}

// Await returns when the topic has the records of n answered requests. Those of failed ones may be there too: a 504 does not
// say. More than all of them are an error, and fewer than n after wait.
func (b *Broker) Await(ctx context.Context, topic string, n, failed int64, wait time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	for {
		got, err := b.Records(topic)
		switch {
		case err != nil:
			return err
		case got > n+failed:
			return fmt.Errorf("%d records of %d answered and %d failed requests are in Kafka", got, n, failed)
		case got >= n:
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("only %d records of %d answered requests are in Kafka: %w", got, n, ctx.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
}
