package durable

import (
	"context"
	"strings"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/internal/spool"
)

// loadedInterval is how often a request looks whether this process owns the spool.
const loadedInterval = 10 * time.Millisecond

// unitStream is a stream of units, as requests and the forwarder send them.
type unitStream struct{ *stream }

// deliver sends or keeps a unit.
func (st unitStream) deliver(kafka context.Context, e *spool.Entry, b *record.Batch) {
	err := behindOthers
	switch {
	case st.awaitTurn(kafka):
		err = st.prepare(kafka, e.Record.Topic)
	case !b.Again:
		st.keep(e, b, err)
		return
	case !st.takeTurn(kafka):
		b.Outcomes, b.Err = nil, record.Unknown
		return
	}
	defer st.endTurn()
	if b.Again {
		if f, ok := st.units.memory.fateOf(e.Unit); ok { // as far as Kafka has been asked
			f.apply(b)
			return
		}
		if err != nil && !st.units.settled() { // it may be in Kafka, whatever is wrong now
			permanent := err.Permanent()
			err = &record.Error{Kind: record.KindUnconfirmed, Unconfirmed: true, Reason: err.Reason}
			if permanent {
				b.Outcomes, b.Err = nil, err
				return
			}
		}
	}
	var out []record.Outcome
	if err == nil {
		out, err = st.send(kafka, b.Records, e.Unit)
	}
	if err == nil || err.Permanent() {
		b.Outcomes, b.Err = out, err
		return
	}
	st.keep(e, b, err)
}

// send sends a unit in one transaction. The holder of the turn calls it.
func (st unitStream) send(ctx context.Context, recs []record.Record, id spool.UnitID) ([]record.Outcome, *record.Error) {
	out, err := st.units.serial.Send(ctx, recs, st.units.memory.markOf(id))
	if err == nil {
		st.units.memory.committed(id)
	}
	return out, err
}

// awaitTurn waits until a new unit is the next to be sent, and takes the stream's turn;
// false: it is to be kept.
func (st unitStream) awaitTurn(kafka context.Context) bool {
	for st.awaitClear(kafka, nil) && st.takeTurn(kafka) {
		if st.clear(nil) {
			return true
		}
		st.endTurn()
	}
	return false
}

// keep puts a unit on disk for the reason of cause. Where that leaves it open whether the unit was
// committed, the caller has the turn.
func (st unitStream) keep(unit *spool.Entry, b *record.Batch, cause *record.Error) {
	kept := st.append([]spool.Entry{*unit})[0]
	if kept.Err != nil {
		st.log.Error("a unit cannot be kept on disk", "stream", st.id, "error", kept.Err)
		b.Outcomes, b.Err = nil, st.notKept(nil, cause, kept.Err)
		return
	}
	if cause.Unconfirmed {
		st.units.doubts(unit.Unit, kept.Position)
	}
	st.units.memory.kept(unit.Unit, kept.Position)
	fate{kept.Position.Receipt()}.apply(b)
}

// prepare makes the producer ready for the next unit, and settles what is in doubt. The holder of
// the turn calls it.
func (st unitStream) prepare(ctx context.Context, topic string) *record.Error {
	if st.units.settled() {
		return nil
	}
	marks, err := st.units.serial.Begin(ctx, topic)
	if err != nil {
		return err
	}
	committed := map[string]bool{}
	for _, mark := range marks {
		for _, text := range strings.Fields(mark) {
			committed[text] = true
			if id, ok := spool.ParseUnitID(text); ok {
				st.units.memory.learn(id, fate{})
			}
		}
	}
	return st.settle(committed)
}

// settle marks what is on disk and was committed.
func (st unitStream) settle(committed map[string]bool) *record.Error {
	if d := st.units.doubt; d != nil && committed[d.Unit.String()] {
		st.resolve(st.disk.Load(), d.Position, spool.Acked)
	}
	st.units.doubt = nil
	if !st.units.unsettled {
		return nil
	}
	err := st.eachOnDisk(func(e *spool.Entry) {
		if committed[e.Unit.String()] {
			st.resolve(st.disk.Load(), e.Position, spool.Acked)
		} else {
			st.units.memory.learn(e.Unit, fate{e.Position.Receipt()})
		}
	})
	st.units.unsettled = err != nil
	return err
}

func (st unitStream) eachOnDisk(f func(*spool.Entry)) *record.Error {
	disk := st.disk.Load()
	if disk == nil {
		return nil
	}
	for after := (spool.Position{}); ; {
		if st.stopping() {
			return &record.Error{Kind: record.KindUnavailable, Reason: "shutting down"}
		}
		entries, err := disk.Next(after, batchRecords, batchBytes)
		if err != nil {
			return &record.Error{Kind: record.KindSpoolFailed, Reason: err.Error()}
		}
		if len(entries) == 0 {
			return nil
		}
		for i := range entries {
			after = entries[i].Position
			f(&entries[i])
		}
	}
}

// recall finds out what became of a unit that was sent before, as far as that can be
// known without Kafka. The error says that it cannot be known now.
func (st unitStream) recall(ctx context.Context, id spool.UnitID) (f fate, ok bool, _ *record.Error) {
	if !st.awaitLoaded(ctx) || !st.takeTurn(ctx) {
		return f, false, record.Unknown
	}
	defer st.endTurn()
	if f, ok := st.units.memory.fateOf(id); ok {
		return f, true, nil
	}
	if !st.units.unsettled {
		return f, false, nil
	}
	err := st.eachOnDisk(func(e *spool.Entry) {
		if e.Unit == id {
			f, ok = fate{e.Position.Receipt()}, true
		}
	})
	if err != nil {
		return f, false, &record.Error{Kind: record.KindUnconfirmed, Unconfirmed: true, Reason: err.Reason}
	}
	return f, ok, nil
}

// awaitLoaded waits until this process knows what is on disk.
func (st unitStream) awaitLoaded(ctx context.Context) bool {
	tick := time.NewTicker(loadedInterval)
	defer tick.Stop()
	for !st.loaded.Load() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		case <-st.life.Done():
			return false
		}
	}
	return true
}
