package idempotency

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

// Ticket belongs to the request that Begin was called for, and is for one goroutine at a
// time. It may be settled long after the request was answered.
type Ticket struct {
	store *Store
	entry *entry // nil: settled
	reply []byte
}

// Reply returns the reply to the first request; nil unless the outcome was Replay. It
// is not to be changed.
func (t *Ticket) Reply() []byte { return t.reply }

// Identity returns what this use of the key has for itself: the same for a request and
// for what resumes it, in this process or a later one, and another one when the key is
// begun again after it was forgotten.
func (t *Ticket) Identity() (id [16]byte) {
	b := binary.LittleEndian.AppendUint64(slices.Concat(t.entry.id[:], t.entry.fingerprint[:]), uint64(t.entry.expires))
	sum := sha256.Sum256(b)
	copy(id[:], sum[:])
	return id
}

// Finish keeps a reply, which is to be sent once Finish has returned, and is what the
// request is answered with until the key expires. After an error it is right to send it
// nevertheless: only the reply to a repetition is not certain.
func (t *Ticket) Finish(reply []byte) error {
	e := t.entry
	switch {
	case e == nil:
		return ErrSettled
	case len(reply) > MaxReply:
		t.Interrupt()
		return ErrReplyTooLarge
	}
	t.entry = nil
	s := t.store
	s.mu.Lock()
	s.table.finish(e, slices.Clone(reply)) // a journal that is written anew meanwhile has it
	written := s.enqueue(e.frame())
	s.mu.Unlock()
	err := written.wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.table.settle(e, finished)
	s.endIfIdle()
	return err
}

// Abandon forgets the key: nothing was done, and a repetition is as good as the first
// request. It does nothing to a ticket that is settled.
func (t *Ticket) Abandon() {
	e := t.entry
	if e == nil {
		return
	}
	t.entry = nil
	s := t.store
	s.mu.Lock()
	defer s.mu.Unlock()
	f := e.frame()
	f.kind = abandonedKind
	// Nobody waits for it: lost, it makes a repetition's outcome Interrupted. It is
	// queued before the key can be begun again.
	s.enqueue(f)
	s.table.remove(e)
	s.endIfIdle()
}

// Interrupt is for a request of which it is not known whether it was done: a repeated
// request gets that as its reply. It does nothing to a ticket that is settled, so that it can be deferred.
func (t *Ticket) Interrupt() {
	e := t.entry
	if e == nil {
		return
	}
	t.entry = nil
	s := t.store
	s.mu.Lock()
	defer s.mu.Unlock()
	s.table.settle(e, interrupted) // as the journal has it already
	s.endIfIdle()
}

// Resume gives a ticket for a key whose outcome was Interrupted, to a caller that can
// find out what became of the first request. It is to be settled like that of a First;
// nil: another request has it.
func (s *Store) Resume(key Key) *Ticket {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.table.entries[key.id()]
	if s.closed || e == nil || e.state != interrupted {
		return nil
	}
	s.table.unsettle(e)
	return &Ticket{store: s, entry: e}
}
