package durable

import (
	"context"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/internal/spool"
)

const (
	// unitsRead is how many units are read from disk at once. They are sent one after
	// another.
	unitsRead = 50
	// unitWait bounds one attempt to send a unit that is on disk, or to find out about one. To send a
	// unit may need longer, over a slow line: an attempt may take twice as long as the one before, up to
	// unitWaitMax, after which Kafka itself ends a transaction by default (transaction.timeout.ms).
	unitWait    = 10 * time.Second
	unitWaitMax = time.Minute
	// faultPause is how long the units of a topic stand aside at least after a fault of the route's, for each topic that stands
	// aside then: each attempt takes a producer of its own, for which all others wait.
	faultPause = 2 * time.Second
)

// unitForwarder sends units, one after another. Units of a topic that cannot take them stand aside,
// and the others are sent.
type unitForwarder struct {
	*forwarder
	stream   unitStream
	attempt  time.Duration // unitWait
	patience time.Duration // how long the next attempt to send a unit may take
}

func newUnitForwarder(st *stream, attempt time.Duration) *unitForwarder {
	f := &unitForwarder{newForwarder(st), unitStream{st}, attempt, attempt}
	f.ofUnits = true
	if serial := st.units.serial; serial != nil {
		f.look = serial.Look
	}
	f.doRound = f.round
	return f
}

// round sends the next units.
func (f *unitForwarder) round(disk *spool.Stream) (_ time.Duration, deaf bool) {
	if !f.units.settled() { // which may be the end of some of the units
		return f.settle(disk)
	}
	pause := f.examine(time.Now())
	if f.inOrder && len(f.aside) > 0 {
		f.gate.open()
		return pause, false
	}
	entries, cursor, err := disk.Select(f.cursor, unitsRead, batchBytes, f.choose)
	if err != nil {
		return f.unreadable(err)
	}
	moved := cursor != f.cursor
	f.cursor = cursor
	if failure := f.send(disk, entries); failure != nil {
		return f.unitsWait(failure)
	}
	if moved {
		return 0, false
	}
	f.dropRetired(true)
	if len(f.aside) == 0 {
		f.startOver()
		return retryPause, true
	}
	f.gate.open()
	return pause, false
}

// settle finds out what became of the unit in doubt.
func (f *unitForwarder) settle(disk *spool.Stream) (time.Duration, bool) {
	entries, err := disk.Next(spool.Position{}, 1, batchBytes)
	if err != nil {
		return f.unreadable(err)
	}
	if len(entries) == 0 {
		return retryPause, true
	}
	ctx, cancel := context.WithTimeout(f.life, f.attempt)
	defer cancel()
	if err := f.stream.prepare(ctx, entries[0].Record.Topic); err != nil {
		return f.unitsWait(err)
	}
	return 0, false
}

// send sends the units that the reader has taken, one after another. The error is why the rest
// waits; the reader is to meet it again.
func (f *unitForwarder) send(disk *spool.Stream, entries []spool.Entry) (failure *record.Error) {
	chosen := f.chosen
	f.chosen = nil
	for i, t := range chosen {
		switch {
		case failure != nil || i >= len(entries):
		case f.stopping() || f.suspension.Load() != nil || f.inOrder && len(f.aside) > 0:
			f.cursor = spool.Before(entries[i].Position)
			entries = entries[:i]
		default:
			if failure = f.sendOne(disk, &entries[i], t.lane); failure != nil {
				f.cursor = spool.Before(entries[i].Position)
			}
			// To send a unit takes as long as to keep several: without a gate, one client that
			// sends one after another would keep the stream from ever being empty again.
			f.gate.set(failure == nil && disk.Pending() > f.standing(), 0)
		}
		f.give(t.lane, t.size)
	}
	return failure
}

func (f *unitForwarder) unitsWait(err *record.Error) (time.Duration, bool) {
	return f.wait("units wait on disk until Kafka takes them", err)
}

var unsettled = &record.Error{Kind: record.KindUnavailable, Reason: "the producer is being replaced"}

// sendOne sends a unit that is on disk, unless it has to stand aside or can never be
// taken. The error is why no other can be sent either.
func (f *unitForwarder) sendOne(disk *spool.Stream, e *spool.Entry, l *lane) *record.Error {
	if !f.units.settled() { // since the one before
		return unsettled
	}
	err := f.obstacle(l)
	if err == nil {
		ctx, cancel := context.WithTimeout(f.life, f.patience)
		_, err = f.stream.send(ctx, e.Records(), e.Unit)
		if ctx.Err() != nil {
			f.patience = min(2*f.patience, unitWaitMax)
		} else {
			f.patience = f.attempt
		}
		cancel()
		switch {
		case err == nil:
			f.resolve(disk, e.Position, spool.Acked)
			return nil
		case err.Unconfirmed:
			f.units.doubts(e.Unit, e.Position)
			return err
		case !err.Permanent():
			return err
		case !err.Missing() && !err.Refused():
			// A fault of the route's, as a right that the mark needs, is perhaps that of this topic only.
			// What is the fault of all, the preparation of the next unit meets.
			f.say("units of a topic wait on disk until Kafka takes them", err.Reason)
			l.retry = time.Now().Add(time.Duration(1+len(f.aside)) * faultPause)
		}
	}
	if !l.isAside && l.hopeless(err) {
		_, err = f.refuse(disk, []spool.Entry{*e}, []*record.Error{err})
		return err
	}
	f.setAside(l, e.Position)
	return nil
}
