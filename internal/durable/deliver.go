package durable

import (
	"context"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/deadline"
	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/producer"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/internal/spool"
)

// Way returns how records of the connection are delivered to Kafka or to the disk: a
// batch as one unit where the connection is transactional, and otherwise each record by itself. An
// error that is Unconfirmed means that the record may be in Kafka, on disk, or in neither.
func (q *Queue) Way(conn *kafkaconf.Connection, policy Policy) record.Way {
	if conn.Transactional() {
		return &unitWay{q, conn, policy}
	}
	return &way{q, conn, policy}
}

// forKafka is the part of a request's time in which Kafka may acknowledge its records; the
// rest is for keeping them.
func (q *Queue) forKafka(ctx context.Context) *deadline.Context {
	end, _ := ctx.Deadline()
	return q.requests.New(end.Add(-replyReserve(time.Until(end))))
}

// replyReserve is the time a record may take to be kept, out of its timeout.
func replyReserve(timeout time.Duration) time.Duration { return min(timeout/5, 200*time.Millisecond) }

// way delivers a route's records one by one.
type way struct {
	q      *Queue
	conn   *kafkaconf.Connection
	policy Policy
}

// Deliver sends the records, in their order, all of them before it waits for the first,
// and keeps on disk what Kafka does not acknowledge in time.
func (w *way) Deliver(ctx context.Context, b *record.Batch) {
	st := w.q.stream(w.conn, w.policy)
	stamp(b.Records, time.Now())
	kafka := w.q.forKafka(ctx)
	defer kafka.Release()
	var left []leftBehind
	if st.awaitClear(kafka, b.Records) {
		left = w.send(kafka, b)
	} else {
		left = appendBehind(nil, b, 0)
	}
	if len(left) > 0 {
		w.keep(st, b, left)
	}
}

// leftBehind is a record that is to be kept, its delivery if librdkafka has it, and
// the reason.
type leftBehind struct {
	index    int
	delivery *producer.Delivery
	cause    *record.Error
}

// send sends records, and returns those that are to be kept, in their order.
func (w *way) send(kafka context.Context, b *record.Batch) (left []leftBehind) {
	var one [1]*producer.Delivery
	sent := one[:]
	if n := len(b.Records); n > 1 {
		sent = make([]*producer.Delivery, n)
	}
	var behind []leftBehind
	for i := range b.Records {
		d, err := w.q.pool.Queue(kafka, w.conn, &b.Records[i])
		if err != nil && !final(&b.Records[i], err) { // nothing overtakes a record that is left behind
			behind = appendBehind([]leftBehind{{i, nil, err}}, b, i+1)
			break
		}
		sent[i], b.Outcomes[i].Err = d, err
	}
	for i, d := range sent {
		if d == nil {
			continue
		}
		if !d.Wait(kafka) {
			left = append(left, leftBehind{i, d, record.Unknown})
			continue
		}
		if o := d.End(); o.Err == nil || final(&b.Records[i], o.Err) {
			b.Outcomes[i] = o
		} else {
			left = append(left, leftBehind{i, nil, o.Err})
		}
	}
	return append(left, behind...)
}

// final reports whether the record is refused for good. The partition of a key that is not there is not
// the record's fault: the topic was made again with fewer, which the producers learn a moment later.
func final(rec *record.Record, err *record.Error) bool {
	return err.Permanent() && (err.Kind != record.KindPartitionNotFound || rec.Partition != record.AnyPartition)
}

func appendBehind(left []leftBehind, b *record.Batch, from int) []leftBehind {
	for i := from; i < len(b.Records); i++ {
		left = append(left, leftBehind{i, nil, behindOthers})
	}
	return left
}

// keep puts records on disk, in order.
func (w *way) keep(st *stream, b *record.Batch, left []leftBehind) {
	for index, f := range w.write(st, b, left) {
		if ack, ok := st.flights.ackOf(f); ok { // meanwhile
			b.Outcomes[index] = record.Outcome{Ack: ack}
		}
	}
}

// write writes records, and returns those that are on disk and under way, by index. The room that
// they take is that of the route, which the connection stands for.
func (w *way) write(st *stream, b *record.Batch, left []leftBehind) map[int]*flight {
	entries, now := make([]spool.Entry, len(left)), time.Now()
	for i, l := range left {
		entries[i] = spool.Entry{Record: b.Records[l.index], Kept: now, Holder: w.conn}
	}
	st.keeping.RLock()
	defer st.keeping.RUnlock()
	flights, lost := map[int]*flight{}, 0
	var err error
	for i, a := range st.append(entries) {
		l := left[i]
		if a.Err != nil {
			lost, err = lost+1, a.Err
			b.Outcomes[l.index].Err = st.notKept(l.delivery, l.cause, a.Err)
			continue
		}
		b.Outcomes[l.index].Receipt = a.Position.Receipt()
		if l.delivery != nil {
			flights[l.index] = st.fly(a.Position, l.delivery)
		}
	}
	if lost > 0 {
		st.log.Error("a record cannot be kept on disk", "stream", st.id, "records", lost, "error", err)
	}
	return flights
}

// stamp gives records their time: what is sent later was made now.
func stamp(recs []record.Record, now time.Time) {
	for i := range recs {
		if recs[i].Timestamp.IsZero() {
			recs[i].Timestamp = now
		}
	}
}

// unitWay delivers a route's batches as units: records of one topic that are in Kafka all
// or none.
type unitWay struct {
	q      *Queue
	conn   *kafkaconf.Connection
	policy Policy
}

// Deliver delivers the records in one transaction to Kafka, or as one unit to the disk.
// Then the unit's receipt is that of each record.
func (w *unitWay) Deliver(ctx context.Context, b *record.Batch) {
	st := unitStream{w.q.stream(w.conn, w.policy)}
	now := time.Now()
	stamp(b.Records, now)
	kafka := w.q.forKafka(ctx)
	defer kafka.Release()
	e := &spool.Entry{Unit: b.Unit, Record: b.Records[0], Rest: b.Records[1:], Kept: now, Holder: w.conn}
	if e.Unit.IsZero() {
		e.Unit = spool.NewUnitID()
	} else {
		st.units.memory.expect(e.Unit)
		b.Replied = func() { st.units.memory.replied(e.Unit) }
	}
	if b.Again {
		f, ok, err := st.recall(kafka, e.Unit)
		if err != nil {
			b.Outcomes, b.Err = nil, err
			return
		}
		if ok {
			f.apply(b)
			return
		}
	}
	st.deliver(kafka, e, b)
}
