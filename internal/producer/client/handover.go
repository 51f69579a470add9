package client

import (
	"context"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

// A client that is replaced hands over what it has not sent: librdkafka gives these
// records back (a purge, which says of each that no broker has it), and its successor
// gets them in the order in which they were queued. New records of the connection wait
// meanwhile, so that none overtakes an earlier one of its key.
//
// The most frequent reason is a batch that Kafka has refused. Producers have
// enable.gapless.guarantee for that: librdkafka then sends nothing more after a
// refused batch, where it would otherwise go on with the records behind it.

const (
	// orderWait is how long new records wait while nothing of what is handed over comes
	// back. A broker that does not answer can keep some for longer; these then go behind.
	orderWait = time.Second
	// PurgeInterval is how often a producer that hands over is purged: what was on its
	// way to a broker and came back is queued again.
	PurgeInterval = 10 * time.Millisecond
)

// handOver has librdkafka give back what it has not sent, as long as something is in flight,
// and passes that on.
func (c *Client) handOver(s *Successor) {
	defer s.Ended()
	inOrder := time.NewTimer(orderWait)
	defer inOrder.Stop()
	tick := time.NewTicker(PurgeInterval)
	defer tick.Stop()
	behind, left := false, c.load.outstanding.Load()
	for left > 0 && !c.end.last.Load() && time.Now().Before(*c.end.deadline.Load()) {
		c.Kafka.Purge(false)
		select {
		case <-c.load.settled:
		case <-tick.C:
		case <-inOrder.C: // what comes back from now on goes behind
			c.passOn(s)
			s.Ended()
			behind = true
		}
		before := left
		if left = c.load.outstanding.Load(); behind {
			c.passOn(s)
		} else if left < before {
			inOrder.Reset(orderWait)
		}
	}
	c.passOn(s)
}

// passOn gives the successor what has come back.
func (c *Client) passOn(s *Successor) {
	soon, cancel := context.WithTimeout(context.Background(), orderWait)
	defer cancel()
	for _, b := range c.returned.take() {
		switch err := s.Accept(soon, &b); err {
		case nil:
		case ErrShuttingDown: // see keepReturned
			c.returned.putBack(b)
		default:
			if b.err.Unconfirmed { // what the successor says is not of the first attempt
				err = b.err
			}
			c.load.outstanding.Add(1)
			c.finish(b.d, record.Ack{}, err)
		}
	}
}

// Accept queues a record of a predecessor. That the cluster does not answer, or not for
// the topic, is no reason against it: it did when the record came. But it is waited for:
// librdkafka looks only once a second for the leader of a topic that it was given first.
func (c *Client) Accept(soon context.Context, from *Client, b *Returned) *record.Error {
	c.load.users.Add(1)
	defer c.load.users.Add(-1)
	<-c.ready
	if c.broken != nil {
		return c.broken
	}
	t, err := c.topics.Get(b.Record.Topic)
	if err != nil {
		return err
	}
	if c.AwaitUp(soon) == nil {
		_, _ = c.topics.Find(soon, b.Record.Topic, b.Record.Partition)
	}
	b.d.of = t
	if c.overtakes && b.d.awaitFirst(soon, &b.Record, c.Conn, c.end.closing) == ErrRetired {
		return ErrRetired
	}
	size := b.d.size
	c.takeOver(from, size)
	if err := c.queueUp(&b.Record, b.d); err != nil {
		b.d.answered(false)
		from.takeOver(c, size)
		return err
	}
	return nil
}

// keepReturned offers what came back at the end of the process to be kept, and returns how
// many records were neither delivered nor kept.
func (c *Client) keepReturned() (lost int) {
	for _, b := range c.returned.take() {
		c.give(b.d.size)
		b.d.unseat()
		topic, kept := b.d.topic, b.d.kept // kept: its sender still has it, on disk or until it gets the outcome
		err := b.err
		if err.Refused() { // as its batch was, perhaps for another record: which one shows when each is sent alone
			err = ErrShuttingDown
		}
		awaited := b.d.report(record.Ack{}, err)
		if !awaited {
			b.d.free()
		}
		// A record must not be kept after its sender was answered that it is not in Kafka.
		answeredNo := awaited && !err.Unconfirmed
		if kept || !answeredNo && c.end.last.Load() && c.shared.Keep != nil && c.shared.Keep(c.Conn, &b.Record) {
			continue
		}
		lost++
		if !awaited {
			c.losses.add(topic, err)
		}
	}
	return lost
}
