package main

import (
	"context"
	"fmt"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/kafkaupstream/kafkaupstream/internal/devbroker"
)

const (
	// brokerWait bounds one question to the broker, in milliseconds.
	brokerWait = 5000
	// arrivalWait is how long records may take to arrive once the load has ended.
	arrivalWait = 20 * time.Second
)

// broker is a Kafka in this process, so that its CPU time is not a runner's, and
// an eye on what arrives there: a runner that answered 200 has done its work when
// the broker has the record.
type broker struct {
	embedded *devbroker.Broker
	eye      *kafka.Consumer
}

func startBroker() (*broker, error) {
	embedded, err := devbroker.Start()
	if err != nil {
		return nil, err
	}
	eye, err := kafka.NewConsumer(&kafka.ConfigMap{"bootstrap.servers": embedded.Address(), "group.id": "bench"})
	if err != nil {
		embedded.Close()
		return nil, err
	}
	return &broker{embedded, eye}, nil
}

func (b *broker) close() {
	_ = b.eye.Close()
	b.embedded.Close()
}

// records counts what has ever arrived in the topic.
func (b *broker) records(topic string) (int64, error) {
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

// await returns when the topic has n records.
func (b *broker) await(ctx context.Context, topic string, n int64) error {
	ctx, cancel := context.WithTimeout(ctx, arrivalWait)
	defer cancel()
	for {
		got, err := b.records(topic)
		switch {
		case err != nil:
			return err
		case got == n:
			return nil
		case got > n:
			return fmt.Errorf("%d records of %d answered requests are in Kafka", got, n)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("only %d records of %d answered requests are in Kafka: %w", got, n, ctx.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
}
