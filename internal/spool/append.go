package spool

import (
	"errors"
	"fmt"
	"sync"
)

// queue holds what waits to be written together. One of its appenders, the leader,
// writes for all that are there when the segment is free; those that come meanwhile
// are the next batch.
type queue struct {
	mu      sync.Mutex // guards the queue and whether there is a leader
	waiting []*request
	led     bool
}

// Appended is what became of one of several entries.
type Appended struct {
	Position Position
	Err      error // nil: it is on disk
}

// request is what an appender waits for: entries in their order, and what becomes of them.
type request struct {
	payload []byte // of one entry, encoded
	holder  any
	entries []Entry
	out     []Appended
	lead    bool
	woken   chan struct{} // capacity 1
}

// reusable bounds the payloads that stay with a pooled request.
const reusable = 64 << 10

var requests = sync.Pool{New: func() any { return &request{woken: make(chan struct{}, 1)} }}

// reserve counts what an entry is about to take of the spool.
func (w *writer) reserve(e *Entry) error {
	if w.spool.closed.Load() {
		return ErrClosed
	}
	size := payloadSize(e)
	if size > maxPayload {
		return fmt.Errorf("%w: a record of %d bytes", ErrInvalid, size)
	}
	return w.take(headerSize+size, e.Holder)
}

func (r *request) encode(e *Entry) {
	if size := payloadSize(e); int64(cap(r.payload)) < size {
		r.payload = make([]byte, 0, size)
	}
	r.payload, r.holder = appendPayload(r.payload[:0], e), e.Holder
}

func (r *request) free() {
	if cap(r.payload) > reusable {
		r.payload = nil
	}
	r.entries, r.out, r.holder = nil, nil, nil
	requests.Put(r)
}

// again reports whether an entry is to be appended once more: its segment was gone, and
// the next one is made where the directory is there.
func again(err error) bool { return errors.Is(err, ErrGone) && !errors.Is(err, ErrUncertain) }

// AppendAll appends entries in their order. It returns once they are on disk, and says of each what became of it; many
// callers share an fsync. After an error the record is not there, unless the error is ErrUncertain, and none is kept
// behind it. Others are ErrFull, ErrGone, ErrClosed, ErrInvalid and those of the file system.
func (w *writer) AppendAll(entries []Entry) []Appended {
	out := w.appendAll(entries)
	for i := range out {
		if again(out[i].Err) {
			copy(out[i:], w.appendAll(entries[i:]))
			break
		}
	}
	return out
}

func (w *writer) appendAll(entries []Entry) []Appended {
	out := make([]Appended, len(entries))
	n := 0
	var err error
	for ; n < len(entries); n++ {
		if err = w.reserve(&entries[n]); err != nil {
			break
		}
	}
	for i := n; i < len(entries); i++ {
		out[i].Err = err
	}
	if n > 0 {
		r := requests.Get().(*request)
		r.entries, r.out, r.lead = entries[:n], out[:n], false
		w.await(r)
		r.free()
		w.spool.noteAppend(out[n-1].Err) // behind one that fails, all do
	}
	return out
}

// await returns when a request has been dealt with, by its caller or another leader.
func (w *writer) await(r *request) {
	if w.queue.join(r) {
		w.lead(r)
	}
}

// join waits until a request is written, or returns true when its caller is to lead.
func (q *queue) join(r *request) bool {
	q.mu.Lock()
	q.waiting = append(q.waiting, r)
	if !q.led {
		q.led = true
		q.mu.Unlock()
		return true
	}
	q.mu.Unlock()
	<-r.woken
	return r.lead
}

// lead writes all that wait, the leader's own among them, and hands the lead on.
func (w *writer) lead(leader *request) {
	w.mu.Lock()
	batch := w.queue.take()
	for _, r := range batch {
		w.addAll(r)
	}
	_ = w.commit() // each entry carries its own error
	w.mu.Unlock()
	w.queue.handOn()
	for _, r := range batch {
		if r != leader {
			r.woken <- struct{}{}
		}
	}
}

// addAll adds a request's entries, up to the first that cannot be written.
func (w *writer) addAll(r *request) {
	for i := range r.out {
		r.encode(&r.entries[i])
		w.turnOver(r.payload)
		if i > 0 && r.out[i-1].Err != nil {
			w.giveBack(frameSize(r.payload), r.holder)
			r.out[i].Err = r.out[i-1].Err
			continue
		}
		w.add(r.payload, r.holder, &r.out[i], true)
	}
}

func (q *queue) take() []*request {
	q.mu.Lock()
	defer q.mu.Unlock()
	batch := q.waiting
	q.waiting = nil
	return batch
}

// handOn makes the first of those that came meanwhile the leader.
func (q *queue) handOn() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		q.led = false
		return
	}
	next := q.waiting[0]
	next.lead = true
	next.woken <- struct{}{}
}

// Write takes a record without waiting for the disk. It counts as pending, and Next
// returns it, after the next AppendAll or Close. Where that fails, none of the records since the one
// before is certain to be there: Close returns an error, and [Spool.Lost] counts them.
func (w *writer) Write(e *Entry) (Position, error) {
	if err := w.reserve(e); err != nil {
		return Position{}, err
	}
	r := requests.Get().(*request)
	defer r.free()
	r.encode(e) // while nobody waits for it
	w.mu.Lock()
	defer w.mu.Unlock()
	w.turnOver(r.payload)
	var out Appended
	if w.add(r.payload, r.holder, &out, false); out.Err == nil {
		w.unasked.add(e.Record.Topic, 1, nil)
	}
	return out.Position, out.Err
}
