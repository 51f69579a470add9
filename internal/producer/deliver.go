package producer

import (
	"context"
	"slices"
	"sync/atomic"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

// way delivers a route's records with the producer of its connection.
type way struct {
	pool         *Pool
	conn         *kafkaconf.Connection
	acknowledged bool
}

// Way returns how records of the connection are delivered, one by one. With acknowledged,
// their outcome is what Kafka has said of them. Without, success means: the cluster answers, the
// topic and partition exist, and the record is queued, in the order of the calls.
func (p *Pool) Way(conn *kafkaconf.Connection, acknowledged bool) record.Way {
	return &way{p, conn, acknowledged}
}

// Deliver queues all records before it waits for the first.
func (w *way) Deliver(ctx context.Context, b *record.Batch) {
	whom := forNobody
	switch {
	case w.acknowledged && b.Follow:
		// The pool does not offer these to Options.Keep: at its end, too, their sender hears what
		// became of them.
		whom = forKeeper
	case w.acknowledged:
		whom = forSender
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
		case d.Wait(ctx) || whom == forSender && !d.abandon():
			b.Outcomes[i] = d.End()
			sent[i].Delivery = nil
			continue
		case whom == forKeeper:
			late++
		}
		d.by.topics.Forget(b.Records[i].Topic) // it may have been deleted: the next record asks
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
