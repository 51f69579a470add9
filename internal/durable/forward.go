package durable

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/producer"
	"github.com/kafkaupstream/kafkaupstream/internal/spool"
)

const (
	// batchRecords and batchBytes bound what is read from disk and under way at once.
	batchRecords = 500
	batchBytes   = 4 << 20
	// retryPause is between two rounds of which the first sent nothing.
	retryPause = 200 * time.Millisecond
	// askWait bounds how long one record's topic is asked for.
	askWait = 2 * time.Second
	// missingWait is how long a topic or partition may be missing until its records
	// are taken for undeliverable: a cluster that has just started, or a topic that
	// is made again, is not there at once.
	missingWait = 30 * time.Second
	// statusInterval is how often the log says that records wait.
	statusInterval = time.Minute
)

// forwarder is the state of the goroutine that sends a stream's records.
type forwarder struct {
	rewind  atomic.Bool    // read from the start again
	after   spool.Position // every record up to here is done with
	missing map[string]time.Time
	said    time.Time // when the log was last told that records wait
	letters letters
}

// forward sends the stream's records, round after round, until the queue stops.
func (st *stream) forward() {
	defer st.setGate(false)
	defer func() { st.letters.flush(st) }()
	for {
		st.letters.tell(st)
		pause := time.Duration(0)
		select {
		case st.turn <- struct{}{}:
		case <-st.q.stop:
			return
		}
		st.sweep()
		if st.ready() {
			if st.conn.Transactional() {
				pause = st.unitRound()
			} else {
				pause = st.round()
			}
		} else {
			pause = time.Hour
			st.setGate(false)
			clear(st.missing)
		}
		<-st.turn
		if wait := st.letters.due(); wait < pause {
			pause = max(wait, time.Millisecond)
		}
		if !st.idle(pause) {
			return
		}
	}
}

// idle waits for something to do, for the pause at most; false: the queue stops.
func (st *stream) idle(pause time.Duration) bool {
	if pause == 0 {
		select {
		case <-st.q.stop:
			return false
		default:
			return true
		}
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	wake := st.wake
	if pause == retryPause {
		wake = nil // records that arrive meanwhile are no reason to ask Kafka more often
	}
	select {
	case <-st.q.stop:
		return false
	case <-wake:
	case <-timer.C:
	}
	return true
}

// ready tells whether there is a record that may be sent.
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

// round sends the next records and waits for their outcomes. It returns how long to
// wait before the next round.
func (st *stream) round() time.Duration {
	disk := st.disk.Load()
	if st.rewind.Swap(false) {
		st.after = spool.Position{}
	}
	limit := batchRecords
	if st.policy == Suspend {
		limit = 1 // nothing may overtake a record that stops the stream
	}
	entries, err := disk.Next(st.after, limit, batchBytes)
	if err != nil {
		st.say("the spool cannot be read", err.Error())
		return retryPause
	}
	if len(entries) == 0 {
		st.after = spool.Position{}
		return retryPause
	}
	st.awaitKeeping()

	b := batch{stream: st, disk: disk, entries: entries, sent: make([]bool, len(entries)), finished: make([]bool, len(entries))}
	b.send()
	if !b.await() {
		return 0
	}
	b.conclude()
	for i := range entries {
		if !b.finished[i] {
			break
		}
		st.after = entries[i].Position
	}
	st.gateBefore(disk.Pending(), b.failure == nil)
	if b.failure != nil {
		st.say("records wait on disk until Kafka takes them", b.failure.Reason)
		return retryPause
	}
	return 0
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

// batch is the records of one round.
type batch struct {
	*stream
	disk     *spool.Stream
	entries  []spool.Entry
	sent     []bool          // the producer has had it
	finished []bool          // acknowledged, or a dead letter
	failure  *producer.Error // why some are still to be sent
}

// send queues the records with the producer, in order, up to the first that it does
// not take. A topic that is missing holds up its own records only.
func (b *batch) send() {
	held := map[string]bool{}
	for i := range b.entries {
		e := &b.entries[i]
		if b.flight(e.Position) != nil {
			b.sent[i] = true
			continue
		}
		if held[e.Record.Topic] {
			continue
		}
		d, err := b.q.pool.Queue(b.conn, &e.Record, time.Now().Add(askWait))
		switch {
		case err == nil:
			b.fly(e.Position, d)
			b.sent[i] = true
		case b.hopeless(e, err):
			b.finish(i, err)
		default:
			b.failure = err
			if err.Kind != producer.KindTopicNotFound && err.Kind != producer.KindPartitionNotFound {
				return
			}
			held[e.Record.Topic] = true
		}
	}
}

func (b *batch) flight(p spool.Position) *flight {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.flights[p]
}

// await waits until the outcome of every record under way is known; false: the queue
// stops.
func (b *batch) await() bool {
	for {
		b.sweep()
		if !b.underWay() {
			return true
		}
		select {
		case <-b.wake:
		case <-b.q.stop:
			return false
		}
	}
}

func (b *batch) underWay() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.entries {
		if f := b.flights[b.entries[i].Position]; f != nil && f.err == nil && !f.acked {
			return true
		}
	}
	return false
}

// conclude decides about the records that were not acknowledged.
func (b *batch) conclude() {
	for i := range b.entries {
		e := &b.entries[i]
		if !b.sent[i] {
			continue
		}
		f := b.flight(e.Position)
		if f == nil {
			delete(b.missing, e.Record.Topic)
			b.finished[i] = true
			continue
		}
		b.mu.Lock()
		delete(b.flights, e.Position)
		b.mu.Unlock()
		if b.hopeless(e, f.err) {
			b.finish(i, f.err)
		} else {
			b.failure = f.err
		}
	}
}

// finish deals with a record that Kafka can never take.
func (b *batch) finish(i int, err *producer.Error) {
	if failure := b.refuse(b.disk, &b.entries[i], err); failure != nil {
		b.failure = failure
	} else {
		b.finished[i] = true
	}
}

// hopeless tells whether Kafka will never take the record, or the unit.
func (st *stream) hopeless(e *spool.Entry, err *producer.Error) bool {
	switch {
	case err.Unconfirmed:
		return false
	case err.Kind == producer.KindTopicNotFound, err.Kind == producer.KindPartitionNotFound:
		since, ok := st.missing[e.Record.Topic]
		if !ok {
			st.missing[e.Record.Topic] = time.Now()
			return false
		}
		return time.Since(since) > missingWait
	}
	// What is wrong with the configuration is not the record's fault.
	return permanent(err) && err.Kind != producer.KindConfig && err.Kind != producer.KindInternal
}

// refuse deals with a record or a unit that Kafka can never take, as the stream's
// policy says. It returns why that is not done with, nil when it is.
func (st *stream) refuse(disk *spool.Stream, e *spool.Entry, err *producer.Error) *producer.Error {
	if st.policy == Suspend {
		st.suspend(e, err)
		return err
	}
	letter := e.Letter(err.Reason)
	if _, derr := disk.Dead().Append(&letter); derr != nil {
		return &producer.Error{Kind: producer.KindSpoolFailed, Reason: fmt.Sprintf("a dead letter cannot be written: %v", derr)}
	}
	st.resolve(disk, e.Position, spool.Dead)
	st.letters.add(e.Record.Topic, err.Reason)
	return nil
}
