package durable

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/producer"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/internal/spool"
)

// stream is the records of one connection that are on disk, as requests, the forwarder and an
// operator's commands share them. What it is made of has locks of its own.
type stream struct {
	*common
	id     string
	conn   *kafkaconf.Connection
	policy Policy

	loaded     atomic.Bool           // this process knows all that is on disk of the stream, but for what cannot be read
	unread     atomic.Pointer[error] // why not all of it is read; nil: it is, or was not tried yet
	loadAgain  time.Time             // load does nothing before; takeOver's
	disk       atomic.Pointer[spool.Stream]
	suspension atomic.Pointer[Suspension] // nil: not suspended
	rewind     atomic.Bool                // the forwarder is to read from the start again

	forward func() // sends what is on disk until Stop; set before there is anything
	begin   sync.Once
	wake    chan struct{} // capacity 1: there may be something for the forwarder to do
	// turn has a token in it while the forwarder sends, a request sends a unit, or an operator
	// takes records out of the stream. What says that it is for the holder of the turn has no lock.
	turn chan struct{}
	// keeping is read-locked while an in-flight record is written to disk, until it is among the
	// flights; the forwarder takes the write lock after it has read records, or it would send this
	// one twice.
	keeping sync.RWMutex

	flights flights
	gate    gate
	ahead   ahead

	appended atomic.Int64 // how often something was put on disk

	units units // of a transactional stream; for the holder of the turn
}

func newStream(c *common, conn *kafkaconf.Connection, policy Policy) *stream {
	st := &stream{
		common: c, id: streamID(conn, policy), conn: conn, policy: policy,
		wake: make(chan struct{}, 1), turn: make(chan struct{}, 1),
		flights: flights{at: map[spool.Position]*flight{}},
		ahead:   newAhead(),
		units:   units{memory: newMemory()},
	}
	if conn.Transactional() && c.pool != nil {
		st.units.serial, st.units.unsettled = c.pool.NewSerial(conn, st.id), true
	}
	return st
}

// open returns the stream's files.
func (st *stream) open() (*spool.Stream, error) {
	disk := st.spool.Load()
	if disk == nil {
		return nil, st.noDisk()
	}
	return disk.Stream(st.id, targetOf(st.conn, st.policy))
}

// clear reports whether nothing on disk comes before new records.
func (st *stream) clear(recs []record.Record) bool {
	disk := st.disk.Load()
	if st.loaded.Load() {
		return st.suspension.Load() == nil && (disk == nil || disk.Pending() == 0 || st.past(recs))
	}
	if st.conn.Transactional() {
		return false // another process may be sending
	}
	if disk == nil {
		var err error
		if disk, err = st.open(); err != nil {
			return true // there is no disk on which anything could be known to be
		}
		st.disk.CompareAndSwap(nil, disk)
	}
	if disk.Pending() > 0 {
		return false
	}
	foreign, err := disk.Foreign()
	return err == nil && !foreign
}

// inSequence reports whether no record of the stream may overtake one that waits on disk.
func (st *stream) inSequence() bool { return st.policy == Suspend || st.conn.Transactional() }

// past reports whether all that is on disk is of other topics than the records', as far as the
// forwarder has not sent it.
func (st *stream) past(recs []record.Record) bool {
	if st.inSequence() {
		return false
	}
	ahead, _ := st.ahead.of(recs, st.appended.Load())
	return !ahead
}

// awaitClear waits until nothing on disk comes before the records, as long as the last ones there
// are being sent; false: new ones are to be kept.
func (st *stream) awaitClear(ctx context.Context, recs []record.Record) bool {
	for !st.clear(recs) {
		if _, aside := st.ahead.of(recs, st.appended.Load()); aside || !st.gate.await(ctx) {
			return false
		}
	}
	return true
}

// takeTurn takes the stream's turn; false: not in time.
func (st *stream) takeTurn(ctx context.Context) bool {
	select {
	case st.turn <- struct{}{}:
		return true
	case <-ctx.Done():
	case <-st.life.Done():
	}
	return false
}

func (st *stream) endTurn() { <-st.turn }

// append puts entries on disk in their order, none behind one that could not be kept, and wakes the
// forwarder for them.
func (st *stream) append(entries []spool.Entry) []spool.Appended {
	disk, err := st.open()
	if err != nil {
		return slices.Repeat([]spool.Appended{{Err: err}}, len(entries))
	}
	st.disk.Store(disk)
	appended := disk.AppendAll(entries)
	if len(appended) > 0 && appended[0].Err == nil {
		st.start()
	}
	return appended
}

// notKept is the outcome of a record that could not be kept because of err.
func (st *stream) notKept(d *producer.Delivery, cause *record.Error, err error) *record.Error {
	switch {
	case cause.Unconfirmed, errors.Is(err, spool.ErrUncertain):
		if d != nil {
			d.OnReport(func() { go d.End() })
		}
		return record.Unknown
	case errors.Is(err, spool.ErrFull):
		return &record.Error{Kind: record.KindSpoolFull, Reason: err.Error()}
	}
	return &record.Error{Kind: record.KindSpoolFailed, Reason: err.Error() + " (" + cause.Reason + ")"}
}

// behindOthers is why a record is kept that waits for earlier ones.
var behindOthers = &record.Error{Kind: record.KindUnavailable, Reason: "earlier records wait on disk"}

// awaitKeeping returns when those of the records on disk that are in flight are among the flights.
func (st *stream) awaitKeeping() {
	st.keeping.Lock()
	defer st.keeping.Unlock()
}

// fly notes that librdkafka has a record that is on disk.
func (st *stream) fly(position spool.Position, d *producer.Delivery) *flight {
	return st.flights.begin(position, d, st.poke)
}

// sweep ends the flights that were acknowledged, and returns those whose outcomes have come. Only
// the holder of the turn calls it, and the forwarder never between reading records and looking for
// their flights: it would take those that end meanwhile for records that nobody has sent.
func (st *stream) sweep() []*flight {
	acked, failed := st.flights.sweep()
	disk := st.disk.Load()
	for _, f := range acked {
		st.resolve(disk, f.position, spool.Acked)
	}
	return append(acked, failed...)
}

// resolve marks a record on disk. Where that fails it is marked in memory, so that
// this process does not send it again; the next one would.
func (st *stream) resolve(disk *spool.Stream, position spool.Position, state spool.State) {
	if err := disk.Resolve(position, state); err != nil {
		st.log.Error("a resolved record cannot be marked on disk; after a restart it would be sent again",
			"stream", st.id, "error", err)
	}
}

// start runs the forwarder, once, and wakes it: something has been put on disk, or
// taken from there.
func (st *stream) start() {
	if st.pool == nil { // an operator's command
		return
	}
	st.appended.Add(1)
	st.begin.Do(func() { st.loop(st.forward) })
	st.poke()
}

func (st *stream) poke() {
	select {
	case st.wake <- struct{}{}:
	default:
	}
}

// load takes over what other processes have left on disk, and what was passed since it could not be
// read. This process is the owner.
func (st *stream) load() {
	disk, err := st.open()
	if err != nil || time.Now().Before(st.loadAgain) {
		return
	}
	foreign, err := disk.Foreign()
	if err != nil || st.loaded.Load() && !foreign {
		st.noteUnread(err)
		return
	}
	began := time.Now()
	taken, err := disk.Load()
	if st.noteUnread(err); err != nil { // a bad disk takes long to say so, and reading it holds up the forwarder
		st.loadAgain = time.Now().Add(10 * time.Since(began))
	}
	if st.loaded.Load() && !taken || !st.loaded.Load() && err != nil && st.inSequence() {
		return
	}
	st.appended.Add(1) // or new records could be taken for later ones of a stream that is read
	st.disk.Store(disk)
	if !st.loaded.Load() {
		st.suspension.Store(readSuspension(disk))
	}
	st.rewind.Store(true)
	st.loaded.Store(true)
	if n := disk.Pending(); n > 0 {
		st.log.Warn("records on disk wait to be sent", "stream", st.id, "records", n)
	}
	st.start()
}

// noteUnread logs when not all of the stream can be read any more, why, and when it can again.
func (st *stream) noteUnread(err error) {
	before := st.unread.Load()
	switch {
	case err != nil && (before == nil || (*before).Error() != err.Error()):
		st.unread.Store(&err)
		st.log.Error("cannot read all of a stream of the spool", "stream", st.id, "error", err)
	case err == nil && before != nil:
		st.unread.Store(nil)
		st.log.Warn("all of a stream of the spool can be read again", "stream", st.id)
	}
}

// notRead is why not all of the stream is read; nil: it is, as far as this process knows.
func (st *stream) notRead() error {
	if why := st.unread.Load(); why != nil {
		return *why
	}
	if !st.loaded.Load() {
		return errors.New("it is not read yet")
	}
	return nil
}

// suspend notes that the stream is suspended: in memory in any case, and on disk.
func (st *stream) suspend(disk *spool.Stream, s *Suspension) error {
	st.suspension.Store(s)
	st.disk.CompareAndSwap(nil, disk)
	return s.write(disk)
}

// tidy removes what an empty stream has on disk: its connection's properties hold
// secrets.
func (st *stream) tidy() {
	disk := st.disk.Load()
	if disk == nil || !st.loaded.Load() || disk.Pending() > 0 {
		return
	}
	if err := disk.RemoveIfEmpty(); err != nil {
		st.log.Error("cannot remove an empty stream from disk", "stream", st.id, "error", err)
	}
}

// close notes the outcomes that have come since Stop, logs what is still under way, and removes an
// empty stream's files. The forwarder has ended. release lets records be kept again.
//
// A call that was cut off may be writing a record to disk that librdkafka has had: it is waited for.
func (st *stream) close() (release func()) {
	st.keeping.Lock()
	st.sweep()
	if _, n := st.flights.count(); n > 0 {
		st.log.Warn("records were under way to Kafka when the process ended; the next one sends them again", "stream", st.id, "records", n)
	}
	if st.inDoubt() {
		st.log.Warn("a transaction was under way to Kafka when the process ended; the next one finds out whether it was committed", "stream", st.id)
	}
	st.tidy()
	return st.keeping.Unlock
}

// inDoubt reports whether a unit may or may not have been committed: one that somebody sends, who
// then holds the turn, or one whose commit was not answered.
func (st *stream) inDoubt() bool {
	select {
	case st.turn <- struct{}{}:
		defer st.endTurn()
		return st.units.doubt != nil
	default:
		return true
	}
}
