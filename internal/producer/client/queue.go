package client

import (
	"context"
	"errors"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/kafkaupstream/kafkaupstream/internal/librdkafka"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/internal/topics"
)

// Queue queues the record. A seat is left when the record's outcome is known, or at once with
// an error. With ForNobody the delivery is not the caller's to use.
func (c *Client) Queue(ctx context.Context, rec *record.Record, seat Seat, whom Audience) (*Delivery, *record.Error) {
	c.load.users.Add(1)
	defer c.load.users.Add(-1)
	t, err := c.Admit(ctx, rec)
	if err != nil {
		if seat != nil {
			seat.Leave()
		}
		return nil, err
	}
	d := deliveries.Get().(*Delivery)
	d.of, d.seat, d.kept = t, seat, whom == ForKeeper
	if whom == ForNobody {
		d.async = true
		d.state.Store(abandoned)
	}
	if c.overtakes {
		err = d.awaitFirst(ctx, rec, c.Conn, c.end.closing)
	}
	if err == nil {
		err = c.produce(rec, d)
	}
	if err != nil {
		d.drop()
		return nil, err
	}
	return d, nil
}

// Admit returns the record's topic when the record can be queued now.
func (c *Client) Admit(ctx context.Context, rec *record.Record) (*topics.Topic, *record.Error) {
	if err := c.AwaitReady(ctx); err != nil {
		return nil, err
	}
	now := time.Now()
	if end, ok := ctx.Deadline(); ok && !now.Before(end) {
		return nil, &record.Error{Kind: record.KindUnavailable, Reason: "no time was left to produce the record"}
	}
	c.load.lastUsed.Store(now.UnixNano())
	if rec.Timestamp.IsZero() {
		rec.Timestamp = now // it is the request's, however long the record waits
	}
	if err := c.AwaitUp(ctx); err != nil {
		return nil, err
	}
	t, err := c.topics.Find(ctx, rec.Topic, rec.Partition)
	if err == nil && rec.Partition == record.AnyPartition {
		if a := t.Answer(); a != nil && a.Leaderless() { // it could only wait in the queue
			return c.topics.Find(ctx, rec.Topic, c.Conn.PartitionOf(rec.Key, a.Partitions))
		}
	}
	return t, err
}

// recordOverhead is what a record costs in memory beside its bytes.
const recordOverhead = 512

// produce queues the record, of which librdkafka makes a copy.
func (c *Client) produce(rec *record.Record, d *Delivery) *record.Error {
	d.size = int64(len(rec.Key) + len(rec.Value) + recordOverhead)
	for i := range rec.Headers {
		d.size += int64(len(rec.Headers[i].Key) + len(rec.Headers[i].Value))
	}
	if !c.take(d.size) {
		return &record.Error{Kind: record.KindQueueFull, Reason: "too many bytes are in flight"}
	}
	d.topic, d.stamp, d.queued = d.of.Name, rec.Timestamp.UnixMilli(), time.Now()
	err := c.queueUp(rec, d)
	if err != nil {
		c.give(d.size)
	}
	return err
}

// queueUp gives the record to librdkafka.
func (c *Client) queueUp(rec *record.Record, d *Delivery) *record.Error {
	t := d.of
	handle := t.Handle.Load()
	if handle == nil {
		var err error
		if handle, err = c.Kafka.Topic(t.Name); err != nil {
			return c.notQueued(t.Name, err)
		}
		t.Handle.Store(handle)
	}
	if a := t.Answer(); a != nil {
		d.known = a // a handed-over record keeps what its first client knew until then: see leader.go
	}
	d.number = c.load.numbers.Add(1)
	c.load.outstanding.Add(1)
	err := c.Kafka.Produce(&librdkafka.Message{
		Topic: handle, Partition: rec.Partition, Key: rec.Key, Value: rec.Value, Headers: rec.Headers,
		Timestamp: rec.Timestamp.UnixMilli(), Opaque: d,
	})
	if err == nil {
		return nil
	}
	c.load.settle()
	return c.notQueued(t.Name, err)
}

// notQueued is the outcome of a record that librdkafka has not taken.
func (c *Client) notQueued(topic string, err error) *record.Error {
	var cause *librdkafka.Error
	if !errors.As(err, &cause) {
		return ErrRetired // it is closed
	}
	if cause.Code == kafka.ErrFatal {
		if fatal := c.Kafka.FatalError(); fatal != nil {
			cause = fatal
		}
		c.fatal(cause)
		return ErrRetired
	}
	e := librdkafka.Classify(cause)
	if e.Kind == record.KindTopicNotFound {
		c.topics.Forget(topic)
	}
	return e
}
