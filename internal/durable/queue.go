package durable

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/deadline"
	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/notify"
	"github.com/kafkaupstream/kafkaupstream/internal/producer"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/internal/spool"
)

// Options of a queue.
type Options struct {
	// Dir is the spool's directory, which is made where it is missing.
	Dir string
	// MaxBytes bounds the files of all streams; 0 means the spool's default.
	MaxBytes int64
	// DropLetters drops the oldest dead letters where a new one has no room. Without it
	// the new one stays among the records that are to be sent.
	DropLetters bool
	Log         *slog.Logger
	// Notifier is told when a stream stops or a record becomes a dead letter; nil:
	// nobody is.
	Notifier *notify.Notifier
}

// Policy says what happens to a record on disk that Kafka can never take.
type Policy bool

const (
	// DeadLetter puts it aside; the stream goes on.
	DeadLetter Policy = false
	// Suspend stops the stream until an operator lets it go on.
	Suspend Policy = true
)

// Queue delivers records durably.
//
// A [kafkaconf.Connection] that it is given stands for a route too: each route has one of its
// own, and may take only so much of the room on disk that some is left for the others.
type Queue struct {
	opts Options
	log  *slog.Logger
	pool *producer.Pool

	loops   sync.WaitGroup
	loopsMu sync.Mutex      // held to add one, and to end life
	life    context.Context // ends with Stop: nothing new is sent
	end     func()
	kept    atomic.Int64 // records that Keep took

	requests deadline.Group // those that wait for Kafka

	control   control    // where an operator's commands come in
	operating sync.Mutex // held while one of them moves or drops records

	unreadable map[string]string // streams on disk and what is wrong with them; takeOver's
	gone       bool              // the directory is not in its place; takeOver's

	mu      sync.RWMutex
	disk    *spool.Spool // nil until the directory could be opened
	owner   bool         // this process forwards what is on disk
	streams map[streamKey]*stream
}

type streamKey struct {
	origin        string
	policy        Policy
	transactional bool
}

func keyOf(conn *kafkaconf.Connection, policy Policy) streamKey {
	return streamKey{conn.Origin(), policy, conn.Transactional()}
}

// Open returns a queue on the directory. It never fails: what is wrong with the
// directory is logged and tried again, and meanwhile no record can be kept. Start
// is to be called before anything else.
func Open(opts Options) *Queue {
	life, end := context.WithCancel(context.Background())
	return &Queue{
		opts: opts, log: opts.Log, life: life, end: end,
		streams: map[streamKey]*stream{}, unreadable: map[string]string{},
	}
}

// Start lets the queue send through pool, and takes the directory over as soon as no
// other process has it.
func (q *Queue) Start(pool *producer.Pool) {
	q.pool = pool
	if err := q.openDisk(); err != nil {
		q.log.Error("the spool cannot be opened; durable routes can keep no record until it can", "error", err)
	}
	q.loop(q.takeOver)
}

// Hurry ends the waiting for Kafka at that time: records not acknowledged then are
// kept on disk.
func (q *Queue) Hurry(at time.Time) { q.requests.EndAt(at) }

// Stop sends nothing that is on disk any more. Records can still be kept.
func (q *Queue) Stop() {
	q.loopsMu.Lock()
	q.end()
	q.loopsMu.Unlock()
	q.control.close()
	q.loops.Wait()
}

func (q *Queue) stopping() bool { return q.life.Err() != nil }

// loop runs f until Stop, which waits for its end; not after Stop.
func (q *Queue) loop(f func()) {
	q.loopsMu.Lock()
	defer q.loopsMu.Unlock()
	if !q.stopping() {
		q.loops.Go(f)
	}
}

// Close notes the outcomes that have come since Stop, and lets go of the directory.
// The pool has been drained. It returns how many records were kept for being still
// queued.
//
// A call that was cut off may be putting a record on disk that librdkafka has had: it
// is waited for. What comes after finds the spool closed.
func (q *Queue) Close() (kept int64, err error) {
	q.Stop()
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, st := range q.streams {
		st.keeping.Lock()
		defer st.keeping.Unlock()
		st.sweep()
		if n := st.underWayAtEnd(); n > 0 {
			q.log.Warn("records were under way to Kafka when the process ended; the next one sends them again", "stream", st.id, "records", n)
		}
		if st.inDoubt() > 0 {
			q.log.Warn("a transaction was under way to Kafka when the process ended; the next one finds out whether it was committed", "stream", st.id)
		}
		st.tidy()
	}
	if q.disk != nil {
		err = q.disk.Close()
		q.disk = nil
	}
	return q.kept.Load(), err
}

// underWayAtEnd returns how many records were under way and may or may not have arrived.
func (st *stream) underWayAtEnd() (n int) {
	st.mu.Lock()
	defer st.mu.Unlock()
	for _, f := range st.flights {
		if f.err == nil || f.err.Unconfirmed {
			n++
		}
	}
	return n
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

// takeOver becomes the directory's owner and then takes up what other processes
// leave in it.
func (q *Queue) takeOver() {
	warn := time.Now().Add(waitingWarning)
	for {
		pause := lockInterval
		switch owner, err := q.own(); {
		case err != nil:
			pause = openInterval
		case owner:
			pause = foreignInterval
		case time.Now().After(warn):
			warn = time.Now().Add(waitingWarning)
			q.log.Warn("another process has the spool; what this one keeps is sent after that process has ended", "dir", q.opts.Dir)
		}
		if !q.sleep(pause) {
			return
		}
	}
}

func (q *Queue) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-q.life.Done():
		return false
	}
}

func (q *Queue) openDisk() error {
	disk, err := spool.Open(q.opts.Dir, spool.Options{MaxBytes: q.opts.MaxBytes, DropLetters: q.opts.DropLetters, Log: q.log})
	if err != nil {
		return err
	}
	q.mu.Lock()
	q.disk = disk
	q.mu.Unlock()
	return nil
}

// own makes this process the owner if nobody else is, and loads the streams.
func (q *Queue) own() (bool, error) {
	q.mu.RLock()
	disk, owner := q.disk, q.owner
	q.mu.RUnlock()
	if disk == nil {
		if err := q.openDisk(); err != nil {
			return false, err
		}
		q.log.Warn("the spool can be opened now")
		return q.own()
	}
	if err := q.inPlace(disk); err != nil {
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
		q.log.Error("the spool cannot be read", "error", err)
		return false, err
	}
	for _, id := range ids {
		q.found(disk, id)
	}
	if !owner {
		q.log.Info("the spool is this process's now", "dir", q.opts.Dir, "streams", len(ids))
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
	q.control.listen(q)
	return true, nil
}

// inPlace returns why nothing can be kept in the directory any more, and logs changes.
func (q *Queue) inPlace(disk *spool.Spool) error {
	err := disk.InPlace()
	switch gone := err != nil; {
	case gone && !q.gone:
		q.log.Error("the spool's directory was removed, renamed or replaced: durable routes can keep no record until it is put back or the runner is restarted", "error", err)
	case !gone && q.gone:
		q.log.Warn("the spool's directory is back")
	}
	q.gone = err != nil
	return err
}

// metadata is what is needed to send a stream's records without its route.
type metadata struct {
	Config           kafkaconf.Properties `json:"config"`
	OnPermanentError string               `json:"on_permanent_error,omitempty"`
	Transactional    bool                 `json:"transactional,omitempty"`
}

// modeOf returns how the records of a stream are produced.
func modeOf(transactional bool) record.Mode {
	return record.Mode{Delivery: record.Durable, Transactional: transactional}
}

const suspendWord = "suspend"

// found makes the stream that is on disk under this name, unless it is there.
func (q *Queue) found(disk *spool.Spool, id string) {
	q.mu.RLock()
	for _, st := range q.streams {
		if st.id == id {
			q.mu.RUnlock()
			return
		}
	}
	q.mu.RUnlock()
	st, err := q.readStream(disk, id)
	if err != nil && q.unreadable[id] == err.Error() {
		return
	}
	if err != nil {
		q.unreadable[id] = err.Error()
		q.log.Error("a stream of the spool cannot be sent: what says where to is unreadable", "stream", id, "error", err)
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	key := keyOf(st.conn, st.policy)
	if q.streams[key] == nil {
		q.streams[key] = st
	}
}

func (q *Queue) readStream(disk *spool.Spool, id string) (*stream, error) {
	ds, err := disk.Stream(id, nil)
	if err != nil {
		return nil, err
	}
	var m metadata
	if err := json.Unmarshal(ds.Metadata(), &m); err != nil {
		return nil, err
	}
	conn, err := kafkaconf.New(m.Config, modeOf(m.Transactional))
	if err != nil {
		return nil, err
	}
	policy := Policy(m.OnPermanentError == suspendWord)
	if name := streamID(conn, policy); name != id {
		return nil, fmt.Errorf("it belongs to the stream %s", name)
	}
	return newStream(q, conn, policy), nil
}

// streamID names a stream: the connection's origin is enough of it to be unique.
func streamID(conn *kafkaconf.Connection, policy Policy) string {
	id := conn.Origin()[:20]
	if conn.Transactional() {
		id += "-t"
	}
	if policy == Suspend {
		id += "-s"
	}
	return id
}

// stream returns the stream of a connection.
func (q *Queue) stream(conn *kafkaconf.Connection, policy Policy) *stream {
	key := keyOf(conn, policy)
	q.mu.RLock()
	st := q.streams[key]
	q.mu.RUnlock()
	if st != nil {
		return st
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if st = q.streams[key]; st == nil {
		st = newStream(q, conn.As(modeOf(conn.Transactional())), policy)
		// Nothing of it was on disk when this process became the owner.
		st.loaded.Store(q.owner)
		q.streams[key] = st
	}
	return st
}

// errNoDisk: the spool's directory cannot be opened.
var errNoDisk = errors.New("the spool's directory cannot be opened")

// open returns the stream's files.
func (q *Queue) open(st *stream) (*spool.Stream, error) {
	q.mu.RLock()
	disk := q.disk
	q.mu.RUnlock()
	if disk == nil {
		return nil, errNoDisk
	}
	m := metadata{Config: st.conn.Route(), Transactional: st.conn.Transactional()}
	if st.policy == Suspend {
		m.OnPermanentError = suspendWord
	}
	text, _ := json.Marshal(m) // of strings: cannot fail
	return disk.Stream(st.id, text)
}

// Keep takes a record that a producer could not deliver before its end. It reaches
// the disk with Close.
func (q *Queue) Keep(conn *kafkaconf.Connection, rec *record.Record) bool {
	st := q.stream(conn, DeadLetter)
	disk, err := q.open(st)
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

func brokers(conn *kafkaconf.Connection) string {
	return strings.TrimSpace(conn.Route()["bootstrap.servers"])
}
