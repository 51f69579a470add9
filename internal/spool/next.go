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
	entries, _, err := st.Select(After(after), n, maxBytes, nil)
	return entries, err
}

// Head is what decides where an entry goes: the topic, key and partition of its
// record, of a unit's first. Topic and Key are lent for the call that gets it.
type Head struct {
	Position   Position
	Topic, Key []byte // a nil Key is null
	Partition  int32
	Size       int // of the payload, in bytes
}

// Choice is what Select does with a pending record.
type Choice int

const (
	// Take returns it.
	Take Choice = iota
	// Pass leaves it out.
	Pass
	// Stop ends before it.
	Stop
)

// maxPassed bounds the bytes of records that one Select leaves out, as nothing can be
// resolved meanwhile.
const maxPassed = 4 << 20

// Select is Next from a cursor on for the records that choose takes; nil takes all. It
// returns where the next call goes on, which is where this one began if there is no
// other pending record or choose stopped at the first. choose is called with the
// stream locked, and must not use it.
func (st *Stream) Select(from Cursor, n, maxBytes int, choose func(*Head) Choice) ([]Entry, Cursor, error) {
	if !st.spool.owner.Load() {
		return nil, from, ErrNotOwner
	}
	st.io.Lock()
	defer st.io.Unlock()
	b := batch{n: n, maxBytes: maxBytes, choose: choose, end: from}
	err := st.read(&b)
	return b.entries, b.end, err
}

// read is Select for what holds io.
func (st *Stream) read(b *batch) error {
	defer st.scanner.forget()
	from := b.end
	b.pending = int(st.Pending())
	for seg := st.pendingFrom(from.position.segment); seg != nil && !b.full; seg = st.pendingAfter(seg.id) {
		err := st.readSegment(seg, from, b)
		if errors.Is(err, fs.ErrNotExist) {
			st.vanished(seg)
			continue
		}
		if err == nil && seg.broken {
			err = st.inspectAgain(seg)
		}
		if err != nil && len(b.entries) == 0 {
			return err
		}
		if err != nil {
			break // the next call meets it again
		}
	}
	return nil
}

// batch is what Select has collected.
type batch struct {
	entries     []Entry
	n, maxBytes int
	choose      func(*Head) Choice
	end         Cursor // behind what was taken or passed
	pending     int    // of the stream: there are not more, or few that have just come
	bytes       int
	passed      int // bytes
	full        bool
}

// offer takes a record, or passes it. It returns false at the end of the batch.
func (b *batch) offer(p Position, payload []byte) (bool, error) {
	choice := Take
	if b.choose != nil {
		h, err := headOf(payload)
		if err != nil {
			return false, err
		}
		h.Position = p
		choice = b.choose(&h)
	}
	switch choice {
	case Take:
		return b.take(p, payload)
	case Pass:
		b.end = After(p)
		b.passed += len(payload)
		b.full = b.passed > maxPassed
		return !b.full, nil
	}
	b.full = true
	return false, nil
}

// take adds a record. It returns false when the batch is full.
func (b *batch) take(p Position, payload []byte) (bool, error) {
	e, err := decodePayload(bytes.Clone(payload))
	if err != nil {
		return false, err
	}
	e.Position = p
	if b.entries == nil {
		b.entries = make([]Entry, 0, max(min(b.n, b.pending), 1))
	}
	b.entries = append(b.entries, e)
	b.end = After(p)
	b.bytes += len(payload)
	b.full = len(b.entries) >= b.n
	return !b.full, nil
}

// room reports whether a record of that size may be added.
func (b *batch) room(size int) bool {
	return len(b.entries) == 0 || len(b.entries) < b.n && b.bytes+size <= b.maxBytes
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

// readSegment offers a segment's pending records from a cursor on to a batch.
func (st *Stream) readSegment(seg *segment, from Cursor, b *batch) error {
	f, err := st.file(seg)
	if err != nil {
		return err
	}
	st.mu.Lock()
	size := seg.size
	st.mu.Unlock()
	at := from.position
	inside := at.segment == seg.id
	off, last, front := seg.hint, seg.hintIndex, true
	if inside && at.at > seg.hint+1 {
		off, last, front = at.at-1, int64(at.index)-1, false
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
		if inside && (x.index < at.index || x.index == at.index && !from.before) {
			continue
		}
		if !b.room(len(x.payload)) {
			b.full = true
			return nil
		}
		if more, err := b.offer(p, x.payload); !more || err != nil {
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
