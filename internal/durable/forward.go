package durable

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/deadline"
	"github.com/kafkaupstream/kafkaupstream/internal/producer"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/internal/spool"
)

const (
	// batchRecords and batchBytes bound what is read from disk at once, and what a lane
	// has under way.
	batchRecords = 500
	batchBytes   = 4 << 20
	// retryPause is before something that has failed is tried again.
	retryPause = 200 * time.Millisecond
	// askWait bounds how long the reader waits for the cluster as a whole.
	askWait = 2 * time.Second
	// missingWait is how long a topic or partition may be missing until its records
	// are taken for undeliverable: a cluster that has just started, or a topic that
	// is made again, is not there at once.
	missingWait = 30 * time.Second
	// examinePause is between two looks at what stands aside.
	examinePause = 50 * time.Millisecond
	// goBackPause is how long the reader goes on at least after it went back, unless it
	// is where it was sooner.
	goBackPause = 5 * time.Second
	// statusInterval is how often the log says that records wait.
	statusInterval = time.Minute
)

// forwarder is the state of the goroutine that sends a stream's records.
type forwarder struct {
	rewind  atomic.Bool // read from the start again
	said    time.Time   // when the log was last told that records wait
	letters letters
	lanes
}

// forward sends the stream's records, round after round, until the queue stops.
func (st *stream) forward() {
	defer st.setGate(false)
	defer func() { st.letters.flush(st) }()
	for {
		st.letters.tell(st)
		pause, deaf := time.Duration(0), false
		select {
		case st.turn <- struct{}{}:
		case <-st.q.life.Done():
			return
		}
		st.sweep()
		if st.ready() {
			if st.conn.Transactional() {
				pause, deaf = st.unitRound()
			} else {
				pause, deaf = st.round()
			}
		} else {
			pause = time.Hour
			st.setGate(false)
			if st.suspension.Load() == nil && len(st.own) == 0 {
				st.startOver()
			}
		}
		<-st.turn
		if wait := st.letters.due(); wait < pause {
			pause = max(wait, time.Millisecond)
		}
		if !st.idle(pause, deaf) {
			return
		}
	}
}

// idle waits for something to do, for the pause at most and, if deaf, for all of it;
// false: the queue stops.
func (st *stream) idle(pause time.Duration, deaf bool) bool {
	if pause == 0 {
		select {
		case <-st.q.life.Done():
			return false
		default:
			return true
		}
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	wake := st.wake
	if deaf {
		wake = nil // records that arrive meanwhile are no reason to ask Kafka more often
	}
	select {
	case <-st.q.life.Done():
		return false
	case <-wake:
	case <-timer.C:
	}
	return true
}

// ready reports whether there is a record that may be sent.
func (st *stream) ready() bool {
	disk := st.disk.Load()
	if disk == nil || !st.loaded.Load() {
		return false
	}
	if disk.Pending() == 0 {
		st.tidy()
		return false
	}
	return st.suspension.Load() == nil
}

// round reads and sends the next records, and notes what became of earlier ones. It
// returns how long to wait before the next round, and whether a new record or an outcome
// does not end that.
func (st *stream) round() (_ time.Duration, deaf bool) {
	disk := st.disk.Load()
	if st.rewind.Swap(false) {
		st.startOver()
	}
	if err := st.reach(); err != nil {
		return st.recordsWait(err)
	}
	st.buryRefused(disk)
	pause := st.examine(time.Now())
	if st.policy == Suspend && len(st.aside) > 0 { // nothing overtakes it
		st.setGate(false)
		return pause, false
	}
	if !st.roomAgain() {
		return min(pause, retryPause), false
	}
	st.full, st.crowded = nil, false
	appended := st.appended.Load()
	entries, cursor, err := disk.Select(st.cursor, batchRecords, batchBytes, st.choose)
	moved := cursor != st.cursor
	st.cursor = cursor
	st.awaitKeeping()
	failure := st.send(disk, entries)
	switch {
	case err != nil:
		st.say("the spool cannot be read", err.Error())
		return retryPause, true
	case failure != nil:
		return st.recordsWait(failure)
	case moved:
		pause = 0
	case st.crowded:
		st.say("records wait on disk behind those of too many topics and partitions that stand aside", fmt.Sprintf("%d do", len(st.aside)))
	case st.full == nil:
		st.dropRetired(true)
		st.readTo.Store(appended)
		st.startOverIfLost(disk)
	}
	left := disk.Pending() - st.standing()
	st.gateBefore(left, true)
	if len(st.own) > 0 {
		pause = min(pause, retryPause)
	}
	return pause, false
}

// reach returns nil when the cluster answers.
func (st *stream) reach() *record.Error {
	ctx := deadline.New(time.Now().Add(askWait))
	defer ctx.Release()
	return st.q.pool.Reach(ctx, st.conn)
}

// queue gives a record to the producer.
func (st *stream) queue(rec *record.Record) (*producer.Delivery, *record.Error) {
	ctx := deadline.New(time.Now().Add(askWait))
	defer ctx.Release()
	return st.q.pool.Queue(ctx, st.conn, rec)
}

// recordsWait says why no record can be sent, and returns for how long.
func (st *stream) recordsWait(err *record.Error) (time.Duration, bool) {
	st.setGate(false)
	st.say("records wait on disk until Kafka takes them", err.Reason)
	return retryPause, true
}

// startOverIfLost has the reader begin again if it is at the end and there are records
// that are neither under way nor aside.
func (st *stream) startOverIfLost(disk *spool.Stream) {
	if len(st.own) == 0 && len(st.aside) == 0 && disk.Pending() > 0 && st.readTo.Load() == st.appended.Load() {
		st.startOver()
	}
}

// gateBefore has requests wait while Kafka takes what is left on disk: the last records
// until they are gone, and before that as long as it takes to keep clients from being
// quicker than the forwarder.
func (st *stream) gateBefore(left int64, moving bool) {
	pace := time.Duration(0)
	if left > gateRecords {
		if pace = gatePace; st.policy == Suspend {
			pace = gateWait // it sends one record at a time
		}
	}
	st.setPacedGate(moving && left > 0, pace)
}

// say logs what holds the stream up, once a minute.
func (st *stream) say(what, reason string) {
	if time.Since(st.said) < statusInterval {
		return
	}
	st.said = time.Now()
	st.q.log.Warn(what, "stream", st.id, "records", st.disk.Load().Pending(), "error", reason)
}

// send hands the records that the reader has taken to the producer, in order. The error
// says why it does not take any; the reader is to meet what is left again.
func (st *stream) send(disk *spool.Stream, entries []spool.Entry) (failure *record.Error) {
	chosen, dead := st.chosen, dead{}
	st.chosen = nil
	for i, t := range chosen {
		if failure != nil || i >= len(entries) { // which could not be read
			t.lane.give(st, t.size)
		} else {
			e := &entries[i]
			if failure = st.sendOne(e, t, &dead); failure != nil {
				st.cursor = spool.Before(e.Position)
			}
		}
	}
	st.bury(disk, &dead)
	return failure
}

// sendOne sends a record of a lane, or finds that it is under way already, or that it
// has to stand aside or can never be taken. The error is about all records.
func (st *stream) sendOne(e *spool.Entry, t taken, dead *dead) *record.Error {
	l := t.lane
	f := st.flight(e.Position)
	if f != nil && f.err == nil {
		st.adopt(f, t)
		return nil
	}
	err := l.obstacle(st)
	if f != nil && !l.isAside {
		st.endFlight(f)
		if l.hopeless(f.err) {
			err = f.err
		}
	}
	if err == nil {
		var d *producer.Delivery
		if d, err = st.queue(&e.Record); err == nil {
			st.adopt(st.fly(e.Position, d), t)
			return nil
		}
		if !err.Missing() && !err.Refused() {
			l.give(st, t.size)
			return err
		}
	}
	switch {
	case l.isAside:
		l.pass(e.Position)
	case l.hopeless(err):
		dead.add(e, t, err)
		return nil // bury gives back what it took
	default:
		st.standAside(l, spool.Before(e.Position))
		l.pass(e.Position)
	}
	l.give(st, t.size)
	return nil
}

// buryRefused deals with records that Kafka has refused.
func (st *stream) buryRefused(disk *spool.Stream) {
	dead := dead{}
	for _, f := range st.refused {
		entries, _, err := disk.Select(spool.Before(f.position), 1, 0, nil)
		if err != nil || len(entries) == 0 || entries[0].Position != f.position {
			st.standAside(f.lane, spool.Before(f.position))
			f.lane.give(st, f.size)
			continue
		}
		dead.add(&entries[0], f.taken, f.err)
	}
	st.refused = nil
	st.bury(disk, &dead)
}

// obstacle is what there is to say against the lane's next record.
func (l *lane) obstacle(st *stream) *record.Error {
	if l.isAside {
		return standsAside
	}
	_, err := st.look(l.topic.name, l.partition)
	if err == nil {
		l.missing = time.Time{}
	}
	return err
}

var standsAside = &record.Error{Kind: record.KindUnavailable, Reason: "an earlier record waits"}

// adopt makes a record that is under way one of the reader's.
func (st *stream) adopt(f *flight, t taken) {
	st.own[f.position] = struct{}{}
	st.mu.Lock()
	defer st.mu.Unlock()
	f.taken = t
}

func (st *stream) flight(p spool.Position) *flight {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.flights[p]
}

func (st *stream) endFlight(f *flight) {
	st.mu.Lock()
	defer st.mu.Unlock()
	delete(st.flights, f.position)
}

// hopeless reports whether Kafka will never take a record or a unit. missing is since
// when its topic or partition has not been there.
func hopeless(missing *time.Time, err *record.Error) bool {
	if err.Unconfirmed || !err.Missing() {
		return err.Refused()
	}
	if missing.IsZero() {
		*missing = time.Now()
	}
	return time.Since(*missing) > missingWait
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

// bury deals with records that Kafka can never take, with one fsync for all. Where that
// fails, their lanes stand aside for a while.
func (st *stream) bury(disk *spool.Stream, d *dead) {
	if len(d.entries) == 0 {
		return
	}
	failure := st.refuse(disk, d.entries, d.errs)
	for i, t := range d.taken {
		if failure != nil {
			st.standAside(t.lane, spool.Before(d.entries[i].Position))
			t.lane.retry = time.Now().Add(retryPause)
		} else if f := st.flight(d.entries[i].Position); f != nil {
			st.endFlight(f)
		}
		t.lane.give(st, t.size)
	}
	if failure != nil && st.policy == DeadLetter {
		st.say("records that Kafka can never take stay where they are", failure.Reason)
	}
}

// refuse deals with records or units that Kafka can never take, as the stream's policy
// says. It returns why that is not done with, nil when it is.
func (st *stream) refuse(disk *spool.Stream, entries []spool.Entry, errs []*record.Error) (failure *record.Error) {
	if st.policy == Suspend {
		st.suspend(&entries[0], errs[0])
		return errs[0]
	}
	letters := make([]spool.Entry, len(entries))
	for i := range entries {
		letters[i] = entries[i].Letter(errs[i].Reason)
	}
	for i, letter := range disk.Dead().AppendAll(letters) {
		if letter.Err != nil {
			failure = &record.Error{Kind: record.KindSpoolFailed, Reason: fmt.Sprintf("a dead letter cannot be written: %v", letter.Err)}
			continue
		}
		st.resolve(disk, entries[i].Position, spool.Dead)
		st.letters.add(entries[i].Record.Topic, errs[i].Reason)
	}
	return failure
}
