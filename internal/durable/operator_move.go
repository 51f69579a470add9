package durable

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/spool"
)

// Target is where records are replayed to: a route's connection and policy.
type Target struct {
	Config           kafkaconf.Properties `json:"config"`
	OnPermanentError string               `json:"on_permanent_error,omitempty"` // "deadletter", the default, or "suspend"
	Transactional    bool                 `json:"transactional,omitempty"`
}

// stream returns the target's stream. The configuration may come from the socket.
func (t Target) stream(q *Queue) (*stream, error) {
	for name := range t.Config {
		if why := kafkaconf.Refused(name); why != "" {
			return nil, fmt.Errorf("config.%.80s may not be set: %s", name, why)
		}
	}
	switch t.OnPermanentError {
	case "", "deadletter", suspendWord:
	default:
		return nil, fmt.Errorf("on_permanent_error: expected \"deadletter\" or %q", suspendWord)
	}
	conn, err := kafkaconf.New(t.Config, modeOf(t.Transactional))
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	return q.stream(conn, Policy(t.OnPermanentError == suspendWord)), nil
}

var (
	errNotDead = errors.New("records that are still to be sent can only be moved to another configuration: -f names it")
	errOneOnly = errors.New("one record that is still to be sent cannot be moved without its neighbours: name the stream alone")
	errKind    = errors.New("units of transactions go to a transactional stream only, and other records to another one")
	errSame    = errors.New("the configuration is that of the stream itself; without -f its dead letters are sent again")
)

// Replay puts dead letters back to the end of their stream or, with to, of another
// one; with sel.Pending then also all records that are still to be sent, which needs
// to. It returns what was done even where an error ended it early: what was not
// moved is where it was, and a record may be in both places after a crash.
func (q *Queue) Replay(ctx context.Context, sel Selection, to *Target) (Done, error) {
	if sel.Pending && to == nil {
		return Done{}, errNotDead
	}
	if sel.Pending && sel.Receipt != "" {
		return Done{}, errOneOnly
	}
	q.operating.Lock()
	defer q.operating.Unlock()
	letters, err := q.find(Selection{Stream: sel.Stream, Receipt: sel.Receipt})
	if err != nil {
		return Done{}, err
	}
	destination := letters.stream
	if to != nil {
		if destination, err = to.stream(q); err != nil {
			return Done{}, err
		}
		if destination == letters.stream {
			return Done{}, errSame
		}
	}
	if destination == nil {
		return Done{}, fmt.Errorf("stream %s cannot be sent to where it was; -f names a configuration to send its records to", letters.id)
	}
	m := move{q: q, selected: letters, to: destination, state: spool.Replayed}
	done := Done{Stream: destination.id}
	if sel.Pending {
		resume, err := letters.pause(ctx, q.pool == nil)
		if err != nil {
			return done, err
		}
		defer resume()
	}
	if done.Records, err = m.run(ctx); err != nil || !sel.Pending {
		return done, err
	}
	m.from, m.pending = letters.disk, true
	n, err := m.run(ctx)
	done.Records += n
	return done, err
}

// Drop gives dead letters up for good or, with sel.Pending, records of a suspended
// stream that are still to be sent. It returns what was done even with an error.
func (q *Queue) Drop(ctx context.Context, sel Selection) (Done, error) {
	q.operating.Lock()
	defer q.operating.Unlock()
	s, err := q.find(sel)
	if err != nil {
		return Done{}, err
	}
	if sel.Pending {
		resume, err := s.pause(ctx, false)
		if err != nil {
			return Done{Stream: s.id}, err
		}
		defer resume()
	}
	m := move{q: q, selected: s, pending: sel.Pending, state: spool.Dropped}
	n, err := m.run(ctx)
	return Done{Stream: s.id, Records: n}, err
}

// pauseWait is how long an operation waits for the records that are under way.
const pauseWait = 2 * time.Second

// pause keeps the stream's records from being sent until resume is called, so that
// they can be taken out of it. The stream must be suspended, or one that nobody can
// send, or in a process that sends nothing where idle says that this is enough.
func (s stored) pause(ctx context.Context, idle bool) (resume func(), err error) {
	if s.stream == nil {
		return func() {}, nil
	}
	resume, err = s.stream.betweenRounds(ctx)
	if err == nil && !idle && s.stream.suspension.Load() == nil {
		resume()
		err = fmt.Errorf("stream %s is not suspended, so its records may be sent at any moment; `kafkaupstream spool suspend %s` stops it", s.id, s.id)
	}
	return resume, err
}

// betweenRounds waits until the forwarder is between two rounds, and keeps it there.
func (st *stream) betweenRounds(ctx context.Context) (giveBack func(), err error) {
	timer := time.NewTimer(pauseWait)
	defer timer.Stop()
	select {
	case st.turn <- struct{}{}:
		return func() { <-st.turn }, nil
	case <-timer.C:
		return nil, st.busy()
	case <-st.q.life.Done():
		return nil, errStopping
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// busy is why records of the stream cannot be taken out of it.
func (st *stream) busy() error {
	return fmt.Errorf("records of stream %s are under way to Kafka, which has not answered: try again when it has, or stop the runner first", st.id)
}

// move takes selected records out of a stream.
type move struct {
	q *Queue
	selected
	pending bool    // they are still to be sent; the stream is paused
	to      *stream // nil: nowhere
	state   spool.State
}

// run takes as many records as there are when it begins: while it works, more may
// come, among them those that it has moved and that are dead letters again.
func (m *move) run(ctx context.Context) (done int64, err error) {
	defer m.tidy()
	if m.entry != nil {
		return m.take([]spool.Entry{*m.entry})
	}
	var after spool.Position
	for all := m.from.Pending(); done < all; {
		if err := m.q.interrupted(ctx); err != nil {
			return done, err
		}
		entries, err := m.from.Next(after, int(min(batchRecords, all-done)), batchBytes)
		if err != nil || len(entries) == 0 {
			return done, err
		}
		n, err := m.take(entries)
		if done += n; err != nil {
			return done, err
		}
		after = entries[len(entries)-1].Position
	}
	return done, nil
}

// take takes the first n of the records, all of them without an error.
func (m *move) take(entries []spool.Entry) (n int64, err error) {
	if m.pending && m.stream != nil {
		entries, err = m.stream.landedFirst(entries)
	}
	if m.to != nil {
		var writeErr error
		entries, writeErr = m.to.write(entries)
		err = errors.Join(writeErr, err)
	}
	for i := range entries {
		if err := m.from.Resolve(entries[i].Position, m.state); err != nil {
			return n, fmt.Errorf("a record that is done with cannot be marked on disk: %w", err)
		}
		n++
	}
	return n, err
}

// tidy removes what the stream has on disk if it is empty now.
func (m *move) tidy() {
	if m.stream != nil {
		m.stream.rewind.Store(true)
		m.stream.start() // its forwarder does it, or Close
	} else if err := m.disk.RemoveIfEmpty(); err != nil {
		m.q.log.Error("an empty stream cannot be removed from disk", "stream", m.id, "error", err)
	}
}

// landedFirst returns the records before the first that is under way, without those
// that turn out to be acknowledged, and makes them no flights any more. The stream is
// paused.
func (st *stream) landedFirst(entries []spool.Entry) (landed []spool.Entry, err error) {
	st.awaitKeeping()
	st.mu.Lock()
	defer st.mu.Unlock()
	st.noteOutcomes()
	for i := range entries {
		f := st.flights[entries[i].Position]
		switch {
		case f == nil:
		case f.acked:
			continue
		case f.err == nil:
			return landed, st.busy()
		default:
			delete(st.flights, entries[i].Position)
		}
		landed = append(landed, entries[i])
	}
	return landed, nil
}

// write appends records in order, durably, and returns those that it has written.
// After an error of which that is not known they count as not written: they stay
// where they are, and are sent twice at worst.
func (st *stream) write(entries []spool.Entry) ([]spool.Entry, error) {
	disk, err := st.q.open(st)
	if err != nil {
		return nil, err
	}
	st.disk.Store(disk)
	fresh := make([]spool.Entry, 0, len(entries))
	for i := range entries {
		e := &entries[i]
		if e.Unit.IsZero() == st.conn.Transactional() {
			err = errKind
			break
		}
		// A unit keeps its identity: where it was committed after all, that still tells.
		fresh = append(fresh, e.Moved())
	}
	written := 0
	for _, a := range disk.AppendAll(fresh) {
		if a.Err != nil {
			err = a.Err
			break
		}
		written++
	}
	st.start()
	if errors.Is(err, spool.ErrFull) {
		err = fmt.Errorf("%w: drop records, or let it hold more (--spool-max-bytes)", err)
	}
	return entries[:written], err
}
