package producer

import (
	"context"
	"slices"
	"sync/atomic"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/producer/client"
	"github.com/kafkaupstream/kafkaupstream/internal/producer/transaction"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

type (
	// Delivery is a record that librdkafka has, until its outcome is known.
	Delivery = client.Delivery
	// Serial sends the transactions of one stream.
	Serial = transaction.Serial
)

// Queue queues the record with the connection's producer, for a sender that keeps the
// record until its outcome is known and ends the delivery with [Delivery.End].
func (p *Pool) Queue(ctx context.Context, conn *kafkaconf.Connection, rec *record.Record) (*Delivery, *record.Error) {
	q, err := p.queue(ctx, conn, rec, client.ForKeeper)
	return q.Delivery, err
}

// queued is a record that a client has queued.
type queued struct {
	*Delivery // nil: nobody is to know its outcome
	by        *client.Client
}

func (p *Pool) queue(ctx context.Context, conn *kafkaconf.Connection, rec *record.Record, whom client.Audience) (q queued, err *record.Error) {
	asked := rec.Partition
	partition, err := p.partition(ctx, conn, rec)
	if err != nil {
		return q, err
	}
	stripe := conn.Stripe(partition)
	rec.Partition = partition
	err = p.retrying(ctx, stripe, rec.Topic, whom, func(c *client.Client, s *suspect) *record.Error {
		q.by = c
		if stripe != conn {
			learn(c, rec)
		}
		q.Delivery, err = c.Queue(ctx, rec, s.seat(), whom)
		return err
	})
	rec.Partition = asked // whoever keeps the record keeps this: the topic may have other partitions later
	return q, err
}

// retrying calls f with the client that is to have a record of the topic, and again with
// the next one while a client is being replaced.
func (p *Pool) retrying(ctx context.Context, conn *kafkaconf.Connection, topic string, whom client.Audience, f func(*client.Client, *suspect) *record.Error) *record.Error {
	for {
		c, s, err := p.lane(ctx, conn, topic, whom)
		if err != nil {
			return err
		}
		h := p.handovers.pending(conn.ID(), nil)
		if h == nil { // or of the one that sends alone
			h = p.handovers.pending(c.Conn.ID(), nil)
		}
		if h != nil {
			s.Leave()
			if !wait(ctx, h.done) {
				return &record.Error{Kind: record.KindUnavailable, Reason: "the producer is being replaced"}
			}
			continue
		}
		if err := f(c, s); err != client.ErrRetired || ctx.Err() != nil {
			return err
		}
	}
}

// way delivers a route's records with the producer of its connection.
type way struct {
	pool         *Pool
	conn         *kafkaconf.Connection
	acknowledged bool
}

// Way returns how records of the connection are delivered, one by one. With acknowledged,
// their outcome is Kafka's. Without, success means: the cluster answers, the
// topic and partition exist, and the record is queued, in the order of the calls.
func (p *Pool) Way(conn *kafkaconf.Connection, acknowledged bool) record.Way {
	return &way{p, conn, acknowledged}
}

// Deliver queues all records before it waits for the first.
func (w *way) Deliver(ctx context.Context, b *record.Batch) {
	whom := client.ForNobody
	switch {
	case w.acknowledged && b.Follow:
		// The pool does not offer these to Options.Keep: their sender gets their outcomes at its
		// end, too.
		whom = client.ForKeeper
	case w.acknowledged:
		whom = client.ForSender
	}
	var one [1]queued
	sent := one[:]
	if n := len(b.Records); n > 1 {
		sent = make([]queued, n)
	}
	for i := range b.Records {
		sent[i], b.Outcomes[i].Err = w.pool.queue(ctx, w.conn, &b.Records[i], whom)
	}
	if !w.acknowledged {
		return
	}
	late := 0
	for i, d := range sent {
		switch {
		case d.Delivery == nil:
			continue
		case d.WaitOr(ctx, b.Gone):
			b.Outcomes[i] = d.End()
			sent[i].Delivery = nil
			continue
		case ctx.Err() == nil: // nobody waits, which is no reason to give the record up
			if b.Outcomes[i].Err = record.Unwaited; whom == client.ForKeeper {
				late++
			} else {
				d.OnReport(func() { go d.End() })
			}
			continue
		case whom == client.ForKeeper:
			late++
		case !d.Abandon():
			b.Outcomes[i] = d.End()
			continue
		}
		d.by.Forget(b.Records[i].Topic) // it may have been deleted: the next record asks
		b.Outcomes[i].Err = record.Unknown
	}
	if late > 0 {
		b.Late = lateOutcomes(slices.Clone(b.Outcomes), slices.Clone(sent), late)
	}
}

// lateOutcomes is [record.Batch.Late] for deliveries, so many of which are not nil, and puts
// their outcomes into out.
func lateOutcomes(out []record.Outcome, sent []queued, late int) func(func([]record.Outcome)) {
	return func(then func([]record.Outcome)) {
		var left atomic.Int64
		left.Store(int64(late))
		end := func() {
			for i, d := range sent {
				if d.Delivery != nil {
					out[i] = d.End()
				}
			}
			then(out)
		}
		for _, d := range sent {
			if d.Delivery != nil {
				d.OnReport(func() {
					if left.Add(-1) == 0 {
						go end()
					}
				})
			}
		}
	}
}

// Together returns how records of the connection are delivered in one transaction for
// each batch: a consumer that reads what is committed sees all of them or none.
func (p *Pool) Together(conn *kafkaconf.Connection) record.Way { return p.transactions.Together(conn) }

// Transactions reports whether there is a directory for transactional ids.
func (p *Pool) Transactions() bool { return p.transactions.Enabled() }

// NewSerial returns the sender of a stream's transactions. conn is of the mode Transactional.
func (p *Pool) NewSerial(conn *kafkaconf.Connection, stream string) *Serial {
	return p.transactions.NewSerial(conn, stream)
}

// Reach returns nil when the connection's cluster answers. Where that is not known, it
// waits until ctx ends.
func (p *Pool) Reach(ctx context.Context, conn *kafkaconf.Connection) *record.Error {
	return p.retrying(ctx, conn, "", client.ForKeeper, func(c *client.Client, _ *suspect) *record.Error {
		if err := c.AwaitReady(ctx); err != nil {
			return err
		}
		return c.AwaitUp(ctx)
	})
}

// Look returns how many partitions a topic has, 0 where that is not known, and the error of
// a record for one of them (AnyPartition: of any). It does not wait: the cluster is asked in
// the background where its last answer is too old, and until there is one the error's kind is
// KindUnavailable. It is to be called when Reach has returned nil.
func (p *Pool) Look(conn *kafkaconf.Connection, topic string, partition int32) (partitions int32, err *record.Error) {
	c := p.client(conn)
	if c == nil {
		return 0, client.ErrShuttingDown
	}
	partitions, err = c.Look(topic, partition)
	stripe := conn.Stripe(partition)
	if err == nil && stripe != conn { // of which Reach says nothing
		if c = p.client(stripe); c == nil {
			return partitions, client.ErrShuttingDown
		}
		err = c.Up()
	}
	if err == nil && p.suspects.block(stripe.ID(), topic) {
		err = errStillAlone
	}
	return partitions, err
}
