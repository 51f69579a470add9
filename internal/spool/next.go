package spool

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"slices"
	"sync"
)

// reader reads, resolves and removes records. What it does to the active segment it does
// through the writer, whose lock it takes after its own.
type reader struct {
	*catalog
	writer *writer

	// mu guards the open files and, of each segment, its damage and the states that are not
	// on disk: what depends on more than one read.
	mu      sync.Mutex
	scanner scanner
	opened  []*segment // with an open file, the last used last
	last    Position   // the last one resolved
	behind  bool       // a state could not be written, or a segment not be deleted
	failed  *segment   // where a read has failed last; nil: it was passed, or none has
	taken   int        // how many segments Load has taken up
}

// Next returns up to n pending records after a position, in order, and nil when
// there is none; the zero Position is before the first. Their payloads have at most
// maxBytes together, but one is always returned. They own their memory. Only the
// owner may call it.
func (r *reader) Next(after Position, n, maxBytes int) ([]Entry, error) {
	entries, _, err := r.Select(After(after), n, maxBytes, nil)
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
func (r *reader) Select(from Cursor, n, maxBytes int, choose func(*Head) Choice) ([]Entry, Cursor, error) {
	if !r.spool.owner.Load() {
		return nil, from, ErrNotOwner
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	b := batch{n: n, maxBytes: maxBytes, choose: choose, end: from}
	err := r.read(&b)
	return b.entries, b.end, err
}

// read is Select. The caller holds mu.
func (r *reader) read(b *batch) error {
	if r.behind {
		r.retryStates()
	}
	defer r.scanner.forget()
	from := b.end
	b.pending = int(r.Pending())
	for seg := r.pendingFrom(from.position.segment); seg != nil && !b.full; seg = r.pendingAfter(seg.id) {
		err := r.readSegment(seg, from, b)
		if errors.Is(err, fs.ErrNotExist) {
			r.vanished(seg)
			continue
		}
		if err == nil && seg.broken {
			err = r.inspectAgain(seg)
		}
		if err != nil && len(b.entries) == 0 {
			r.failed = seg
			r.closeFile(seg) // a copy that can be read may be put in its place
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

// readSegment offers a segment's pending records from a cursor on to a batch.
func (r *reader) readSegment(seg *segment, from Cursor, b *batch) error {
	f, err := r.file(seg)
	if err != nil {
		return err
	}
	size := r.durable(seg)
	at := from.position
	inside := at.segment == seg.id
	off, last, front := seg.hint, seg.hintIndex, true
	if inside && at.at > seg.hint+1 {
		off, last, front = at.at-1, int64(at.index)-1, false
	}
	r.scanner.scan(f, seg.marker, off, size, last)
	for {
		x, err := r.scanner.next()
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
func (r *reader) file(seg *segment) (file, error) {
	if seg.f == nil {
		f, readOnly, err := openExisting(r.path(seg.id))
		if err != nil {
			return nil, err
		}
		seg.f, seg.readOnly = r.spool.open(f), readOnly
	}
	r.used(seg)
	return seg.f, nil
}

// used makes a segment the last that is closed to make room.
func (r *reader) used(seg *segment) {
	r.opened = slices.DeleteFunc(r.opened, func(other *segment) bool { return other == seg })
	if len(r.opened) == maxOpened {
		r.closeFile(r.opened[0])
	}
	r.opened = append(r.opened, seg)
}

func (r *reader) closeFile(seg *segment) {
	r.opened = slices.DeleteFunc(r.opened, func(other *segment) bool { return other == seg })
	if seg.f != nil {
		seg.f.Close()
		seg.f = nil
	}
}

// vanished forgets a segment whose file somebody else has removed or renamed. Nothing
// may be added to it any more.
func (r *reader) vanished(seg *segment) {
	r.closeFile(seg)
	r.writer.leave(seg)
	r.lose(seg)
}

// Pass leaves out the segment at which a read has failed last, if one has, so that what is behind it
// can be read: as if another process were writing it, it is Foreign, and nothing of it is Pending,
// until Load can read it. Resolve still takes its records.
func (r *reader) Pass() {
	r.mu.Lock()
	defer r.mu.Unlock()
	seg := r.failed
	if seg == nil {
		return
	}
	r.failed = nil
	r.writer.leave(seg)
	if r.pass(seg) {
		r.spool.log.Error("a spool segment cannot be read and is passed; its records are sent when it can be read again",
			"stream", r.id, "segment", seg.id.String(), "records", r.addPending(seg, 0))
	}
}
