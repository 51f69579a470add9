package durable

import (
	"context"
	"strings"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/producer"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/internal/spool"
)

const (
	// unitsRead is how many units are read from disk at once. They are sent one after
	// another.
	unitsRead = 50
	// unitWait bounds one attempt to send a unit that is on disk, or to find out about one.
	unitWait = 10 * time.Second
)

// units is how a transactional stream is sent: one unit after another, each in one
// transaction, by the process that owns the directory only. Who has the stream's turn
// uses it.
//
// A unit whose commit was not answered is in doubt. Nothing is sent before that is
// settled: a new producer ends what the one before has left, and its mark says whether
// that was committed.
type units struct {
	serial *producer.Serial // nil: an operator's command
	// unsettled: whatever is on disk is in doubt, since another process may have sent it.
	unsettled bool
	doubt     *spool.Entry // the unit in doubt, its identity and position; nil: none

	memory
}

// settled reports whether the next unit may be sent.
func (u *units) settled() bool { return u.serial.Begun() && !u.unsettled && u.doubt == nil }

// inDoubt returns how many units may or may not have been committed: while somebody
// has the stream's turn, the one that is sent.
func (st *stream) inDoubt() int {
	select {
	case st.turn <- struct{}{}:
	default:
		return 1
	}
	defer func() { <-st.turn }()
	if st.doubt != nil {
		return 1
	}
	return 0
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
	st := w.q.stream(w.conn, w.policy)
	now := time.Now()
	stamp(b.Records, now)
	kafka := w.q.forKafka(ctx)
	defer kafka.Release()
	e := &spool.Entry{Unit: b.Unit, Record: b.Records[0], Rest: b.Records[1:], Kept: now, Holder: w.conn}
	if e.Unit.IsZero() {
		e.Unit = spool.NewUnitID()
	} else {
		st.expect(e.Unit)
		b.Replied = func() { st.replied(e.Unit) }
	}
	if b.Again {
		f, ok, err := st.recall(kafka, e.Unit)
		if err != nil {
			b.Outcomes, b.Err = nil, err
			return
		}
		if ok {
			f.tell(b)
			return
		}
	}
	st.deliver(kafka, e, b)
}

// tell sets the outcome of a unit's records to its fate.
func (f fate) tell(b *record.Batch) {
	if f.receipt == "" {
		b.Outcomes = nil
	}
	for i := range b.Outcomes {
		b.Outcomes[i].Receipt = f.receipt
	}
}

// deliver sends or keeps a unit.
func (st *stream) deliver(kafka context.Context, e *spool.Entry, b *record.Batch) {
	if !st.unitTurn(kafka) {
		st.keepUnit(e, b, behindOthers)
		return
	}
	defer func() { <-st.turn }()
	err := st.prepare(kafka, e.Record.Topic)
	if err == nil && b.Again {
		if f, ok := st.fateOf(e.Unit); ok { // now that Kafka has been asked
			f.tell(b)
			return
		}
	}
	var out []record.Outcome
	if err == nil {
		out, err = st.serial.Send(kafka, b.Records, st.markOf(e.Unit))
	}
	if err == nil {
		st.committed(e.Unit)
	}
	if err == nil || err.Permanent() {
		b.Outcomes, b.Err = out, err
		return
	}
	st.keepUnit(e, b, err)
}

// unitTurn waits until a new unit is the next to be sent, and takes the stream's turn;
// false: it is to be kept.
func (st *stream) unitTurn(kafka context.Context) bool {
	for st.awaitClear(kafka, nil) && st.takeTurn(kafka) {
		if st.clear(nil) {
			return true
		}
		<-st.turn
	}
	return false
}

// takeTurn takes the stream's turn; false: not in time.
func (st *stream) takeTurn(ctx context.Context) bool {
	select {
	case st.turn <- struct{}{}:
		return true
	case <-ctx.Done():
	case <-st.q.life.Done():
	}
	return false
}

// keepUnit puts a unit on disk for the reason of cause. Where that leaves it open
// whether the unit was committed, the caller has the turn.
func (st *stream) keepUnit(unit *spool.Entry, b *record.Batch, cause *record.Error) {
	position, err := st.append(unit)
	if err != nil {
		st.q.log.Error("a unit cannot be kept on disk", "stream", st.id, "error", err)
		b.Outcomes, b.Err = nil, st.notKept(nil, cause, err)
		return
	}
	if cause.Unconfirmed {
		st.doubt = &spool.Entry{Unit: unit.Unit, Position: position}
	}
	st.keptOpen(unit.Unit, position)
	fate{position.Receipt()}.tell(b)
}

// prepare makes the producer ready for the next unit, and settles what is in doubt.
func (st *stream) prepare(ctx context.Context, topic string) *record.Error {
	if st.settled() {
		return nil
	}
	marks, err := st.serial.Begin(ctx, topic)
	if err != nil {
		return err
	}
	committed := map[string]bool{}
	for _, mark := range marks {
		for _, text := range strings.Fields(mark) {
			committed[text] = true
			if id, ok := spool.ParseUnitID(text); ok {
				st.learn(id, fate{})
			}
		}
	}
	return st.settle(committed)
}

// settle marks what is on disk and was committed.
func (st *stream) settle(committed map[string]bool) *record.Error {
	if d := st.doubt; d != nil && committed[d.Unit.String()] {
		st.resolve(st.disk.Load(), d.Position, spool.Acked)
	}
	st.doubt = nil
	if !st.unsettled {
		return nil
	}
	err := st.eachOnDisk(func(e *spool.Entry) {
		if committed[e.Unit.String()] {
			st.resolve(st.disk.Load(), e.Position, spool.Acked)
		} else {
			st.learn(e.Unit, fate{e.Position.Receipt()})
		}
	})
	st.unsettled = err != nil
	return err
}

// eachOnDisk calls f with each unit that is on disk.
func (st *stream) eachOnDisk(f func(*spool.Entry)) *record.Error {
	disk := st.disk.Load()
	if disk == nil {
		return nil
	}
	for after := (spool.Position{}); ; {
		if st.q.stopping() {
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

// unitRound sends the next units, and returns how long to wait before the next round.
// Units of a topic that cannot take them stand aside, and the others go on.
func (st *stream) unitRound() (_ time.Duration, deaf bool) {
	disk := st.disk.Load()
	if st.rewind.Swap(false) {
		st.startOver()
	}
	if !st.settled() { // which may be the end of some of the units
		return st.settleUnits(disk)
	}
	pause := st.examine(time.Now())
	if st.policy == Suspend && len(st.aside) > 0 {
		st.setGate(false)
		return pause, false
	}
	entries, cursor, err := disk.Select(st.cursor, unitsRead, batchBytes, st.chooseUnit)
	if err != nil {
		st.say("the spool cannot be read", err.Error())
		return retryPause, true
	}
	moved := cursor != st.cursor
	st.cursor = cursor
	if failure := st.sendUnits(disk, entries); failure != nil {
		return st.unitsWait(failure), true
	}
	if moved {
		return 0, false
	}
	st.dropRetired(true)
	if len(st.aside) == 0 {
		st.startOver()
		return retryPause, true
	}
	st.setGate(false)
	return pause, false
}

// settleUnits finds out what became of the unit in doubt.
func (st *stream) settleUnits(disk *spool.Stream) (time.Duration, bool) {
	entries, err := disk.Next(spool.Position{}, 1, batchBytes)
	if err != nil {
		st.say("the spool cannot be read", err.Error())
		return retryPause, true
	}
	if len(entries) == 0 {
		return retryPause, true
	}
	ctx, cancel := context.WithTimeout(st.q.life, unitWait)
	defer cancel()
	if err := st.prepare(ctx, entries[0].Record.Topic); err != nil {
		return st.unitsWait(err), true
	}
	return 0, false
}

// chooseUnit says what the reader does with a unit on disk.
func (st *stream) chooseUnit(h *spool.Head) spool.Choice {
	h.Partition, h.Key = record.AnyPartition, nil
	l := st.laneOf(h)
	switch {
	case l == nil:
		return spool.Stop
	case !l.isAside:
		l.take(st, h.Size)
		st.chosen = append(st.chosen, taken{l, h.Size})
		return spool.Take
	}
	l.pass(h.Position)
	if st.policy == Suspend { // nothing overtakes it
		return spool.Stop
	}
	return spool.Pass
}

// sendUnits sends the units that the reader has taken, one after another. The error
// says why the rest waits; the reader is to meet it again.
func (st *stream) sendUnits(disk *spool.Stream, entries []spool.Entry) (failure *record.Error) {
	chosen := st.chosen
	st.chosen = nil
	for i, t := range chosen {
		switch {
		case failure != nil || i >= len(entries):
		case st.q.stopping() || st.suspension.Load() != nil || st.policy == Suspend && len(st.aside) > 0:
			st.cursor = spool.Before(entries[i].Position)
			entries = entries[:i]
		default:
			if failure = st.sendUnit(disk, &entries[i], t.lane); failure != nil {
				st.cursor = spool.Before(entries[i].Position)
			}
			// To send a unit takes as long as to keep several: without a gate, one client that
			// sends one after another would keep the stream from ever being empty again.
			st.setGate(failure == nil && disk.Pending() > st.standing())
		}
		t.lane.give(st, t.size)
	}
	return failure
}

// unitsWait says why units wait, and returns for how long.
func (st *stream) unitsWait(err *record.Error) time.Duration {
	st.setGate(false)
	if !st.q.stopping() {
		st.say("units wait on disk until Kafka takes them", err.Reason)
	}
	return retryPause
}

var unsettled = &record.Error{Kind: record.KindUnavailable, Reason: "the producer is being replaced"}

// sendUnit sends a unit that is on disk, unless it has to stand aside or can never be
// taken. The error says why no other can be sent either.
func (st *stream) sendUnit(disk *spool.Stream, e *spool.Entry, l *lane) *record.Error {
	if !st.settled() { // since the one before
		return unsettled
	}
	err := l.obstacle(st)
	if err == nil {
		ctx, cancel := context.WithTimeout(st.q.life, unitWait)
		_, err = st.serial.Send(ctx, e.Records(), st.markOf(e.Unit))
		cancel()
		switch {
		case err == nil:
			st.committed(e.Unit)
			st.resolve(disk, e.Position, spool.Acked)
			return nil
		case err.Unconfirmed:
			st.doubt = &spool.Entry{Unit: e.Unit, Position: e.Position}
			return err
		case !err.Missing() && !err.Refused():
			return err
		}
	}
	switch {
	case l.isAside:
		l.pass(e.Position)
	case l.hopeless(err):
		return st.refuse(disk, []spool.Entry{*e}, []*record.Error{err})
	default:
		st.standAside(l, spool.Before(e.Position))
		l.pass(e.Position)
	}
	return nil
}
