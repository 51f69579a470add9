package operator

import (
	"context"
	"errors"
	"fmt"

	"github.com/kafkaupstream/kafkaupstream/internal/durable"
	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/spool"
)

var (
	errNotDead = errors.New("records that are still to be sent can only be moved to another configuration: -f names it")
	errOneOnly = errors.New("one record that is still to be sent cannot be moved without its neighbours: name the stream alone")
	errSame    = errors.New("the configuration is that of the stream itself; without -f its dead letters are sent again")
)

// streamOf returns a target's stream. The target may come from the socket.
func (o *Operator) streamOf(t *durable.Target) (durable.Stream, error) {
	for name := range t.Config {
		if why := kafkaconf.Refused(name); why != "" {
			return durable.Stream{}, fmt.Errorf("config.%.80s may not be set: %s", name, why)
		}
	}
	switch t.OnPermanentError {
	case "", durable.DeadLetter.String(), durable.Suspend.String():
	default:
		return durable.Stream{}, fmt.Errorf("on_permanent_error: expected %q or %q", durable.DeadLetter, durable.Suspend)
	}
	conn, err := t.Connection()
	if err != nil {
		return durable.Stream{}, fmt.Errorf("config: %w", err)
	}
	return o.q.StreamOf(conn, t.Policy()), nil
}

// Replay puts dead letters back to the end of their stream or, with to, of another one; with
// sel.Pending then also all records that are still to be sent, which needs to. It returns what was
// done even where an error ended it early: what was not moved is where it was, and a record may be in
// both places after a crash.
func (o *Operator) Replay(ctx context.Context, sel Selection, to *durable.Target) (Done, error) {
	if sel.Pending && to == nil {
		return Done{}, errNotDead
	}
	if sel.Pending && sel.Receipt != "" {
		return Done{}, errOneOnly
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	letters, err := o.find(Selection{Stream: sel.Stream, Receipt: sel.Receipt})
	if err != nil {
		return Done{}, err
	}
	destination := letters.Stream
	if to != nil {
		if destination, err = o.streamOf(to); err != nil {
			return Done{}, err
		}
		if letters.Sendable() && destination.ID == letters.ID {
			return Done{}, errSame
		}
	}
	if !destination.Sendable() {
		return Done{}, fmt.Errorf("stream %s cannot be sent to where it was; -f names a configuration to send its records to", letters.ID)
	}
	m := move{o: o, selected: letters, to: &destination, state: spool.Replayed}
	done := Done{Stream: destination.ID}
	if sel.Pending {
		resume, err := letters.pause(ctx, !o.q.Sends())
		if err != nil {
			return done, err
		}
		defer resume()
	}
	if done.Records, err = m.run(ctx); err != nil || !sel.Pending {
		return done, err
	}
	m.from, m.pending = letters.Disk, true
	n, err := m.run(ctx)
	done.Records += n
	return done, err
}

// Drop gives dead letters up for good or, with sel.Pending, records of a suspended stream that are
// still to be sent. It returns what was done even with an error.
func (o *Operator) Drop(ctx context.Context, sel Selection) (Done, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s, err := o.find(sel)
	if err != nil {
		return Done{}, err
	}
	if sel.Pending {
		resume, err := s.pause(ctx, false)
		if err != nil {
			return Done{Stream: s.ID}, err
		}
		defer resume()
	}
	m := move{o: o, selected: s, pending: sel.Pending, state: spool.Dropped}
	n, err := m.run(ctx)
	return Done{Stream: s.ID, Records: n}, err
}

// pause keeps the stream's records from being sent until resume is called, so that they can be taken
// out of it. The stream must be suspended, or one that nobody can send; idle says that a process that
// sends nothing is enough.
func (s selected) pause(ctx context.Context, idle bool) (resume func(), err error) {
	resume, err = s.Pause(ctx)
	if err == nil && !idle && s.Sendable() && s.Suspension() == nil {
		resume()
		err = fmt.Errorf("stream %s is not suspended, so its records may be sent at any moment; `kafkaupstream spool suspend %s` stops it", s.ID, s.ID)
	}
	return resume, err
}

// move takes selected records out of a stream.
type move struct {
	o *Operator
	selected
	pending bool            // they are still to be sent; the stream is paused
	to      *durable.Stream // nil: nowhere
	state   spool.State
}

const (
	// movedRecords and movedBytes bound what is read from disk at a time.
	movedRecords = 500
	movedBytes   = 4 << 20
)

// run takes as many records as there are when it begins: while it works, more may come, among them
// those that it has moved and that are dead letters again.
func (m *move) run(ctx context.Context) (done int64, err error) {
	defer m.Reread()
	if m.entry != nil {
		return m.take([]spool.Entry{*m.entry})
	}
	var after spool.Position
	for all := m.count(); done < all; {
		if err := m.o.interrupted(ctx); err != nil {
			return done, err
		}
		entries, err := m.from.Next(after, int(min(movedRecords, all-done)), movedBytes)
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
	if m.pending {
		entries, err = m.Landed(entries)
	}
	if m.to != nil {
		written, writeErr := m.to.Append(entries)
		if errors.Is(writeErr, spool.ErrFull) {
			writeErr = fmt.Errorf("%w: drop records, or let it hold more", writeErr)
		}
		entries, err = entries[:written], errors.Join(writeErr, err)
	}
	for i := range entries {
		if err := m.from.Resolve(entries[i].Position, m.state); err != nil {
			return n, fmt.Errorf("a resolved record cannot be marked on disk: %w", err)
		}
		n++
	}
	return n, err
}
