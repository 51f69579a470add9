package spool

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Resolve marks a record; nothing remains to be done about it, whatever the state.
// To do it twice is harmless, and the first state stays. Segments without a pending
// record are deleted. When the mark cannot be written, an error is returned and Next
// does not return the record any more, but the next process will find it pending; this
// does not hold of one that is only known by its receipt.
// A process that is not the owner may call it for what it appended itself.
func (r *reader) Resolve(p Position, s State) error {
	if !s.resolved() || p.IsZero() {
		return fmt.Errorf("%w state or position", ErrInvalid)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	seg := r.find(p.segment)
	if seg == nil || r.isDone(seg) {
		return nil // deleted, or about to be
	}
	if p.at == 0 {
		var err error
		if p, err = r.locate(seg, p); err != nil {
			return fmt.Errorf("spool: %w", err)
		}
	}
	if err := r.resolve(seg, p, s); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	return nil
}

func (r *reader) resolve(seg *segment, p Position, s State) error {
	m, known := seg.unwritten[p]
	if !known {
		m.state = s
	}
	err := r.mark(seg, p, m)
	if err == nil && r.behind {
		r.retryStates()
	}
	return err
}

// mark writes a record's state, or remembers it where that cannot be done.
func (r *reader) mark(seg *segment, p Position, m mark) error {
	before, err := r.state(seg, p)
	first := err == nil && !before.resolved() && !m.counted
	if err == nil && !before.resolved() {
		err = r.writeState(seg, p, m.state)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if !m.counted {
			r.countResolved(seg) // this one is not lost
		}
		r.vanished(seg)
		return nil
	case err == nil, errors.Is(err, ErrInvalid):
		delete(seg.unwritten, p)
	default:
		m.counted = m.counted || first
		if seg.unwritten == nil {
			seg.unwritten = map[Position]mark{}
		}
		seg.unwritten[p] = m
		r.behind = true
	}
	if first {
		r.last = p
		r.countResolved(seg)
	}
	return err
}

// countResolved takes one record from the pending ones.
func (r *reader) countResolved(seg *segment) {
	if r.addPending(seg, -1) == 0 {
		r.sweep()
	}
}

// state reads the state of a record, after it has made sure that it is there.
func (r *reader) state(seg *segment, p Position) (State, error) {
	size := r.durable(seg)
	f, err := r.file(seg)
	if err != nil {
		return Pending, err
	}
	var b [headerSize]byte
	if p.at-1+headerSize > size {
		return Pending, fmt.Errorf("%w position", ErrInvalid)
	}
	if err := readFull(f, b[:], p.at-1); err != nil {
		return Pending, err
	}
	h, ok := seg.marker.parseHeader(b[:])
	if !ok || h.index != p.index {
		seg.broken = true
		return Pending, fmt.Errorf("%w position", ErrInvalid)
	}
	return h.state, nil
}

func (r *reader) writeState(seg *segment, p Position, s State) error {
	if seg.readOnly {
		r.closeFile(seg) // it may be writable again
	}
	f, err := r.file(seg)
	if err != nil {
		return err
	}
	if seg.readOnly {
		return &os.PathError{Op: "write", Path: r.path(seg.id), Err: errReadOnly}
	}
	var b [4]byte
	binary.LittleEndian.PutUint32(b[:], uint32(s))
	_, err = f.WriteAt(b[:], p.at-1+stateOffset)
	return err
}

var errReadOnly = errors.New("read-only")

// locate finds the offset of a record that only its receipt names.
func (r *reader) locate(seg *segment, p Position) (Position, error) {
	defer r.scanner.forget()
	x, ok, err := r.seek(seg, p)
	if err == nil && !ok {
		err = fmt.Errorf("%w position", ErrInvalid)
	}
	p.at = x.off + 1
	return p, err
}

// seek finds a record; false: it is not there.
func (r *reader) seek(seg *segment, p Position) (x found, ok bool, err error) {
	f, err := r.file(seg)
	if err != nil {
		return x, false, err
	}
	size := r.durable(seg)
	r.scanner.scan(f, seg.marker, 0, size, -1)
	for {
		x, err := r.scanner.next()
		if errors.Is(err, io.EOF) {
			return x, false, nil
		}
		if err != nil || !x.gap && x.index == p.index {
			return x, err == nil, err
		}
	}
}

// Find returns the entry that a receipt names and its state, also when it is resolved, as
// long as its segment is there. false: it is not.
func (r *reader) Find(p Position) (e Entry, s State, ok bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.scanner.forget()
	seg := r.find(p.segment)
	if seg == nil {
		return e, 0, false, nil
	}
	x, ok, err := r.seek(seg, p)
	if errors.Is(err, fs.ErrNotExist) {
		r.vanished(seg)
		return e, 0, false, nil
	}
	if err == nil && ok {
		e, err = decodePayload(bytes.Clone(x.payload))
	}
	if err != nil || !ok {
		return Entry{}, 0, false, err
	}
	e.Position = Position{seg.id, x.index, x.off + 1}
	if m, known := seg.unwritten[e.Position]; known {
		s = m.state
	} else {
		s = x.state
	}
	if !s.resolved() {
		s = Pending
	}
	return e, s, true, nil
}

// Where is what is known of a receipt.
type Where struct {
	Stream *Stream // that has the entry: a stream, or its dead letters; nil: none has it any more
	Entry  Entry
	State  State // without Stream: what became of the record, Pending where nothing is known
}

// Locate looks for the record that a receipt names in these streams and their dead letters:
// for what is to be sent, or is a dead letter, under that receipt now, and then for what had
// it first and was moved.
func Locate(streams []*Stream, p Position) (w Where, err error) {
	for _, st := range streams {
		for _, in := range []*Stream{st, st.dead} {
			e, state, ok, err := in.Find(p)
			switch {
			case err != nil:
				return Where{}, fmt.Errorf("stream %s: %w", st.ID(), err)
			case ok && state == Pending:
				return Where{in, e, state}, nil
			case ok:
				w.State = state
			}
		}
	}
	for _, st := range streams {
		for _, in := range []*Stream{st.dead, st} {
			e, err := in.movedFrom(p)
			if err != nil {
				return Where{}, err
			}
			if e != nil {
				return Where{in, *e, Pending}, nil
			}
		}
	}
	return w, nil
}

// movedFrom returns the pending entry that was at a position first; nil: there is none.
func (r *reader) movedFrom(p Position) (*Entry, error) {
	const atOnce, bytes = 50, 1 << 20
	var after Position
	for r.Pending() > 0 {
		entries, err := r.Next(after, atOnce, bytes)
		if err != nil || len(entries) == 0 {
			return nil, err
		}
		for i := range entries {
			if after = entries[i].Position; !entries[i].First.IsZero() && entries[i].First.Compare(p) == 0 {
				return &entries[i], nil
			}
		}
	}
	return nil, nil
}

// retryStates writes the states that could not be written before, and deletes what could not be deleted.
func (r *reader) retryStates() {
	r.behind = false
	for _, seg := range r.snapshot() {
		for p, m := range seg.unwritten {
			if _ = r.mark(seg, p, m); r.behind {
				break // the others would fail too
			}
		}
	}
	r.sweep()
}

// sweep deletes the segments that are done: sealed ones without a pending record
// and, when the whole stream has none, the active one.
func (r *reader) sweep() {
	for _, seg := range r.snapshot() {
		if !r.isDone(seg) {
			continue
		}
		// What is done is not read again, so that this is not needed.
		seg.unwritten = nil
		if !r.drop(seg) {
			r.behind = true
			return
		}
	}
	w := r.writer
	if r.Pending() > 0 || !w.mu.TryLock() {
		return // an append is under way, so the stream is not empty for long
	}
	defer w.mu.Unlock()
	if w.seg == nil || w.count > 0 || r.Pending() > 0 {
		return
	}
	seg := w.seg
	w.seal()
	seg.unwritten = nil
	r.behind = !r.drop(seg)
}

// drop deletes a segment. It stays when damage in it could not be set aside.
func (r *reader) drop(seg *segment) bool {
	if len(seg.gaps) > 0 {
		f, err := r.file(seg)
		if err != nil && !errors.Is(err, fs.ErrNotExist) || err == nil && !r.setAside(f, seg) {
			return false
		}
	}
	if err := os.Remove(r.path(seg.id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false
	}
	r.closeFile(seg)
	r.remove(seg)
	return true
}
