package durable

import (
	"fmt"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/notify"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/internal/spool"
)

// statusInterval is how often the log says that records wait.
const statusInterval = time.Minute

// forwarder sends a stream's records, round after round, in a goroutine of its own. What is not the
// stream's is for the holder of the turn.
type forwarder struct {
	*stream
	lanes
	letters letters
	said    time.Time // when the log last said that records wait
	failing time.Time // since when the disk cannot be read; zero: it can

	// doRound sends the next records or units, and returns how long to wait before the next round, and
	// whether a new record or an outcome does not end that.
	doRound func(*spool.Stream) (pause time.Duration, deaf bool)
}

func newForwarder(st *stream) *forwarder {
	f := &forwarder{
		stream: st, lanes: newLanes(),
		letters: letters{log: st.log, notifier: st.notifier, stream: st.id},
	}
	f.inOrder, f.partitionOf, f.lanes.ahead = st.policy == Suspend, st.conn.PartitionOf, &st.ahead
	return f
}

// run sends the stream's records until the queue stops.
func (f *forwarder) run() {
	defer f.gate.open()
	defer f.letters.flush()
	for {
		f.letters.report()
		pause, deaf := time.Duration(0), false
		if !f.takeTurn(f.life) {
			return
		}
		for _, flight := range f.sweep() {
			f.land(flight)
		}
		if disk := f.ready(); disk != nil {
			if f.rewind.Swap(false) {
				f.startOver()
			}
			pause, deaf = f.doRound(disk)
		} else {
			pause = time.Hour
			f.gate.open()
			if f.suspension.Load() == nil && len(f.own) == 0 {
				f.startOver()
			}
		}
		f.endTurn()
		if wait := f.letters.due(); wait < pause {
			pause = max(wait, time.Millisecond)
		}
		if !f.idle(pause, deaf) {
			return
		}
	}
}

// idle waits for something to do, for the pause at most and, if deaf, for all of it;
// false: the queue stops.
func (f *forwarder) idle(pause time.Duration, deaf bool) bool {
	if pause == 0 {
		return !f.stopping()
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	wake := f.wake
	if deaf {
		wake = nil // records that arrive meanwhile are no reason to ask Kafka more often
	}
	select {
	case <-f.life.Done():
		return false
	case <-wake:
	case <-timer.C:
	}
	return true
}

// ready returns the stream's files; nil: there is no record that may be sent.
func (f *forwarder) ready() *spool.Stream {
	disk := f.disk.Load()
	switch {
	case disk == nil || !f.loaded.Load():
		return nil
	case disk.Pending() == 0:
		f.tidy()
		return nil
	case f.suspension.Load() != nil:
		return nil
	}
	return disk
}

// say logs what holds the stream up, once a minute.
func (f *forwarder) say(what, reason string) {
	if time.Since(f.said) < statusInterval {
		return
	}
	f.said = time.Now()
	f.log.Warn(what, "stream", f.id, "records", f.disk.Load().Pending(), "error", reason)
}

// wait says why nothing can be sent, and returns for how long.
func (f *forwarder) wait(what string, err *record.Error) (time.Duration, bool) {
	f.gate.open()
	if !f.stopping() { // which is the reason
		f.say(what, err.Reason)
	}
	return retryPause, true
}

// unreadableWait is how long a part of a stream may not be readable until what is behind it is sent.
const unreadableWait = 5 * time.Second

// noteRead notes whether the disk could be read. After a while in which it could not, the reader
// passes the segment in question: what is behind it does not wait for a disk that perhaps never
// recovers, although it overtakes then. In a stream that is in sequence, it does.
func (f *forwarder) noteRead(disk *spool.Stream, err error) {
	switch {
	case err == nil:
		f.failing = time.Time{}
	case f.failing.IsZero():
		f.failing = time.Now()
	case time.Since(f.failing) > unreadableWait && !f.inSequence():
		disk.Pass()
	}
}

// unreadable says that the spool cannot be read, and returns when to try again.
func (f *forwarder) unreadable(err error) (time.Duration, bool) {
	f.say("the spool cannot be read", err.Error())
	return retryPause, true
}

// refuse deals with records or units that Kafka can never take, as the stream's policy
// says. It returns how many of them, from the first on, are dead letters now, and why the others
// are still pending.
func (f *forwarder) refuse(disk *spool.Stream, entries []spool.Entry, errs []*record.Error) (n int, failure *record.Error) {
	if f.policy == Suspend {
		f.suspendAt(&entries[0], errs[0])
		return 0, errs[0]
	}
	letters := make([]spool.Entry, len(entries))
	for i := range entries {
		letters[i] = entries[i].Letter(errs[i].Reason)
	}
	for i, letter := range disk.Dead().AppendAll(letters) {
		if letter.Err != nil { // and none is written behind it
			return i, &record.Error{Kind: record.KindSpoolFailed, Reason: fmt.Sprintf("a dead letter cannot be written: %v", letter.Err)}
		}
		f.resolve(disk, entries[i].Position, spool.Dead)
		f.letters.add(entries[i].Record.Topic, errs[i].Reason, letters[i].First.Receipt())
	}
	return len(entries), nil
}

// suspendAt stops the stream at a record.
func (f *forwarder) suspendAt(e *spool.Entry, err *record.Error) {
	s := &Suspension{e.Position.Receipt(), e.Record.Topic, err.Reason, time.Now().UTC()}
	if serr := f.suspend(f.disk.Load(), s); serr != nil {
		f.log.Error("cannot persist that the stream is suspended; it will resume after a restart", "stream", f.id, "error", serr)
	}
	f.log.Error("stream suspended at a record that Kafka can never take; `kafkaupstream spool resume` resumes it",
		"stream", f.id, "receipt", s.Receipt, "topic", s.Topic, "error", s.Reason)
	f.notifier.Tell(notify.Event{
		Event: notify.StreamSuspended, Stream: f.id, Topic: s.Topic, Reason: s.Reason, Receipt: s.Receipt, Count: 1, Time: s.Time,
	})
}
