package spool

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
)

// Next returns up to n pending records after a position, in order, and nil when
// there is none; the zero Position is before the first. Their payloads have at most
// maxBytes together, but one is always returned. They own their memory. Only the
// owner may call it.
func (st *Stream) Next(after Position, n, maxBytes int) ([]Entry, error) {
	if !st.spool.owner.Load() {
		return nil, ErrNotOwner
	}
	st.io.Lock()
	defer st.io.Unlock()
	return st.read(after, n, maxBytes)
}

// read is Next for what holds io.
func (st *Stream) read(after Position, n, maxBytes int) ([]Entry, error) {
	defer st.scanner.forget()
	b := batch{n: n, maxBytes: maxBytes, pending: int(st.Pending())}
	for seg := st.pendingFrom(after.segment); seg != nil && !b.full; seg = st.pendingAfter(seg.id) {
		err := st.readSegment(seg, after, &b)
		if errors.Is(err, fs.ErrNotExist) {
			st.vanished(seg)
			continue
		}
		if err == nil && seg.broken {
			err = st.inspectAgain(seg)
		}
		if err != nil && len(b.entries) == 0 {
			return nil, err
		}
		if err != nil {
			break // the next call meets it again
		}
	}
	return b.entries, nil
}

// batch is what Next has collected.
type batch struct {
	entries     []Entry
	n, maxBytes int
	pending     int // of the stream: there are not more, or few that have just come
	bytes       int
	full        bool
}

// take adds a record. It returns false when there is no room for it.
func (b *batch) take(p Position, payload []byte) (bool, error) {
	if len(b.entries) >= b.n || len(b.entries) > 0 && b.bytes+len(payload) > b.maxBytes {
		b.full = true
		return false, nil
	}
	e, err := decodePayload(bytes.Clone(payload))
	if err != nil {
		return false, err
	}
	e.Position = p
	if b.entries == nil {
		b.entries = make([]Entry, 0, max(min(b.n, b.pending), 1))
	}
	b.entries = append(b.entries, e)
	b.bytes += len(payload)
	b.full = len(b.entries) == b.n
	return !b.full, nil
}

func (st *Stream) pendingFrom(id segmentID) *segment {
	st.mu.Lock()
	defer st.mu.Unlock()
	for _, seg := range st.segments[st.segments.at(id):] {
		if seg.pending > 0 {
			return seg
		}
	}
	return nil
}

func (st *Stream) pendingAfter(id segmentID) *segment {
	next := segmentID{id.time, id.salt + 1}
	if next.salt == 0 {
		next.time++
	}
	return st.pendingFrom(next)
}

// readSegment adds a segment's pending records after a position to a batch.
func (st *Stream) readSegment(seg *segment, after Position, b *batch) error {
	f, err := st.file(seg)
	if err != nil {
		return err
	}
	st.mu.Lock()
	size := seg.size
	st.mu.Unlock()
	inside := after.segment == seg.id
	off, last, front := seg.hint, seg.hintIndex, true
	if inside && after.at > seg.hint+1 {
		off, last, front = after.at-1, int64(after.index)-1, false
	}
	st.scanner.scan(f, seg.marker, off, size, last)
	for {
		x, err := st.scanner.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if x.gap {
			seg.broken = seg.broken || !seg.knowsGap(x.off)
			continue
		}
		p := Position{seg.id, x.index, x.off + 1}
		if _, known := seg.unwritten[p]; known || x.state.resolved() {
			if front {
				seg.hint, seg.hintIndex = x.off+x.size, int64(x.index)
			}
			continue
		}
		front = false
		if inside && x.index <= after.index {
			continue
		}
		if more, err := b.take(p, x.payload); !more || err != nil {
			return err
		}
	}
}

// maxOpened bounds the files that a stream keeps open for reading.
const maxOpened = 4

// file opens a segment, or returns it if it is open.
func (st *Stream) file(seg *segment) (file, error) {
	if seg.f == nil {
		f, readOnly, err := openExisting(st.path(seg.id))
		if err != nil {
			return nil, err
		}
		seg.f, seg.readOnly = st.spool.open(f), readOnly
	}
	st.used(seg)
	return seg.f, nil
}

// used makes a segment the last that is closed to make room.
func (st *Stream) used(seg *segment) {
	for i, other := range st.opened {
		if other == seg {
			st.opened = append(st.opened[:i], st.opened[i+1:]...)
			break
		}
	}
	if len(st.opened) == maxOpened {
		st.closeFile(st.opened[0])
	}
	st.opened = append(st.opened, seg)
}

func (st *Stream) closeFile(seg *segment) {
	for i, other := range st.opened {
		if other == seg {
			st.opened = append(st.opened[:i], st.opened[i+1:]...)
			break
		}
	}
	if seg.f != nil {
		seg.f.Close()
		seg.f = nil
	}
}

// vanished forgets a segment whose file somebody else has removed or renamed. Nothing
// may be added to it any more.
func (st *Stream) vanished(seg *segment) {
	st.closeFile(seg)
	st.writing.Lock()
	defer st.writing.Unlock()
	if st.writer.seg == seg {
		st.commit() // which finds the file gone
	}
	if st.writer.seg == seg { // there was nothing to commit
		st.seal()
	}
	st.lose(seg)
}

// lose gives up a segment whose file is gone, and says how many records with it. If the
// file comes back, it is loaded as another process's.
func (st *Stream) lose(seg *segment) {
	if !st.remove(seg) {
		return
	}
	st.pending.Add(-seg.pending)
	st.spool.log.Error("a segment of the spool was removed or renamed by somebody else: unless it is put back, its records that were not sent yet are lost",
		"stream", st.id, "dead_letters", st.isLetters(), "segment", seg.id.String(), "records", seg.pending)
}

// remove takes a segment out of the stream and of the spool's size. It reports whether
// it was in it: reader and writer may both find its file gone.
func (st *Stream) remove(seg *segment) bool {
	st.mu.Lock()
	known := st.segments.get(seg.id) == seg
	st.segments.remove(seg.id)
	st.mu.Unlock()
	if known {
		st.give(seg.charge)
	}
	return known
}
