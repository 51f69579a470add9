package durable

import (
	"slices"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/producer"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/internal/spool"
)

// Outcome is what became of one record of several.
type Outcome struct {
	Result
	Err *record.Error
}

// SendAll delivers records as [Queue.Send] does, in their order, all of them before it
// waits for the first.
func (q *Queue) SendAll(conn *kafkaconf.Connection, recs []record.Record, policy Policy, deadline time.Time) []Outcome {
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
			st.keepAll(conn, recs, left, out)
			return out
		}
	}
	sent := make([]*producer.Delivery, len(recs))
	for i := range recs {
		if len(left) > 0 { // nothing overtakes a record that is left behind
			left = append(left, leftBehind{i, nil, behindOthers})
			continue
		}
		var err *record.Error
		if sent[i], err = q.pool.Queue(conn, &recs[i], deadline); err == nil {
			continue
		}
		sent[i] = nil
		if err.Permanent() {
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
		case err.Permanent():
			out[i].Err = err
		default:
			late = append(late, leftBehind{i, nil, err})
		}
	}
	st.keepAll(conn, recs, append(late, left...), out) // those that were queued come first
	return out
}

func topicsOf(recs []record.Record) (topics []string) {
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
	cause    *record.Error
}

// keepAll puts records on disk, in order, and says of each what became of it.
func (st *stream) keepAll(from *kafkaconf.Connection, recs []record.Record, left []leftBehind, out []Outcome) {
	if len(left) == 0 {
		return
	}
	flights := st.writeAll(from, recs, left, out)
	st.mu.Lock()
	defer st.mu.Unlock()
	st.noteOutcomes() // meanwhile some may have been acknowledged
	for index, f := range flights {
		if f.acked {
			out[index].Result = Result{Ack: f.ack}
		}
	}
}

// writeAll writes records, and returns those that are on disk and under way.
func (st *stream) writeAll(from *kafkaconf.Connection, recs []record.Record, left []leftBehind, out []Outcome) map[int]*flight {
	st.keeping.RLock()
	defer st.keeping.RUnlock()
	flights, lost := map[int]*flight{}, 0
	var err error
	for i, a := range st.appendAll(from, recs, left) {
		l := left[i]
		if a.Err != nil {
			lost, err = lost+1, a.Err
			out[l.index] = Outcome{Err: st.notKept(l.delivery, l.cause, a.Err)}
			continue
		}
		out[l.index] = Outcome{Result: Result{Receipt: a.Position.Receipt()}}
		if l.delivery != nil {
			flights[l.index] = st.fly(a.Position, l.delivery)
		}
	}
	if lost > 0 {
		st.q.log.Error("records of a batch cannot be kept on disk", "stream", st.id, "records", lost, "error", err)
	}
	return flights
}

// appendAll appends records, and wakes the forwarder for those that are on disk.
func (st *stream) appendAll(from *kafkaconf.Connection, recs []record.Record, left []leftBehind) []spool.Appended {
	disk, err := st.q.open(st)
	if err != nil {
		return slices.Repeat([]spool.Appended{{Err: err}}, len(left))
	}
	st.disk.Store(disk)
	entries, now := make([]spool.Entry, len(left)), time.Now()
	for i, l := range left {
		entries[i] = spool.Entry{Record: recs[l.index], Kept: now, Holder: from}
	}
	appended := disk.AppendAll(entries)
	if appended[0].Err == nil { // none is behind one that is not
		st.start()
	}
	return appended
}
