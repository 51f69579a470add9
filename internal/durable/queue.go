package durable

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/deadline"
	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/logging"
	"github.com/kafkaupstream/kafkaupstream/internal/notify"
	"github.com/kafkaupstream/kafkaupstream/internal/producer"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/internal/spool"
)

type Options struct {
	// Dir is the spool's directory, which is made where it is missing.
	Dir string
	// MaxBytes bounds the files of all streams; 0 means the spool's default.
	MaxBytes int64
	// DropLetters drops the oldest dead letters where a new one has no room. Without it
	// the new one stays among the records that are to be sent.
	DropLetters bool
	Log         *slog.Logger
	// Notifier notifies an operator when a stream stops or a record becomes a dead letter; nil:
	// it does not.
	Notifier *notify.Notifier
	// Owned is called once, when this process has become the owner of the directory and knows what
	// is in it. Stop calls end before it waits for the forwarders. nil: nothing is called.
	Owned func(q *Queue) (end func())

	unitWait time.Duration // 0: unitWait; shorter in a test
}

// Queue delivers records durably.
//
// A [kafkaconf.Connection] that it is given stands for a route too: each route has one of its
// own, and may take only so much of the room on disk that some is left for the others.
type Queue struct {
	common
	opts Options
	kept atomic.Int64 // records that Keep took

	requests deadline.Group // those that wait for Kafka

	owned    bool   // Options.Owned was called; adding guards it
	endOwned func() // what it returned; nil: nothing

	unreadable map[string]string // streams on disk and what is wrong with them; takeOver's

	mu      sync.RWMutex
	owner   bool               // this process forwards what is on disk
	streams map[string]*stream // by ID
	left    Left               // zero before Close
}

// Open returns a queue on the directory. It never fails: what is wrong with the
// directory is logged and tried again, and meanwhile no record can be kept. Start
// is to be called before anything else.
func Open(opts Options) *Queue {
	q := &Queue{opts: opts, streams: map[string]*stream{}, unreadable: map[string]string{}}
	q.log, q.notifier = opts.Log, opts.Notifier
	q.life, q.end = context.WithCancel(context.Background())
	return q
}

// Start makes the queue send through pool, and take the directory over as soon as no
// other process has it.
func (q *Queue) Start(pool *producer.Pool) {
	q.pool = pool
	q.note(q.openDisk())
	q.loop(q.takeOver)
}

// Hurry ends the waiting for Kafka at that time: records not acknowledged then are
// kept on disk.
func (q *Queue) Hurry(at time.Time) { q.requests.EndAt(at) }

// Stop sends nothing that is on disk any more. Records can still be kept.
func (q *Queue) Stop() {
	q.endLife()
	if q.endOwned != nil {
		q.endOwned()
	}
	q.running.Wait()
}

// Stopping reports whether Stop was called.
func (q *Queue) Stopping() bool { return q.stopping() }

// Sends reports whether this process sends what is on disk: not one of OpenIdle.
func (q *Queue) Sends() bool { return q.pool != nil }

// ErrHeld is returned by OpenIdle when another process has the directory.
var ErrHeld = errors.New("another process has the spool")

// OpenIdle opens a queue as the owner of its directory, at once, in a process that sends nothing. It is
// not to be started, and is to be closed.
func OpenIdle(opts Options) (*Queue, error) {
	q := Open(opts)
	err := q.openDisk()
	if err == nil {
		var owner bool
		if owner, err = q.own(); err == nil && !owner {
			err = ErrHeld
		}
	}
	if err != nil {
		return nil, errors.Join(err, q.Close())
	}
	return q, nil
}

// Left returns what Close has left behind.
func (q *Queue) Left() Left {
	q.mu.RLock()
	defer q.mu.RUnlock()
	return q.left
}

// Left is what a queue leaves behind.
type Left struct {
	Kept    int64 // records on disk that Keep took
	Lost    int64 // records that Keep took and that are not
	Waiting int64 // records on disk, as far as this process knows; of a transactional stream, units
}

// Close notes the outcomes that have come since Stop, and gives up the directory. The pool has been
// drained. What is to be kept after it finds the spool closed.
func (q *Queue) Close() error {
	q.Stop()
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, st := range q.streams {
		defer st.close()()
	}
	disk := q.spool.Swap(nil)
	if disk == nil {
		return nil
	}
	err := disk.Close()
	for topic, lost := range disk.Lost() {
		q.left.Lost += lost.Records
		q.log.ErrorContext(logging.Every, "records were not delivered", "topic", topic, "records", lost.Records, "error", lost.Err)
	}
	q.left.Kept, q.left.Waiting = q.kept.Load()-q.left.Lost, disk.Pending()
	return err
}

const (
	// lockInterval is how often a process that waits for the directory looks.
	lockInterval = 20 * time.Millisecond
	// openInterval is how often a directory that cannot be opened is tried.
	openInterval = time.Second
	// waitingWarning is when the log says that another process has the directory.
	waitingWarning = 30 * time.Second
	// foreignInterval is how often the owner looks for records that other
	// processes have left.
	foreignInterval = time.Second
)

// takeOver becomes the directory's owner and then takes over what other processes
// leave in it.
func (q *Queue) takeOver() {
	warn := time.Now().Add(waitingWarning)
	for {
		pause := lockInterval
		owner, err := q.own()
		if err == nil {
			err = q.spool.Load().Usable()
		}
		q.note(err)
		switch {
		case err != nil:
			pause = openInterval
		case owner:
			pause = foreignInterval
		case time.Now().After(warn):
			warn = time.Now().Add(waitingWarning)
			q.log.Warn("another process has the spool; what this one keeps is sent after that process has ended", "dir", q.opts.Dir)
		}
		if !deadline.Sleep(q.life, pause, nil) {
			return
		}
	}
}

// note logs when the directory can no longer be used, why, and when it can again.
func (q *Queue) note(err error) {
	before := q.trouble.Load()
	switch {
	case err == nil:
		if q.trouble.Store(nil); before != nil {
			q.log.Warn("the spool can be used now", "dir", q.opts.Dir)
		}
		return
	case before != nil && (*before).Error() == err.Error():
		return
	case errors.Is(err, spool.ErrGone):
		q.log.Error("the spool's directory was removed, renamed or replaced: durable routes can keep no record until it is put back or the runner is restarted", "error", err)
	default:
		q.log.Error("the spool cannot be used; durable routes can keep no record until it can", "dir", q.opts.Dir, "user", os.Geteuid(), "error", err)
	}
	q.trouble.Store(&err)
}

// openDisk opens the directory and tries to lock it: what is kept where this process may never take the lock would never
// be sent.
func (q *Queue) openDisk() error {
	disk, err := spool.Open(q.opts.Dir, spool.Options{MaxBytes: q.opts.MaxBytes, DropLetters: q.opts.DropLetters, Log: q.log})
	if err != nil {
		return err
	}
	if _, err := disk.TryLock(); err != nil {
		return errors.Join(err, disk.Close())
	}
	q.spool.Store(disk)
	return nil
}

// own makes this process the owner if nobody else is, and loads the streams.
func (q *Queue) own() (bool, error) {
	disk, owner := q.state()
	if disk == nil {
		if err := q.openDisk(); err != nil {
			return false, err
		}
		return q.own()
	}
	if err := disk.InPlace(); err != nil {
		return false, err
	}
	if !owner {
		ok, err := disk.TryLock()
		if err != nil || !ok {
			return false, err
		}
	}
	ids, err := disk.StreamIDs()
	if err != nil {
		return false, err
	}
	for _, id := range ids {
		q.found(disk, id)
	}
	if !owner {
		q.log.Info("this process owns the spool now", "dir", q.opts.Dir, "streams", len(ids))
	}
	q.mu.Lock()
	q.owner = true
	streams := make([]*stream, 0, len(q.streams))
	for _, st := range q.streams {
		streams = append(streams, st)
	}
	q.mu.Unlock()
	for _, st := range streams {
		st.load()
	}
	q.callOwned()
	return true, nil
}

// state returns the spool, nil if it is not open, and whether this process owns it.
func (q *Queue) state() (disk *spool.Spool, owner bool) {
	q.mu.RLock()
	defer q.mu.RUnlock()
	return q.spool.Load(), q.owner
}

// callOwned calls Options.Owned, unless that was done or the queue stops.
func (q *Queue) callOwned() {
	q.adding.Lock()
	defer q.adding.Unlock()
	if q.opts.Owned == nil || q.owned || q.stopping() {
		return
	}
	q.owned = true
	q.endOwned = sync.OnceFunc(q.opts.Owned(q))
}

// found makes the stream that is on disk under this name, unless it is there.
func (q *Queue) found(disk *spool.Spool, id string) {
	q.mu.RLock()
	known := q.streams[id] != nil
	q.mu.RUnlock()
	if known {
		return
	}
	st, err := q.readStream(disk, id)
	if err != nil && q.unreadable[id] == err.Error() {
		return
	}
	if err != nil {
		q.unreadable[id] = err.Error()
		q.log.Error("cannot forward a spooled stream: its connection.json is unreadable", "stream", id, "error", err)
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.streams[id] == nil {
		q.streams[id] = st
	}
}

func (q *Queue) readStream(disk *spool.Spool, id string) (*stream, error) {
	ds, err := disk.Stream(id, nil)
	if err != nil {
		return nil, err
	}
	var t Target
	if err := json.Unmarshal(ds.Metadata(), &t); err != nil {
		return nil, err
	}
	conn, err := t.Connection()
	if err != nil {
		return nil, err
	}
	policy := t.Policy()
	if name := streamID(conn, policy); name != id {
		return nil, fmt.Errorf("it belongs to the stream %s", name)
	}
	return q.newStream(conn, policy), nil
}

// newStream makes a stream and its forwarder.
func (q *Queue) newStream(conn *kafkaconf.Connection, policy Policy) *stream {
	st := newStream(&q.common, conn, policy)
	if conn.Transactional() {
		st.forward = newUnitForwarder(st, cmp.Or(q.opts.unitWait, unitWait)).run
	} else {
		st.forward = newRecordForwarder(st).run
	}
	return st
}

// stream returns the stream of a connection.
func (q *Queue) stream(conn *kafkaconf.Connection, policy Policy) *stream {
	id := streamID(conn, policy)
	q.mu.RLock()
	st := q.streams[id]
	q.mu.RUnlock()
	if st != nil {
		return st
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if st = q.streams[id]; st == nil {
		st = q.newStream(conn.As(modeOf(conn.Transactional())), policy)
		// Nothing of it was on disk when this process became the owner.
		st.loaded.Store(q.owner)
		q.streams[id] = st
	}
	return st
}

// Keep takes a record that a producer could not deliver before its end. It reaches
// the disk with Close.
func (q *Queue) Keep(conn *kafkaconf.Connection, rec *record.Record) bool {
	st := q.stream(conn, DeadLetter)
	disk, err := st.open()
	if err == nil {
		_, err = disk.Write(&spool.Entry{Record: *rec, Kept: time.Now()})
	}
	if err != nil {
		q.log.Error("a record that is still queued cannot be kept on disk", "error", err)
		return false
	}
	q.kept.Add(1)
	return true
}
