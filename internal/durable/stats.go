package durable

import (
	"cmp"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/producer"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

// Stats is a look at a queue.
type Stats struct {
	Records int64 // on disk, to be sent
	// UnderWay is how many of them librdkafka has.
	UnderWay int64
	Bytes    int64 // of files, those of dead letters included
	MaxBytes int64 // their bound
	// Oldest is when the first record that waits was kept; zero: there is none.
	Oldest      time.Time
	DeadLetters int64
	// DeadLetterBytes is the size of their files, and DeadLetterMaxBytes its bound.
	DeadLetterBytes    int64
	DeadLetterMaxBytes int64
	// DeadLettersDropped is how many were dropped for want of room since the process began.
	DeadLettersDropped int64

	Streams   int64
	Suspended int64 // streams
	// Unreadable is how many streams cannot be read or sent, wholly or in part.
	Unreadable int64
	// CorruptBytes is the damage that was set aside, in bytes.
	CorruptBytes int64
	// Failing: the disk takes no record; see [Queue.Failing].
	Failing bool
}

// Room is what a spool's files take of what they may take, in bytes.
type Room struct {
	Bytes              int64 `json:"bytes"` // those of dead letters included
	MaxBytes           int64 `json:"max_bytes"`
	DeadLetterBytes    int64 `json:"dead_letter_bytes"`
	DeadLetterMaxBytes int64 `json:"dead_letter_max_bytes"`
	DiskFree           int64 `json:"disk_free_bytes"` // of the file system
	// Full is why records are refused, such as sizes and the flag; empty: none is.
	Full string `json:"full,omitempty"`
}

// Room returns the queue's room; the zero value while it has no disk.
func (q *Queue) Room() (r Room) {
	disk := q.spool.Load()
	if disk == nil {
		return r
	}
	r.Bytes, r.MaxBytes = disk.Bytes(), disk.MaxBytes()
	r.DeadLetterBytes, r.DeadLetterMaxBytes, _ = disk.Letters()
	r.DiskFree, _ = disk.DiskFree() // Failing has the error
	if err := cmp.Or(disk.Full(), disk.Failing()); err != nil {
		r.Full = err.Error()
	}
	return r
}

// State returns why no record can be kept, nil: it can, and reports whether this process sends them.
func (q *Queue) State() (problem error, owner bool) {
	disk, owner := q.state()
	if disk == nil {
		return q.noDisk(), owner
	}
	if problem = disk.Usable(); problem == nil {
		if why := q.trouble.Load(); why != nil && !owner {
			problem = *why // it will not become the owner
		}
	}
	return problem, owner
}

// Exhausted reports whether no route can add to what is on disk: there is no room for even a small record.
func (q *Queue) Exhausted() bool {
	disk := q.spool.Load()
	return disk != nil && disk.Exhausted()
}

// Failing returns why the disk takes no record, though the directory may be used: it is full, for example. nil: it does,
// or is not open.
func (q *Queue) Failing() error {
	disk := q.spool.Load()
	if disk == nil {
		return nil
	}
	return disk.Failing()
}

// Keeps reports whether records for this producer can be kept on disk while its cluster
// does not answer, unless the queue is Failing. A transactional producer does not show that itself: one that a
// durable route has belongs to a stream.
func (q *Queue) Keeps(p *producer.ProducerStats) bool {
	q.mu.RLock()
	defer q.mu.RUnlock()
	switch {
	case q.spool.Load() == nil, q.Exhausted():
		return false
	case p.Mode == (record.Mode{Delivery: record.Durable}):
		return true
	}
	for _, st := range q.streams {
		if st.conn.ProducerID() == p.ID {
			return true
		}
	}
	return false
}

// Stats returns the queue's numbers. It reads a little from disk. Before this process
// is the directory's owner they are about what it has kept itself. The error is that of State,
// or of reading.
func (q *Queue) Stats() (s Stats, err error) {
	q.mu.RLock()
	disk, owner := q.spool.Load(), q.owner
	if disk != nil {
		s.Bytes, s.MaxBytes = disk.Bytes(), disk.MaxBytes()
		s.DeadLetterBytes, s.DeadLetterMaxBytes, s.DeadLettersDropped = disk.Letters()
	}
	if !owner {
		for _, st := range q.streams {
			if d := st.disk.Load(); d != nil {
				s.Records += d.Pending()
				s.Streams++
			}
		}
	}
	q.mu.RUnlock()
	s.Failing = q.Failing() != nil
	if problem, _ := q.State(); problem != nil || !owner {
		return s, problem
	}
	streams, err := q.Streams()
	for _, stream := range streams {
		s.add(stream.Info())
	}
	return s, err
}

func (s *Stats) add(i StreamInfo) {
	s.Streams++
	s.Records += i.Pending
	s.UnderWay += i.UnderWay
	s.DeadLetters += i.DeadLetters
	s.CorruptBytes += i.CorruptBytes
	if i.Suspension != nil {
		s.Suspended++
	}
	if i.Problem != "" {
		s.Unreadable++
	}
	if !i.Oldest.IsZero() && (s.Oldest.IsZero() || i.Oldest.Before(s.Oldest)) {
		s.Oldest = i.Oldest
	}
}
