package spool

import (
	"fmt"
	"sync"

	"github.com/kafkaupstream/kafkaupstream/internal/bytesize"
)

const (
	// lettersPart is the dead letters' share of Options.MaxBytes: an eighth.
	lettersPart = 8
	// holderTimes bounds a holder to so many times the bytes that are free: three quarters
	// of the room if it is alone, three sevenths each if they are two. However much some
	// take, there is room left for the others.
	holderTimes = 3
)

// room counts what segment files take, and bounds it: dead letters have a share of their
// own, records the rest.
type room struct {
	max int64

	mu      sync.Mutex
	records int64
	letters int64
	held    map[any]int64 // of records, by Entry.Holder
	// refused is the last record for which there was no room.
	refused struct {
		bytes  int64
		holder any
	}
}

// charge is what a file, or a part of it, takes.
type charge struct {
	bytes int64
	held  map[any]int64 // the part of it that has holders
}

func (c *charge) add(n int64, holder any) {
	c.bytes += n
	if holder == nil {
		return
	}
	if c.held == nil {
		c.held = map[any]int64{}
	}
	c.held[holder] += n
}

func (c *charge) merge(other charge) {
	for holder, n := range other.held {
		c.add(n, holder)
		other.bytes -= n
	}
	c.bytes += other.bytes
}

// lettersMax is how much dead letters may take.
func (r *room) lettersMax() int64 { return r.max / lettersPart }

// bound names the bound as an operator sets it.
func (r *room) bound() string { return "--spool-max-bytes is " + bytesize.Format(r.max) }

func (r *room) used() (all, letters int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.records + r.letters, r.letters
}

// takeRecord counts n bytes of a record. Dead letters take nothing of what records may
// have, unless there are more than their share, as an earlier version left them.
func (r *room) takeRecord(n int64, holder any) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.lacks(n, holder); err != nil {
		r.refused.bytes, r.refused.holder = n, holder
		return err
	}
	r.records += n
	if holder != nil {
		r.held[holder] += n
	}
	return nil
}

// full is why the record that was refused last would be refused again; nil: it would not, or none was.
func (r *room) full() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refused.bytes == 0 {
		return nil
	}
	return r.lacks(r.refused.bytes, r.refused.holder)
}

// smallRecord is what there is to be room for where a record can be kept, in bytes.
const smallRecord = 4 << 10

// exhausted reports whether none of the holders could add a small record. It does not look at what was refused before: a large
// record says nothing about others.
func (r *room) exhausted() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lacks(smallRecord, nil) != nil {
		return true
	}
	for holder := range r.held {
		if r.lacks(smallRecord, holder) == nil {
			return false
		}
	}
	return len(r.held) > 0
}

// lacks is why there is no room for n bytes of a record; nil: there is. The caller has the lock.
func (r *room) lacks(n int64, holder any) error {
	share := r.max - max(r.lettersMax(), r.letters)
	free := share - r.records
	if n > free { // the same text each time, so that the log counts it as one
		return fmt.Errorf("%w: %s, of which records may have %s", ErrFull, r.bound(), bytesize.Format(share))
	}
	if held := r.held[holder]; held > 0 && (held+n)/holderTimes > free {
		return fmt.Errorf("%w for this route: it has %d bytes, and %d are left for all (%s)", ErrFull, held, free, r.bound())
	}
	return nil
}

// takeLetter counts n bytes of a dead letter; false: there is no room. One alone always
// has room, and where there are more than the share, as many as before.
func (r *room) takeLetter(n, before int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.letters > 0 && r.letters+n > max(r.lettersMax(), before) {
		return false
	}
	r.letters += n
	return true
}

// correct counts n bytes more, or less, of what no holder has.
func (r *room) correct(n int64, letters bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if letters {
		r.letters += n
	} else {
		r.records += n
	}
}

func (r *room) give(c charge, letters bool) {
	r.correct(-c.bytes, letters)
	r.mu.Lock()
	defer r.mu.Unlock()
	for holder, n := range c.held {
		if r.held[holder] -= n; r.held[holder] == 0 {
			delete(r.held, holder)
		}
	}
}

// takeLetter is take for dead letters. The oldest make room, where they may be dropped.
func (s *Spool) takeLetter(n int64) error {
	_, before := s.room.used()
	for !s.room.takeLetter(n, before) {
		if !s.opts.DropLetters || !s.dropLetters() {
			return fmt.Errorf("%w of dead letters: they have %d bytes, and may have %s (%s)", ErrFull, before, bytesize.Format(s.room.lettersMax()), s.room.bound())
		}
	}
	return nil
}

// dropLetters deletes the oldest segment of the stream that has the most bytes of dead
// letters, so that no stream's push out those of the others. false: there is none.
func (s *Spool) dropLetters() bool {
	s.mu.Lock()
	streams := make([]*Stream, 0, len(s.streams))
	for _, st := range s.streams {
		streams = append(streams, st.dead)
	}
	s.mu.Unlock()
	var most *Stream
	for _, st := range streams {
		_, _ = st.Load() // what cannot be read stays
		if most == nil || st.charged() > most.charged() {
			most = st
		}
	}
	return most != nil && most.dropOldest()
}
