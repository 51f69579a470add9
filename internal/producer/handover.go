package producer

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/kafkaupstream/kafkaupstream/internal/librdkafka"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

// A producer that is replaced hands over what it has not sent: librdkafka gives these
// records back (a purge, which says of each that no broker has it), and its successor
// gets them in the order in which they were queued. New records of the connection wait
// meanwhile, so that none overtakes an earlier one of its key.
//
// The most frequent reason is a batch that Kafka has refused: see suspect.go. Producers
// have enable.gapless.guarantee for that: librdkafka then sends nothing more after a
// refused batch, where it would otherwise go on with the records behind it.

const (
	// orderWait is how long new records wait for those that are handed over. A broker
	// that does not answer can keep some for longer; these then go behind.
	orderWait = time.Second
	// purgeInterval is how often a producer that hands over is purged: what was on its
	// way to a broker and came back is queued again.
	purgeInterval = 10 * time.Millisecond
)

// handovers are those of a pool that have not ended.
type handovers struct {
	n      atomic.Int32 // of all connections: 0 is what a request sees
	mu     sync.Mutex
	byConn map[string][]*handover // by the connection's id, the oldest first
}

// handover is that of one producer.
type handover struct {
	done chan struct{}
	end  func() // may be called more than once
}

// begin notes a handover. Until its end, new records wait.
func (hs *handovers) begin(conn string) *handover {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	h := &handover{done: make(chan struct{})}
	h.end = sync.OnceFunc(func() {
		hs.mu.Lock()
		defer hs.mu.Unlock()
		hs.byConn[conn] = slices.DeleteFunc(hs.byConn[conn], func(other *handover) bool { return other == h })
		if len(hs.byConn[conn]) == 0 {
			delete(hs.byConn, conn)
		}
		hs.n.Add(-1)
		close(h.done)
	})
	hs.byConn[conn] = append(hs.byConn[conn], h)
	hs.n.Add(1)
	return h
}

// pending returns the connection's oldest handover that is younger than another, nil
// when there is none. For nil it is the oldest of all.
func (hs *handovers) pending(conn string, after *handover) *handover {
	if hs.n.Load() == 0 {
		return nil
	}
	hs.mu.Lock()
	defer hs.mu.Unlock()
	all := hs.byConn[conn]
	if i := slices.Index(all, after); i+1 < len(all) {
		return all[i+1]
	}
	return nil
}

// returned is a record that librdkafka has given back: no broker has it.
type returned struct {
	number int64 // in the order of queueing
	rec    record.Record
	d      *Delivery
	err    *record.Error // why
}

// ofGapless reports whether a line of librdkafka's is about enable.gapless.guarantee: that
// it is experimental, or that a batch was refused, which the client logs itself.
func ofGapless(line librdkafka.LogLine) bool {
	return strings.Contains(line.Text, "gapless") || strings.Contains(line.Text, "gap-less")
}

// notSent reports whether a report says nothing about the record but that it was not
// sent: it was purged, or the producer has failed.
func notSent(r *librdkafka.Report) bool {
	return r.Status == librdkafka.NotPersisted && librdkafka.KindOf(r.Code) == record.KindUnconfirmed
}

// purged reports whether a record was still there when its producer ended.
func purged(r *librdkafka.Report) bool {
	return r.Code == kafka.ErrPurgeQueue || r.Code == kafka.ErrPurgeInflight
}

// giveBack keeps a record that is to be sent again or, at the end of the pool, to be
// put on disk; false: nobody wants it any more.
func (c *client) giveBack(r *librdkafka.Report, d *Delivery, e *record.Error) bool {
	if !d.async && d.state.Load() == abandoned {
		return false // its sender was answered that the outcome is unknown
	}
	b := returned{number: d.number, d: d, err: e}
	b.rec = record.Record{Topic: d.topic, Partition: r.Partition, Timestamp: time.UnixMilli(d.stamp)}
	b.rec.Key, b.rec.Value, b.rec.Headers = r.Content()
	c.returnedMu.Lock()
	c.returned = append(c.returned, b)
	c.returnedMu.Unlock()
	c.settle()
	return true
}

// takeReturned returns the records that were given back, in the order of queueing.
func (c *client) takeReturned() []returned {
	c.returnedMu.Lock()
	defer c.returnedMu.Unlock()
	all := c.returned
	c.returned = nil
	slices.SortFunc(all, func(a, b returned) int { return cmp.Compare(a.number, b.number) })
	return all
}

// handOver has librdkafka give back what it has not sent, as long as something is under
// way, and passes that on.
func (c *client) handOver(h *handover) {
	defer h.end()
	inOrder := time.NewTimer(orderWait)
	defer inOrder.Stop()
	tick := time.NewTicker(purgeInterval)
	defer tick.Stop()
	for behind := false; c.outstanding.Load() > 0 && !c.ending.Load() && time.Now().Before(*c.deadline.Load()); {
		c.kafka.Purge(false)
		select {
		case <-c.settled:
		case <-tick.C:
		case <-inOrder.C: // what comes back from now on goes behind
			c.passOn(h)
			h.end()
			behind = true
		}
		if behind {
			c.passOn(h)
		}
	}
	c.passOn(h)
}

// passOn gives the successor what has come back.
func (c *client) passOn(h *handover) {
	soon, cancel := context.WithTimeout(context.Background(), orderWait)
	defer cancel()
	for _, b := range c.takeReturned() {
		switch err := c.pool.resend(soon, c, h, &b); err {
		case nil:
		case errRetired: // the pool has been closed: see keepReturned
			c.returnedMu.Lock()
			c.returned = append(c.returned, b)
			c.returnedMu.Unlock()
		default:
			c.outstanding.Add(1)
			c.finish(b.d, record.Ack{}, err)
		}
	}
}

// resend queues a record that from has given back with from's successor.
// Until soon ends, it waits for what is to come before the record.
func (p *Pool) resend(soon context.Context, from *client, h *handover, b *returned) *record.Error {
	ctx, cancel := context.WithTimeout(context.Background(), retireWait)
	defer cancel()
	for {
		// A successor that has failed itself has earlier ones of these records.
		if younger := p.handovers.pending(from.conn.ID(), h); younger != nil {
			<-younger.done
			continue
		}
		c, s, err := p.lane(ctx, from.conn, b.rec.Topic, forKeeper)
		if err != nil {
			return err
		}
		if c == nil {
			return errRetired
		}
		if s != nil {
			b.d.suspect.leave()
			b.d.suspect = s
		}
		if err := c.accept(soon, from, b); err != errRetired {
			return err
		}
	}
}

// accept queues a record of a predecessor. That the cluster does not answer, or not for
// the topic, is no reason against it: it did when the record came. But it is waited for:
// librdkafka looks only once a second for the leader of a topic that it was given first.
func (c *client) accept(soon context.Context, from *client, b *returned) *record.Error {
	c.users.Add(1)
	defer c.users.Add(-1)
	<-c.ready
	if c.broken != nil {
		return c.broken
	}
	t, err := c.topics.Get(b.rec.Topic)
	if err != nil {
		return err
	}
	if c.link.await(soon, c.closing) == nil {
		_, _ = c.topics.Find(soon, b.rec.Topic, b.rec.Partition)
	}
	b.d.of = t
	if c.overtakes && c.awaitFirst(soon, &b.rec, b.d) == errRetired {
		return errRetired
	}
	size := b.d.size
	c.pool.budget.move(&from.queued, &c.queued, size)
	if err := c.queueUp(&b.rec, b.d); err != nil {
		b.d.answered(false)
		c.pool.budget.move(&c.queued, &from.queued, size)
		return err
	}
	return nil
}

// keepReturned offers what came back at the end of the pool to be kept, and returns how
// many records were neither delivered nor kept.
func (c *client) keepReturned() (lost int) {
	for _, b := range c.takeReturned() {
		c.pool.budget.give(&c.queued, b.d.size)
		b.d.suspect.leave()
		topic := b.d.topic
		told := b.d.report(record.Ack{}, b.err)
		if !told {
			b.d.free()
		}
		// Nothing may become of a record after its sender was answered that nothing will.
		answeredNo := told && !b.err.Unconfirmed
		if !answeredNo && c.ending.Load() && c.pool.keep != nil && c.pool.keep(c.conn, &b.rec) {
			continue
		}
		lost++
		if !told {
			c.losses.add(topic, b.err)
		}
	}
	return lost
}
