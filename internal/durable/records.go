package durable

import (
	"fmt"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/deadline"
	"github.com/kafkaupstream/kafkaupstream/internal/producer"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/internal/spool"
)

// askWait bounds how long the reader waits for the cluster as a whole.
const askWait = 2 * time.Second

// recordForwarder sends records one by one.
type recordForwarder struct{ *forwarder }

func newRecordForwarder(st *stream) *recordForwarder {
	f := &recordForwarder{newForwarder(st)}
	f.look = func(topic string, partition int32) (int32, *record.Error) {
		return st.pool.Look(st.conn, topic, partition)
	}
	f.doRound = f.round
	return f
}

// round reads and sends the next records, and notes what became of earlier ones.
func (f *recordForwarder) round(disk *spool.Stream) (_ time.Duration, deaf bool) {
	if err := f.reach(); err != nil {
		return f.recordsWait(err)
	}
	f.buryRefused(disk)
	pause := f.examine(time.Now())
	if f.inOrder && len(f.aside) > 0 { // nothing overtakes it
		f.gate.open()
		return pause, false
	}
	if !f.roomAgain() {
		return min(pause, retryPause), false
	}
	f.full, f.crowded = nil, false
	appended := f.appended.Load()
	entries, cursor, err := disk.Select(f.cursor, batchRecords, batchBytes, f.choose)
	moved := cursor != f.cursor
	f.cursor = cursor
	f.noteRead(disk, err)
	f.awaitKeeping()
	failure := f.send(disk, entries)
	switch {
	case err != nil:
		return f.unreadable(err)
	case failure != nil:
		return f.recordsWait(failure)
	case moved:
		pause = 0
	case f.crowded:
		f.say("records wait on disk behind those of too many topics and partitions that stand aside", fmt.Sprintf("%d do", len(f.aside)))
	case f.full == nil:
		f.dropRetired(true)
		f.lanes.ahead.read(appended)
		f.startOverIfLost(disk)
	}
	f.gateBefore(disk.Pending() - f.standing())
	if len(f.own) > 0 {
		pause = min(pause, retryPause)
	}
	return pause, false
}

// ask returns the context of a question to the cluster, which ends with Stop.
func (f *recordForwarder) ask() *deadline.Context { return f.asked.New(time.Now().Add(askWait)) }

// reach returns nil when the cluster answers.
func (f *recordForwarder) reach() *record.Error {
	ctx := f.ask()
	defer ctx.Release()
	return f.pool.Reach(ctx, f.conn)
}

// queue gives a record to the producer.
func (f *recordForwarder) queue(rec *record.Record) (*producer.Delivery, *record.Error) {
	ctx := f.ask()
	defer ctx.Release()
	return f.pool.Queue(ctx, f.conn, rec)
}

func (f *recordForwarder) recordsWait(err *record.Error) (time.Duration, bool) {
	return f.wait("records wait on disk until Kafka takes them", err)
}

// startOverIfLost takes the reader back to the beginning if it is at the end and there are records
// that are neither under way nor aside.
func (f *recordForwarder) startOverIfLost(disk *spool.Stream) {
	if len(f.own) == 0 && len(f.aside) == 0 && disk.Pending() > 0 && f.lanes.ahead.isRead(f.appended.Load()) {
		f.startOver()
	}
}

// gateBefore delays requests while Kafka takes what is left on disk: the last records
// until they are gone, and before that as long as it takes to keep clients from being
// quicker than the forwarder.
func (f *recordForwarder) gateBefore(left int64) {
	pace := time.Duration(0)
	if left > gateRecords {
		if pace = gatePace; f.inOrder {
			pace = gateWait // it sends one record at a time
		}
	}
	f.gate.set(left > 0, pace)
}

// send hands the records that the reader has taken to the producer, in order. The error
// is why it does not take any; the reader is to meet what is left again.
func (f *recordForwarder) send(disk *spool.Stream, entries []spool.Entry) (failure *record.Error) {
	chosen, dead := f.chosen, dead{}
	f.chosen = nil
	for i, t := range chosen {
		if failure != nil || i >= len(entries) { // which could not be read
			f.give(t.lane, t.size)
		} else {
			e := &entries[i]
			if failure = f.sendOne(e, t, &dead); failure != nil {
				f.cursor = spool.Before(e.Position)
			}
		}
	}
	f.bury(disk, &dead)
	return failure
}

// sendOne sends a record of a lane, or finds that it is under way already, or that it
// has to stand aside or can never be taken. The error is about all records.
func (f *recordForwarder) sendOne(e *spool.Entry, t taken, dead *dead) *record.Error {
	l := t.lane
	flight, failed := f.flights.find(e.Position)
	if flight != nil && failed == nil {
		f.adopt(flight, t)
		return nil
	}
	err := f.obstacle(l)
	if flight != nil && !l.isAside {
		f.flights.end(e.Position)
		if l.hopeless(failed) {
			err = failed
		}
	}
	if err == nil {
		var d *producer.Delivery
		if d, err = f.queue(&e.Record); err == nil {
			f.adopt(f.fly(e.Position, d), t)
			return nil
		}
		switch {
		case err.Missing() || err.Refused():
		case f.conn.Stripe(l.partition) != f.conn, err.Kind == record.KindQueueFull, err.Kind == record.KindConfig: // of this partition's producer, one of several
			f.setAside(l, e.Position)
			l.retry = time.Now().Add(retryPause)
			f.give(l, t.size)
			return nil
		default:
			f.give(l, t.size)
			return err
		}
	}
	if !l.isAside && l.hopeless(err) {
		dead.add(e, t, err)
		return nil // bury gives back what it took
	}
	f.setAside(l, e.Position)
	f.give(l, t.size)
	return nil
}

// buryRefused deals with records that Kafka has refused.
func (f *recordForwarder) buryRefused(disk *spool.Stream) {
	dead := dead{}
	for _, o := range f.refused {
		p := o.flight.position
		entries, _, err := disk.Select(spool.Before(p), 1, 0, nil)
		if err != nil || len(entries) == 0 || entries[0].Position != p {
			f.standAside(o.lane, spool.Before(p))
			f.give(o.lane, o.size)
			continue
		}
		dead.add(&entries[0], o.taken, o.flight.err)
	}
	f.refused = nil
	f.bury(disk, &dead)
}

// dead are the records of a round that Kafka can never take.
type dead struct {
	entries []spool.Entry
	taken   []taken
	errs    []*record.Error
}

func (d *dead) add(e *spool.Entry, t taken, err *record.Error) {
	d.entries, d.taken, d.errs = append(d.entries, *e), append(d.taken, t), append(d.errs, err)
}

// bury deals with records that Kafka can never take, with one fsync for all. The lanes of
// those that have to stay stand aside for a while.
func (f *recordForwarder) bury(disk *spool.Stream, d *dead) {
	if len(d.entries) == 0 {
		return
	}
	buried, failure := f.refuse(disk, d.entries, d.errs)
	for i, t := range d.taken {
		p := d.entries[i].Position
		if i < buried {
			f.flights.end(p)
		} else {
			f.standAside(t.lane, spool.Before(p))
			t.lane.retry = time.Now().Add(retryPause)
		}
		f.give(t.lane, t.size)
	}
	if failure != nil && f.policy == DeadLetter {
		f.say("records that Kafka can never take stay where they are", failure.Reason)
	}
}
