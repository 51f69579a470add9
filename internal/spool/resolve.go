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
// record are deleted. When the mark cannot be written, the error says so and Next
// does not return the record any more, but the next process will find it pending.
// A process that is not the owner may call it for what it appended itself.
func (st *Stream) Resolve(p Position, s State) error {
	if !s.resolved() || p.IsZero() {
		return fmt.Errorf("%w state or position", ErrInvalid)
	}
	st.io.Lock()
	defer st.io.Unlock()
	seg := st.find(p.segment)
	if seg == nil || st.isDone(seg) {
		return nil // deleted, or about to be
	}
	if p.at == 0 {
		var err error
		if p, err = st.locate(seg, p); err != nil {
			return fmt.Errorf("spool: %w", err)
		}
	}
	if err := st.resolve(seg, p, s); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	return nil
}

func (st *Stream) resolve(seg *segment, p Position, s State) error {
	before, err := st.state(seg, p)
	if errors.Is(err, fs.ErrNotExist) {
		st.countResolved(seg) // this one is not lost
		st.vanished(seg)
		return nil
	}
	if err != nil || before.resolved() {
		return err
	}
	_, known := seg.unwritten[p]
	err = st.writeState(seg, p, s)
	if err != nil {
		st.behind = true
		if seg.unwritten == nil {
			seg.unwritten = map[Position]State{}
		}
		if !known {
			seg.unwritten[p] = s
		}
	} else {
		delete(seg.unwritten, p)
	}
	if !known {
		st.last = p
		st.countResolved(seg)
	}
	if err == nil && st.behind {
		st.retryStates()
		st.sweep()
	}
	return err
}

// countResolved takes one record from the pending ones.
func (st *Stream) countResolved(seg *segment) {
	if st.addPending(seg, -1) == 0 {
		st.sweep()
	}
}

// addPending corrects how many records of a segment are pending, and returns how many are.
func (st *Stream) addPending(seg *segment, n int64) int64 {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.segments.get(seg.id) == seg { // and not lost meanwhile
		seg.pending += n
		st.pending.Add(n)
	}
	return seg.pending
}

func (st *Stream) isDone(seg *segment) bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	return seg.pending == 0 && seg.sealed
}

// state reads the state of a record, after it has made sure that it is there.
func (st *Stream) state(seg *segment, p Position) (State, error) {
	st.mu.Lock()
	size := seg.size
	st.mu.Unlock()
	f, err := st.file(seg)
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

func (st *Stream) writeState(seg *segment, p Position, s State) error {
	if seg.readOnly {
		st.closeFile(seg) // it may be writable again
	}
	f, err := st.file(seg)
	if err != nil {
		return err
	}
	if seg.readOnly {
		return &os.PathError{Op: "write", Path: st.path(seg.id), Err: errReadOnly}
	}
	var b [4]byte
	binary.LittleEndian.PutUint32(b[:], uint32(s))
	_, err = f.WriteAt(b[:], p.at-1+stateOffset)
	return err
}

var errReadOnly = errors.New("read-only")

// locate finds the offset of a record that only its receipt names.
func (st *Stream) locate(seg *segment, p Position) (Position, error) {
	defer st.scanner.forget()
	x, ok, err := st.seek(seg, p)
	if err == nil && !ok {
		err = fmt.Errorf("%w position", ErrInvalid)
	}
	p.at = x.off + 1
	return p, err
}

// seek finds a record; false: it is not there.
func (st *Stream) seek(seg *segment, p Position) (x found, ok bool, err error) {
	f, err := st.file(seg)
	if err != nil {
		return x, false, err
	}
	st.mu.Lock()
	size := seg.size
	st.mu.Unlock()
	st.scanner.scan(f, seg.marker, 0, size, -1)
	for {
		x, err := st.scanner.next()
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
func (st *Stream) Find(p Position) (e Entry, s State, ok bool, err error) {
	st.io.Lock()
	defer st.io.Unlock()
	defer st.scanner.forget()
	seg := st.find(p.segment)
	if seg == nil {
		return e, 0, false, nil
	}
	x, ok, err := st.seek(seg, p)
	if errors.Is(err, fs.ErrNotExist) {
		st.vanished(seg)
		return e, 0, false, nil
	}
	if err == nil && ok {
		e, err = decodePayload(bytes.Clone(x.payload))
	}
	if err != nil || !ok {
		return Entry{}, 0, false, err
	}
	e.Position = Position{seg.id, x.index, x.off + 1}
	if s, ok = seg.unwritten[e.Position]; !ok {
		s = x.state
	}
	if !s.resolved() {
		s = Pending
	}
	return e, s, true, nil
}

// retryStates writes the states that could not be written before.
func (st *Stream) retryStates() {
	st.behind = false
	for _, seg := range st.snapshot() {
		for p, s := range seg.unwritten {
			if st.writeState(seg, p, s) != nil {
				st.behind = true
				return
			}
			delete(seg.unwritten, p)
		}
	}
}

func (st *Stream) snapshot() segments {
	st.mu.Lock()
	defer st.mu.Unlock()
	return append(segments(nil), st.segments...)
}

// sweep deletes the segments that are done: sealed ones without a pending record
// and, when the whole stream has none, the active one.
func (st *Stream) sweep() {
	for _, seg := range st.snapshot() {
		if !st.isDone(seg) {
			continue
		}
		// What is done is not read again, so that this is not needed.
		seg.unwritten = nil
		if !st.drop(seg) {
			st.behind = true
			return
		}
	}
	if st.Pending() > 0 || !st.writing.TryLock() {
		return // an append is under way, so the stream is not empty for long
	}
	defer st.writing.Unlock()
	w := &st.writer
	if w.seg == nil || w.count > 0 || st.Pending() > 0 {
		return
	}
	seg := w.seg
	st.seal()
	seg.unwritten = nil
	st.behind = !st.drop(seg)
}

// drop deletes a segment. It stays when damage in it could not be set aside.
func (st *Stream) drop(seg *segment) bool {
	if len(seg.gaps) > 0 {
		f, err := st.file(seg)
		if err != nil && !errors.Is(err, fs.ErrNotExist) || err == nil && !st.setAside(f, seg) {
			return false
		}
	}
	if err := os.Remove(st.path(seg.id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false
	}
	st.closeFile(seg)
	st.remove(seg)
	return true
}
