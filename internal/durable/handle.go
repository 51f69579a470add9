package durable

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/spool"
)

// Stream is a stream as an operator's command sees it: also one that has no records now, and one
// whose records cannot be sent. Package operator works through it, and [Queue.Stats], in the process
// that owns the spool. Its methods may be called from any goroutine; only Pause takes what outlasts
// the call, the stream's turn.
type Stream struct {
	ID   string
	Disk *spool.Stream // of what StreamOf returns: nil
	// Problem says why not all of it can be read, or none of it be sent; nil: nothing.
	Problem error

	q  *Queue
	st *stream // nil: its connection.json is unreadable, so nobody can send it
}

// Streams returns the streams that are on disk or that requests have used since this process began,
// by ID.
func (q *Queue) Streams() ([]Stream, error) {
	q.mu.RLock()
	disk, known := q.spool.Load(), maps.Clone(q.streams)
	q.mu.RUnlock()
	if disk == nil {
		return nil, q.noDisk()
	}
	ids, err := disk.StreamIDs()
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		if _, ok := known[id]; !ok {
			known[id] = nil // it cannot be sent
		}
	}
	var all []Stream
	for _, id := range slices.Sorted(maps.Keys(known)) {
		s := Stream{ID: id, q: q, st: known[id]}
		if s.open(disk); s.Disk != nil {
			all = append(all, s)
		}
	}
	return all, nil
}

// StreamOf returns the stream to which records of the connection belong, to append to it.
func (q *Queue) StreamOf(conn *kafkaconf.Connection, policy Policy) Stream {
	st := q.stream(conn, policy)
	return Stream{ID: st.id, q: q, st: st}
}

// open finds the stream's files and loads what of them nobody else loads: dead letters, which the
// forwarder only writes, and streams that have no forwarder. It leaves Disk nil for a directory that
// is no stream's, and for a stream that another process has just made: its forwarder is there within
// a second.
func (s *Stream) open(disk *spool.Spool) {
	var err error
	if s.st == nil {
		s.openUnreadable(disk)
	} else if s.Disk, err = s.st.open(); err == nil {
		s.Problem = s.st.notRead()
	}
	if s.Disk == nil {
		return
	}
	_, err = s.Disk.Dead().Load()
	s.Problem = errors.Join(s.Problem, err)
	if s.st == nil && len(s.Disk.Metadata()) == 0 && s.Disk.Pending()+s.Disk.Dead().Pending() == 0 {
		s.Disk = nil
	}
}

// openUnreadable opens a stream that cannot be sent, so that its records can be shown, and moved to
// another one.
func (s *Stream) openUnreadable(disk *spool.Spool) {
	if _, s.Problem = s.q.readStream(disk, s.ID); s.Problem == nil {
		return
	}
	found, err := disk.Stream(s.ID, nil)
	if err != nil {
		found, err = disk.Stream(s.ID, []byte{})
	}
	if err == nil {
		_, err = found.Load()
		s.Disk, s.Problem = found, errors.Join(s.Problem, err)
	}
}

// StreamInfo is what `kafkaupstream spool ls` shows of a stream. Of its connection's properties it
// has bootstrap.servers only.
type StreamInfo struct {
	Stream  string `json:"stream"`
	Brokers string `json:"brokers"`
	// OnPermanentError is "deadletter" or "suspend".
	OnPermanentError string `json:"on_permanent_error"`
	Transactional    bool   `json:"transactional,omitempty"`
	Pending          int64  `json:"pending"`   // records; of a transactional stream, units
	UnderWay         int64  `json:"under_way"` // of them, those that librdkafka has
	Bytes            int64  `json:"bytes"`     // of files, those of dead letters included
	// Oldest is when the first pending record was kept.
	Oldest      time.Time   `json:"oldest,omitzero"`
	Suspension  *Suspension `json:"suspension,omitempty"` // nil: not suspended
	DeadLetters int64       `json:"dead_letters"`
	// CorruptBytes is the damage that was set aside, in bytes.
	CorruptBytes int64 `json:"corrupt_bytes"`
	// LastResolved is the receipt of the last record that was acknowledged, or otherwise resolved,
	// since this process began.
	LastResolved string `json:"last_resolved,omitempty"`
	// Problem says why not all of it can be read, or none of it be sent.
	Problem string `json:"problem,omitempty"`
}

// Info returns the stream's numbers. It reads a little from disk.
func (s Stream) Info() StreamInfo {
	info := StreamInfo{Stream: s.ID, Suspension: s.Suspension(), UnderWay: s.UnderWay()}
	if s.st != nil {
		info.Brokers, info.OnPermanentError = strings.TrimSpace(s.st.conn.Route()["bootstrap.servers"]), s.st.policy.String()
		info.Transactional = s.st.conn.Transactional()
	}
	stats, err := s.Disk.Stats()
	dead, deadErr := s.Disk.Dead().Stats()
	info.Pending, info.Oldest, info.LastResolved = stats.Pending, stats.Oldest, stats.LastResolved
	info.DeadLetters = dead.Pending
	info.Bytes, info.CorruptBytes = stats.Bytes+dead.Bytes, stats.Corrupt+dead.Corrupt
	if err := errors.Join(s.Problem, err, deadErr); err != nil {
		info.Problem = err.Error()
	}
	return info
}

// Sendable reports whether this process knows where the stream's records are to be sent.
func (s Stream) Sendable() bool { return s.st != nil }

// UnderWay returns how many of the records on disk librdkafka has.
func (s Stream) UnderWay() int64 {
	if s.st == nil {
		return 0
	}
	n, _ := s.st.flights.count()
	return n
}

// Suspension returns why the stream is not sent; nil: it is not suspended.
func (s Stream) Suspension() *Suspension {
	if s.st != nil {
		return s.st.suspension.Load()
	}
	return readSuspension(s.Disk)
}

// Suspend stops a stream that is Sendable: nothing more of it is sent until Resume. After an error
// that holds for as long as this process runs. The forwarder's round may still send, until Pause
// returns.
func (s Stream) Suspend(why Suspension) error {
	err := s.st.suspend(s.Disk, &why)
	if err == nil {
		s.q.log.Warn("stream suspended by the operator; `kafkaupstream spool resume` resumes it", "stream", s.ID)
	}
	return err
}

// Resume sends the stream again, from the record at which it stopped. After an error it is still
// suspended.
func (s Stream) Resume() error {
	if err := s.Disk.Resume(); err != nil {
		return err
	}
	if s.st != nil {
		s.st.suspension.Store(nil)
		s.st.start()
	}
	s.q.log.Warn("stream resumed", "stream", s.ID)
	return nil
}

// pauseWait is how long Pause waits for the forwarder's round to end.
const pauseWait = 2 * time.Second

// Pause waits until the forwarder is between two rounds, and takes the stream's turn, which keeps
// it there until resume is called. Between two rounds records may still be under way. The errors are
// ErrStopping, the context's, and one for a round that has not ended within two seconds.
func (s Stream) Pause(ctx context.Context) (resume func(), err error) {
	if s.st == nil {
		return func() {}, nil
	}
	wait, cancel := context.WithTimeout(ctx, pauseWait)
	defer cancel()
	switch {
	case s.st.takeTurn(wait):
		return s.st.endTurn, nil
	case s.q.stopping():
		return nil, ErrStopping
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	return nil, s.busy()
}

// busy is why records of the stream cannot be taken out of it.
func (s Stream) busy() error {
	return fmt.Errorf("records of stream %s are under way to Kafka, which has not answered: try again when it has, or stop the runner first", s.ID)
}

// Landed returns the records before the first that is under way, without those that turn out to be
// acknowledged. The error is not nil if there is one under way. The caller has paused the stream, and
// may then resolve what is returned: it is not sent.
func (s Stream) Landed(entries []spool.Entry) (landed []spool.Entry, err error) {
	if s.st == nil {
		return entries, nil
	}
	s.st.awaitKeeping()
	landed, all := s.st.flights.landed(entries)
	if !all {
		err = s.busy()
	}
	return landed, err
}

var errKind = errors.New("units of transactions go to a transactional stream only, and other records to another one")

// Append appends records of another place to a stream that is Sendable, in order and durably, and
// returns how many it has written; it needs no turn. A record of which that is not known counts as not
// written: it is left where it was, and is sent twice at worst. The errors are the spool's, and one
// for units and records that would be mixed.
func (s Stream) Append(entries []spool.Entry) (written int, err error) {
	fresh := make([]spool.Entry, 0, len(entries))
	for i := range entries {
		e := &entries[i]
		if e.Unit.IsZero() == s.st.conn.Transactional() {
			err = errKind
			break
		}
		// A unit keeps its identity: where it was committed after all, the mark still shows that.
		fresh = append(fresh, e.Moved())
	}
	for _, a := range s.st.append(fresh) {
		if a.Err != nil {
			return written, a.Err
		}
		written++
	}
	return written, err
}

// Reread makes the forwarder read the stream from its beginning, after records were taken out of it.
// An empty stream's files are removed, by the forwarder or by Close where there is one.
func (s Stream) Reread() {
	if s.st != nil {
		s.st.rewind.Store(true)
		s.st.start()
	} else if err := s.Disk.RemoveIfEmpty(); err != nil {
		s.q.log.Error("cannot remove an empty stream from disk", "stream", s.ID, "error", err)
	}
}
