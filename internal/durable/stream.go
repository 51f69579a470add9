package durable

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/producer"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/internal/spool"
)

// stream is the records of one connection that are on disk, and their way to Kafka.
type stream struct {
	q      *Queue
	id     string
	conn   *kafkaconf.Connection
	policy Policy

	loaded atomic.Bool // this process knows all that is on disk of the stream
	disk   atomic.Pointer[spool.Stream]
	begin  sync.Once
	wake   chan struct{} // capacity 1: there may be something to do
	// turn has a token in it while the forwarder sends, or an operator takes records
	// out of the stream.
	turn       chan struct{}
	suspension atomic.Pointer[Suspension] // nil: not suspended

	// keeping is held by those who put a flight on disk, until it is noted as one:
	// the forwarder must not take it for a record that nobody sends.
	keeping sync.RWMutex

	mu      sync.Mutex
	flights map[spool.Position]*flight
	arrived []*flight // whose outcome has come
	acked   []*flight // of these, the acknowledged ones; still on disk and in flights
	failed  []*flight // and the others
	gate    *gate
	met     map[string]bool // topics of the records on disk that the reader has met; true: some stand aside

	appended atomic.Int64 // how often something was put on disk
	readTo   atomic.Int64 // what appended was when the reader was last at the end

	forwarder // the forwarder's own
	units     // of a transactional stream
}

// flight is a record on disk that librdkafka has.
type flight struct {
	position spool.Position
	delivery *producer.Delivery
	acked    bool // and then it is no flight any more
	ack      record.Ack
	err      *record.Error // why it was not acknowledged

	taken // what it counts for; no lane: the reader has not met the record yet
}

// gate lets requests wait for a moment while the last records on disk are on their
// way: were they kept as well, a stream under load would never be empty again.
type gate struct {
	closed chan struct{}
	until  time.Time
	pace   time.Duration // if not 0, each request waits so long, however long the gate is there
}

const (
	// gateRecords is how many records may be left for a gate.
	gateRecords = 1000
	// gateWait is how long requests wait at it.
	gateWait = time.Second
	// gatePace is how long a request waits while more records are left than that.
	// Without it, clients append faster than the forwarder sends, and the spool never
	// empties under load.
	gatePace = 100 * time.Millisecond
)

func newStream(q *Queue, conn *kafkaconf.Connection, policy Policy) *stream {
	st := &stream{
		q: q, id: streamID(conn, policy), conn: conn, policy: policy,
		wake: make(chan struct{}, 1), turn: make(chan struct{}, 1), flights: map[spool.Position]*flight{},
		forwarder: forwarder{lanes: newLanes()}, met: map[string]bool{},
	}
	if conn.Transactional() && q.pool != nil {
		st.units = units{serial: q.pool.NewSerial(conn, st.id), unsettled: true}
	}
	return st
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
		if disk, err = st.q.open(st); err != nil {
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

// past reports whether all that is on disk is of other topics than the records', as far as
// the reader has not sent it.
func (st *stream) past(recs []record.Record) bool {
	if st.policy == Suspend || st.conn.Transactional() || st.readTo.Load() != st.appended.Load() {
		return false
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	for i := range recs {
		if _, ok := st.met[recs[i].Topic]; ok {
			return false
		}
	}
	return true
}

// standsAside reports whether earlier records for the topic of one of these stand aside.
func (st *stream) standsAside(recs []record.Record) bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	for i := range recs {
		if st.met[recs[i].Topic] {
			return true
		}
	}
	return false
}

// awaitClear waits until nothing on disk comes before the records, as long as the last ones
// there are on their way; false: new ones are to be kept.
func (st *stream) awaitClear(ctx context.Context, recs []record.Record) bool {
	for !st.clear(recs) {
		if !st.awaitGate(ctx, recs) {
			return false
		}
	}
	return true
}

// awaitGate waits until the gate is taken away; false: not in time, or there is none.
func (st *stream) awaitGate(ctx context.Context, recs []record.Record) bool {
	if st.standsAside(recs) {
		return false
	}
	st.mu.Lock()
	g := st.gate
	st.mu.Unlock()
	if g == nil {
		return false
	}
	wait := g.pace
	if wait == 0 {
		wait = time.Until(g.until)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-g.closed:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

// setGate sets up a gate where there is none, or one whose time is over, or takes it
// away.
func (st *stream) setGate(wanted bool) { st.setPacedGate(wanted, 0) }

// setPacedGate is setGate for a gate with a pace.
func (st *stream) setPacedGate(wanted bool, pace time.Duration) {
	now := time.Now()
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.gate != nil && (!wanted || st.gate.pace != pace || pace == 0 && now.After(st.gate.until)) {
		close(st.gate.closed)
		st.gate = nil
	}
	if wanted && st.gate == nil {
		st.gate = &gate{make(chan struct{}), now.Add(gateWait), pace}
	}
}

// append puts a unit on disk.
func (st *stream) append(e *spool.Entry) (spool.Position, error) {
	disk, err := st.q.open(st)
	if err != nil {
		return spool.Position{}, err
	}
	st.disk.Store(disk)
	position, err := disk.Append(e)
	if err == nil {
		st.start()
	}
	return position, err
}

// notKept is the outcome of a record that could not be kept because of err.
func (st *stream) notKept(d *producer.Delivery, cause *record.Error, err error) *record.Error {
	switch {
	case cause.Unconfirmed, errors.Is(err, spool.ErrUncertain):
		st.forget(d)
		return record.Unknown
	case errors.Is(err, spool.ErrFull):
		return &record.Error{Kind: record.KindSpoolFull, Reason: err.Error()}
	}
	return &record.Error{Kind: record.KindSpoolFailed, Reason: err.Error() + " (" + cause.Reason + ")"}
}

// awaitKeeping returns when the flights among the records that are on disk are noted.
func (st *stream) awaitKeeping() {
	st.keeping.Lock()
	defer st.keeping.Unlock()
}

// forget lets go of a delivery that could not be kept.
func (st *stream) forget(d *producer.Delivery) {
	if d != nil {
		d.OnReport(func() { go d.End() })
	}
}

// fly notes that librdkafka has the record.
func (st *stream) fly(position spool.Position, d *producer.Delivery) *flight {
	f := &flight{position: position, delivery: d}
	st.mu.Lock()
	st.flights[position] = f
	st.mu.Unlock()
	d.OnReport(func() {
		st.mu.Lock()
		st.arrived = append(st.arrived, f)
		st.mu.Unlock()
		st.poke()
	})
	return f
}

// noteOutcomes notes the outcomes that have come. st.mu is held.
func (st *stream) noteOutcomes() {
	for _, f := range st.arrived {
		o := f.delivery.End()
		f.ack, f.err, f.delivery = o.Ack, o.Err, nil
		if f.acked = f.err == nil; f.acked {
			st.acked = append(st.acked, f)
		} else {
			st.failed = append(st.failed, f)
		}
	}
	clear(st.arrived)
	st.arrived = st.arrived[:0]
}

// sweep ends the flights that were acknowledged. What was not stays one with an
// error, for the forwarder to decide. Only who has the stream's turn calls it, and
// the forwarder never between reading records and looking for their flights: it
// would take those that end meanwhile for records that nobody has sent.
func (st *stream) sweep() {
	st.mu.Lock()
	st.noteOutcomes()
	acked, failed := st.acked, st.failed
	st.acked, st.failed = nil, nil
	for _, f := range acked {
		delete(st.flights, f.position)
	}
	st.mu.Unlock()
	disk := st.disk.Load()
	for _, f := range acked {
		st.resolve(disk, f.position, spool.Acked)
	}
	for _, f := range append(acked, failed...) {
		if f.lane != nil {
			st.landed(f)
		}
	}
}

// resolve marks a record on disk. Where that fails it is marked in memory, so that
// this process does not send it again; the next one would.
func (st *stream) resolve(disk *spool.Stream, position spool.Position, state spool.State) {
	if err := disk.Resolve(position, state); err != nil {
		st.q.log.Error("a record that is done with cannot be marked on disk; after a restart it would be sent again",
			"stream", st.id, "error", err)
	}
}

// start runs the forwarder, once, and wakes it: something has been put on disk, or
// taken from there.
func (st *stream) start() {
	if st.q.pool == nil { // an operator's command
		return
	}
	st.appended.Add(1)
	st.begin.Do(func() { st.q.loop(st.forward) })
	st.poke()
}

func (st *stream) poke() {
	select {
	case st.wake <- struct{}{}:
	default:
	}
}

// load takes up what other processes have left on disk. This process is the owner.
func (st *stream) load() {
	disk, err := st.q.open(st)
	if err != nil {
		return
	}
	if st.loaded.Load() {
		if foreign, err := disk.Foreign(); err == nil && !foreign {
			return
		}
	}
	if err := disk.Load(); err != nil {
		st.q.log.Error("a stream of the spool cannot be read", "stream", st.id, "error", err)
		return
	}
	st.disk.Store(disk)
	if !st.loaded.Load() {
		st.suspension.Store(readSuspension(disk))
	}
	st.rewind.Store(true)
	st.loaded.Store(true)
	if n := disk.Pending(); n > 0 {
		st.q.log.Warn("records on disk wait to be sent", "stream", st.id, "records", n)
	}
	st.start()
}

// tidy removes what an empty stream has on disk: its connection's properties hold
// secrets.
func (st *stream) tidy() {
	disk := st.disk.Load()
	if disk == nil || !st.loaded.Load() || disk.Pending() > 0 {
		return
	}
	if err := disk.RemoveIfEmpty(); err != nil {
		st.q.log.Error("an empty stream cannot be removed from disk", "stream", st.id, "error", err)
	}
}
