package durable

import (
	"errors"
	"slices"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/producer"
	"github.com/kafkaupstream/kafkaupstream/internal/spool"
)

// Outcome is what became of one record of several.
type Outcome struct {
	Result
	Err *producer.Error
}

// SendAll delivers records as [Queue.Send] does, in their order, all of them before it
// waits for the first.
func (q *Queue) SendAll(conn *producer.Connection, recs []producer.Record, policy Policy, deadline time.Time) []Outcome {
	st := q.stream(conn, policy)
	now := time.Now()
	for i := range recs {
		stamp(&recs[i], now)
	}
	deadline = q.kafkaDeadline(deadline)
	out := make([]Outcome, len(recs))
	var left []leftBehind
	topics := topicsOf(recs)
	for !st.clear(topics...) {
		if !st.awaitClear(deadline, topics...) {
			for i := range recs {
				left = append(left, leftBehind{i, nil, behindOthers})
			}
			st.keepAll(recs, left, out)
			return out
		}
	}
	sent := make([]*producer.Delivery, len(recs))
	for i := range recs {
		if len(left) > 0 { // nothing overtakes a record that is left behind
			left = append(left, leftBehind{i, nil, behindOthers})
			continue
		}
		var err *producer.Error
		if sent[i], err = q.pool.Queue(conn, &recs[i], deadline); err == nil {
			continue
		}
		sent[i] = nil
		if permanent(err) {
			out[i].Err = err
		} else {
			left = append(left, leftBehind{i, nil, err})
		}
	}
	var late []leftBehind
	for i, d := range sent {
		if d == nil {
			continue
		}
		if !d.Wait(deadline, q.hurry) {
			late = append(late, leftBehind{i, d, notInTime})
			continue
		}
		ack, err := d.Outcome()
		q.pool.Settle(d)
		switch {
		case err == nil:
			out[i].Ack = ack
		case permanent(err):
			out[i].Err = err
		default:
			late = append(late, leftBehind{i, nil, err})
		}
	}
	st.keepAll(recs, append(late, left...), out) // those that were queued come first
	return out
}

func topicsOf(recs []producer.Record) (topics []string) {
	for i := range recs {
		if !slices.Contains(topics, recs[i].Topic) {
			topics = append(topics, recs[i].Topic)
		}
	}
	return topics
}

// leftBehind is a record that is to be kept, its delivery if librdkafka has it, and
// the reason.
type leftBehind struct {
	index    int
	delivery *producer.Delivery
	cause    *producer.Error
}

// keepAll puts records on disk, in order, with one fsync.
func (st *stream) keepAll(recs []producer.Record, left []leftBehind, out []Outcome) {
	if len(left) == 0 {
		return
	}
	flights, n, err := st.writeAll(recs, left, out)
	if err != nil {
		st.q.log.Error("records cannot be kept on disk", "stream", st.id, "records", len(left)-n, "error", err)
		for _, l := range left[n:] {
			out[l.index] = Outcome{Err: st.notKept(l.delivery, l.cause, err)}
		}
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	st.noteOutcomes() // meanwhile some may have been acknowledged
	for index, f := range flights {
		if f.acked {
			out[index].Result = Result{Ack: f.ack}
		}
	}
}

// writeAll writes records, notes which of them are under way, and returns these and
// how many records it has written; the error is about the others.
func (st *stream) writeAll(recs []producer.Record, left []leftBehind, out []Outcome) (flights map[int]*flight, n int, err error) {
	disk, err := st.q.open(st)
	if err != nil {
		return nil, 0, err
	}
	st.disk.Store(disk)
	st.keeping.RLock()
	defer st.keeping.RUnlock()
	positions := make([]spool.Position, len(left))
	now := time.Now()
	for ; n < len(left); n++ {
		if positions[n], err = disk.Write(&spool.Entry{Record: recs[left[n].index], Kept: now}); err != nil {
			break
		}
	}
	if syncErr := disk.Sync(); syncErr != nil {
		return nil, 0, errors.Join(err, syncErr)
	}
	flights = map[int]*flight{}
	for i, l := range left[:n] {
		out[l.index] = Outcome{Result: Result{Receipt: positions[i].Receipt()}}
		if l.delivery != nil {
			flights[l.index] = st.fly(positions[i], l.delivery)
		}
	}
	if n > 0 {
		st.start()
	}
	return flights, n, err
}
