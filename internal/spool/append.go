package spool

import (
	"fmt"
	"sync"
)

// queue holds what waits to be written together. One of its appenders, the leader,
// writes for all that are there when the segment is free; those that come meanwhile
// are the next batch.
type queue struct {
	mu      sync.Mutex
	waiting []*request
	led     bool
}

// request is a record that an appender waits for.
type request struct {
	payload []byte
	pos     Position
	err     error
	lead    bool
	woken   chan struct{} // capacity 1
}

// reusable bounds the payloads that stay with a pooled request.
const reusable = 64 << 10

var requests = sync.Pool{New: func() any { return &request{woken: make(chan struct{}, 1)} }}

// newRequest encodes an entry and reserves its place in the spool.
func (st *Stream) newRequest(e *Entry) (*request, error) {
	if st.spool.closed.Load() {
		return nil, ErrClosed
	}
	size := payloadSize(e)
	if size > maxPayload {
		return nil, fmt.Errorf("%w: a record of %d bytes", ErrInvalid, size)
	}
	if st.parent != nil {
		// A dead letter takes the place of a record that was counted, and must not
		// hold up those behind it in a full spool.
		st.spool.bytes.Add(headerSize + size)
	} else if err := st.spool.reserve(headerSize + size); err != nil {
		return nil, err
	}
	r := requests.Get().(*request)
	if int64(cap(r.payload)) < size {
		r.payload = make([]byte, 0, size)
	}
	r.payload = appendPayload(r.payload[:0], e)
	r.pos, r.err, r.lead = Position{}, nil, false
	return r, nil
}

func (r *request) size() int64 { return headerSize + int64(len(r.payload)) }

func (r *request) free() {
	if cap(r.payload) > reusable {
		r.payload = nil
	}
	requests.Put(r)
}

// Append returns once the record is on disk; many callers share an fsync. After an
// error the record is not there, unless the error is ErrUncertain. Others are
// ErrFull, ErrClosed, ErrInvalid and those of the file system.
func (st *Stream) Append(e *Entry) (Position, error) {
	r, err := st.newRequest(e)
	if err != nil {
		return Position{}, err
	}
	defer r.free()
	if st.queue.join(r) {
		st.lead(r)
	}
	return r.pos, r.err
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
func (st *Stream) lead(leader *request) {
	st.writing.Lock()
	batch := st.queue.take()
	for _, r := range batch {
		st.add(r, true)
	}
	st.commit() // each request carries its own error
	st.writing.Unlock()
	st.queue.handOn()
	for _, r := range batch {
		if r != leader {
			r.woken <- struct{}{}
		}
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
// returns it, after the next Sync; when that fails, none of the records since the
// one before is certain to be there.
func (st *Stream) Write(e *Entry) (Position, error) {
	r, err := st.newRequest(e)
	if err != nil {
		return Position{}, err
	}
	defer r.free()
	st.writing.Lock()
	defer st.writing.Unlock()
	st.add(r, false)
	return r.pos, r.err
}

// Sync makes the records of Write durable. Its error is about those since the last
// Sync, whichever call met it, and is ErrUncertain where they may be there anyway.
func (st *Stream) Sync() error {
	st.writing.Lock()
	defer st.writing.Unlock()
	st.commit()
	err := st.writer.lost
	st.writer.lost = nil
	return err
}
