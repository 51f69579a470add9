package producer

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

// Late gives what became of records that was not known in time: it calls then once, on a
// goroutine of its own, when the outcome of the last of them has come.
type Late func(then func([]record.Outcome))

// Follow sends records as [Pool.SendAll] does with wait, for a sender that wants to know
// what became of them also when it is too late for an answer. Then an outcome that was
// not known at the deadline is KindUnconfirmed, and late, which is to be called once, gives
// the final outcomes of all records; it is nil where all are known.
//
// The pool does not offer these records to [Options.Keep]: at its end, too, their sender
// is told what became of them.
func (p *Pool) Follow(conn *kafkaconf.Connection, recs []record.Record, deadline time.Time) (out []record.Outcome, late Late) {
	out = make([]record.Outcome, len(recs))
	sent := make([]*Delivery, len(recs)) // those that are under way
	for i := range recs {
		sent[i], out[i].Err = p.Queue(conn, &recs[i], deadline)
	}
	open := 0
	for i, d := range sent {
		switch {
		case out[i].Err != nil:
		case d.Wait(deadline, nil):
			out[i] = p.outcomeOf(d)
			sent[i] = nil
		default:
			open++
			out[i].Err = &record.Error{Kind: record.KindUnconfirmed, Unconfirmed: true, Reason: "no acknowledgement in time"}
			if c := p.client(conn); c != nil {
				c.topics.Forget(recs[i].Topic) // it may have been deleted: the next record asks
			}
		}
	}
	if open == 0 {
		return out, nil
	}
	return out, p.late(slices.Clone(out), sent, open)
}

// late waits for the outcomes of deliveries, so many of which are not nil, and puts them
// into out.
func (p *Pool) late(out []record.Outcome, sent []*Delivery, open int) Late {
	return func(then func([]record.Outcome)) {
		var left atomic.Int64
		left.Store(int64(open))
		for _, d := range sent {
			if d == nil {
				continue
			}
			d.OnReport(func() {
				if left.Add(-1) > 0 {
					return
				}
				go func() {
					for i, d := range sent {
						if d != nil {
							out[i] = p.outcomeOf(d)
						}
					}
					then(out)
				}()
			})
		}
	}
}

// outcomeOf ends a delivery whose outcome has come.
func (p *Pool) outcomeOf(d *Delivery) record.Outcome {
	ack, err := d.Outcome()
	p.Settle(d)
	return record.Outcome{Ack: ack, Err: err}
}
