package durable

import (
	"strings"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/logging"
	"github.com/kafkaupstream/kafkaupstream/internal/producer"
	"github.com/kafkaupstream/kafkaupstream/internal/spool"
)

const (
	// unitsRead is how many units are read from disk at once. They are sent one after
	// another.
	unitsRead = 50
	// unitWait bounds one attempt to send a unit that is on disk.
	unitWait = 10 * time.Second
	// gateUnits is how many units may be left for a gate.
	gateUnits = 20
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
}

// settled tells whether the next unit may be sent.
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

// NewUnitID returns an identity for SendUnit.
func NewUnitID() [16]byte { return spool.NewUnitID() }

// SendUnit delivers the records in one transaction to Kafka, or as one unit to the
// disk, by the deadline or little later. They have one topic; id is the unit's identity,
// not zero. With a receipt the unit is on disk. Otherwise an error is about the
// transaction as a whole, and the outcomes say the same of each record where they are
// not nil.
func (q *Queue) SendUnit(conn *producer.Connection, id [16]byte, recs []producer.Record, policy Policy, deadline time.Time) (out []producer.Outcome, receipt string, _ *producer.Error) {
	st := q.stream(conn, policy)
	now := time.Now()
	for i := range recs {
		stamp(&recs[i], now)
	}
	deadline = q.kafkaDeadline(deadline)
	unit := &spool.Entry{Unit: id, Record: recs[0], Rest: recs[1:], Kept: now}
	if !st.unitTurn(deadline) {
		receipt, err := st.keepUnit(unit, behindOthers)
		return nil, receipt, err
	}
	defer func() { <-st.turn }()
	err := st.prepare(recs[0].Topic, deadline, q.hurry)
	if err == nil {
		out, err = st.serial.Send(recs, unit.Unit.String(), deadline, q.hurry)
	}
	if err == nil || permanent(err) {
		return out, "", err
	}
	receipt, err = st.keepUnit(unit, err)
	return nil, receipt, err
}

// unitTurn waits until a new unit is the next to be sent, and takes the stream's turn;
// false: it is to be kept.
func (st *stream) unitTurn(deadline time.Time) bool {
	for {
		for !st.clear() {
			if !st.awaitClear(deadline) {
				return false
			}
		}
		if !st.takeTurnBy(deadline) {
			return false
		}
		if st.clear() {
			return true
		}
		<-st.turn
	}
}

// takeTurnBy takes the stream's turn; false: not in time.
func (st *stream) takeTurnBy(deadline time.Time) bool {
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	select {
	case st.turn <- struct{}{}:
		return true
	case <-timer.C:
	case <-st.q.hurry:
	case <-st.q.stop:
	}
	return false
}

// keepUnit puts a unit on disk for the reason of cause. Where that leaves it open
// whether the unit was committed, the caller has the turn.
func (st *stream) keepUnit(unit *spool.Entry, cause *producer.Error) (receipt string, _ *producer.Error) {
	position, _, err := st.append(unit, nil)
	if err != nil {
		st.q.log.ErrorContext(logging.Every, "a unit cannot be kept on disk", "stream", st.id, "error", err)
		return "", st.notKept(nil, cause, err)
	}
	if cause.Unconfirmed {
		st.doubt = &spool.Entry{Unit: unit.Unit, Position: position}
	}
	return position.Receipt(), nil
}

// prepare makes the producer ready for the next unit, and settles what is in doubt.
func (st *stream) prepare(topic string, deadline time.Time, hurry <-chan struct{}) *producer.Error {
	if st.settled() {
		return nil
	}
	marks, err := st.serial.Begin(topic, deadline, hurry)
	if err != nil {
		return err
	}
	committed := map[string]bool{}
	for _, mark := range marks {
		for _, id := range strings.Fields(mark) {
			committed[id] = true
		}
	}
	return st.settle(committed)
}

// settle marks what is on disk and was committed.
func (st *stream) settle(committed map[string]bool) *producer.Error {
	disk := st.disk.Load()
	if disk == nil || len(committed) == 0 {
		st.unsettled, st.doubt = false, nil
		return nil
	}
	if d := st.doubt; d != nil && committed[d.Unit.String()] {
		st.resolve(disk, d.Position, spool.Acked)
	}
	st.doubt = nil
	var after spool.Position
	for st.unsettled {
		if st.q.stopping() {
			return &producer.Error{Kind: producer.KindUnavailable, Reason: "shutting down"}
		}
		entries, err := disk.Next(after, batchRecords, batchBytes)
		if err != nil {
			return &producer.Error{Kind: producer.KindSpoolFailed, Reason: err.Error()}
		}
		for i := range entries {
			after = entries[i].Position
			if committed[entries[i].Unit.String()] {
				st.resolve(disk, after, spool.Acked)
			}
		}
		st.unsettled = len(entries) > 0
	}
	return nil
}

// unitRound sends the next units, and returns how long to wait before the next round.
func (st *stream) unitRound() time.Duration {
	disk := st.disk.Load()
	if st.rewind.Swap(false) {
		st.after = spool.Position{}
	}
	entries, err := disk.Next(st.after, unitsRead, batchBytes)
	if err != nil {
		st.say("the spool cannot be read", err.Error())
		return retryPause
	}
	if len(entries) == 0 {
		st.after = spool.Position{}
		return retryPause
	}
	if !st.settled() { // which may be the end of some of the entries
		if err := st.prepare(entries[0].Record.Topic, time.Now().Add(askWait), st.q.stop); err != nil {
			return st.unitsWait(err)
		}
		return 0
	}
	for i := range entries {
		if st.q.stopping() || st.suspension.Load() != nil {
			return 0
		}
		if err := st.sendUnit(disk, &entries[i]); err != nil {
			return st.unitsWait(err)
		}
		st.after = entries[i].Position
	}
	left := disk.Pending()
	st.setGate(left > 0 && left <= gateUnits)
	return 0
}

// unitsWait says why units wait, and returns for how long.
func (st *stream) unitsWait(err *producer.Error) time.Duration {
	st.setGate(false)
	if !st.q.stopping() {
		st.say("units wait on disk until Kafka takes them", err.Reason)
	}
	return retryPause
}

// sendUnit sends a unit that is on disk. The error says why it is still there.
func (st *stream) sendUnit(disk *spool.Stream, e *spool.Entry) *producer.Error {
	_, err := st.serial.Send(e.Records(), e.Unit.String(), time.Now().Add(unitWait), st.q.stop)
	switch {
	case err == nil:
		delete(st.missing, e.Record.Topic)
		st.resolve(disk, e.Position, spool.Acked)
		return nil
	case err.Unconfirmed:
		st.doubt = &spool.Entry{Unit: e.Unit, Position: e.Position}
		return err
	case st.hopeless(e, err):
		return st.refuse(disk, e, err)
	}
	return err
}
