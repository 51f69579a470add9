package durable

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/kafkaupstream/kafkaupstream/internal/spool"
)

// Selection names what an operator means.
type Selection struct {
	// Stream is a stream's name or a beginning that no other has. It may be empty
	// where there is a receipt.
	Stream string `json:"stream,omitempty"`
	// Receipt names one record; empty: all.
	Receipt string `json:"receipt,omitempty"`
	// Pending means the records that are still to be sent, and not dead letters.
	Pending bool `json:"pending,omitempty"`
}

// Done says what was selected, or what was done.
type Done struct {
	Stream  string `json:"stream"`
	Records int64  `json:"records"`
	// UnderWay is how many records librdkafka has, which nothing can stop.
	UnderWay int64 `json:"under_way,omitempty"`
}

// stored is a stream as an operator sees it.
type stored struct {
	id      string
	disk    *spool.Stream
	stream  *stream // nil: what says where to it is sent is unreadable
	problem error   // why not all of it can be read, or none of it be sent
}

// stored returns the streams that are on disk or that requests have used, by name.
func (q *Queue) stored() ([]stored, error) {
	q.mu.RLock()
	disk := q.disk
	var all []stored
	for _, st := range q.streams {
		all = append(all, stored{id: st.id, stream: st})
	}
	q.mu.RUnlock()
	if disk == nil {
		return nil, errNoDisk
	}
	ids, err := disk.StreamIDs()
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		if !slices.ContainsFunc(all, func(s stored) bool { return s.id == id }) {
			all = append(all, stored{id: id})
		}
	}
	for i := range all {
		all[i].open(q, disk)
	}
	all = slices.DeleteFunc(all, func(s stored) bool { return s.disk == nil })
	slices.SortFunc(all, func(a, b stored) int { return cmp.Compare(a.id, b.id) })
	return all, nil
}

// open finds the stream's files and takes up what of them nobody else does: dead
// letters, which the forwarder only writes, and streams that have no forwarder. It
// leaves disk nil for a directory that is no stream's, and for a stream that another
// process has just made: its forwarder is there within a second.
func (s *stored) open(q *Queue, disk *spool.Spool) {
	var err error
	if s.stream == nil {
		s.openUnreadable(q, disk)
	} else if s.disk, err = q.open(s.stream); err == nil && !s.stream.loaded.Load() {
		s.problem = errors.New("it is not read yet")
	}
	if s.disk == nil {
		return
	}
	s.problem = errors.Join(s.problem, s.disk.Dead().Load())
	if s.stream == nil && len(s.disk.Metadata()) == 0 && s.disk.Pending()+s.disk.Dead().Pending() == 0 {
		s.disk = nil
	}
}

// openUnreadable opens a stream that cannot be sent, so that its records can be
// shown, and moved to another one.
func (s *stored) openUnreadable(q *Queue, disk *spool.Spool) {
	if _, s.problem = q.readStream(disk, s.id); s.problem == nil {
		return
	}
	found, err := disk.Stream(s.id, nil)
	if err != nil {
		found, err = disk.Stream(s.id, []byte{})
	}
	if err == nil {
		s.disk, s.problem = found, errors.Join(s.problem, found.Load())
	}
}

// choose returns the stream that a name or the beginning of one means.
func (q *Queue) choose(name string) (stored, error) {
	all, err := q.stored()
	if err != nil {
		return stored{}, err
	}
	var found []string
	var last stored
	for _, s := range all {
		if s.id == name {
			return s, nil
		}
		if name != "" && strings.HasPrefix(s.id, name) {
			found, last = append(found, s.id), s
		}
	}
	switch len(found) {
	case 0:
		return stored{}, fmt.Errorf("there is no stream %.80q; `kafkaupstream spool ls` shows what there is", name)
	case 1:
		return last, nil
	}
	return stored{}, fmt.Errorf("%.80q is the beginning of several streams: %s", name, strings.Join(found, ", "))
}

// selected is what a selection came to.
type selected struct {
	stored
	from  *spool.Stream // the records that are to be sent, or the dead letters
	entry *spool.Entry  // nil: all of them
}

// in returns the records that are still to be sent, or the dead letters.
func (s stored) in(pending bool) *spool.Stream {
	if pending {
		return s.disk
	}
	return s.disk.Dead()
}

// count returns how many records are selected.
func (s selected) count() int64 {
	if s.entry != nil {
		return 1
	}
	return s.from.Pending()
}

// find returns what is selected.
func (q *Queue) find(sel Selection) (selected, error) {
	if sel.Receipt == "" {
		s, err := q.choose(sel.Stream)
		if err != nil {
			return selected{}, err
		}
		return selected{stored: s, from: s.in(sel.Pending)}, nil
	}
	found, pending, err := q.findReceipt(sel)
	switch {
	case err != nil:
		return selected{}, err
	case pending && !sel.Pending:
		return selected{}, fmt.Errorf("the record %s is no dead letter, it is still to be sent; --pending means such", sel.Receipt)
	case !pending && sel.Pending:
		return selected{}, fmt.Errorf("the record %s is a dead letter; without --pending it is meant", sel.Receipt)
	}
	return found, nil
}

// findReceipt looks for a record among those that are to be sent and the dead letters, by
// its receipt or by the one that it had at first. The error says what is known of it.
func (q *Queue) findReceipt(sel Selection) (found selected, pending bool, _ error) {
	position, err := spool.ParseReceipt(sel.Receipt)
	if err != nil {
		return selected{}, false, fmt.Errorf("%.80q is no receipt: expected one as `kafkaupstream spool show` prints it", sel.Receipt)
	}
	all, err := q.stored()
	if sel.Stream != "" && err == nil {
		all = make([]stored, 1)
		all[0], err = q.choose(sel.Stream)
	}
	if err != nil {
		return selected{}, false, err
	}
	streams := make([]*spool.Stream, len(all))
	for i := range all {
		streams[i] = all[i].disk
	}
	at, err := spool.Locate(streams, position)
	if err != nil {
		return selected{}, false, err
	}
	for _, s := range all {
		for _, pending := range []bool{true, false} {
			if at.Stream != nil && at.Stream == s.in(pending) {
				return selected{s, at.Stream, &at.Entry}, pending, nil
			}
		}
	}
	if reason, known := became[at.State]; known {
		return selected{}, false, fmt.Errorf("there is no record %s any more: %s", sel.Receipt, reason)
	}
	return selected{}, false, fmt.Errorf("there is no record %s here: Kafka has it, it was dropped, or it was never kept here", sel.Receipt)
}

// became says what a state means to who looks for the record.
var became = map[spool.State]string{
	spool.Acked:    "Kafka has acknowledged it",
	spool.Dropped:  "an operator has dropped it",
	spool.Dead:     "it became a dead letter, which has been dropped, or sent again, or is one of an earlier version; `kafkaupstream spool show STREAM --dead` lists what there is",
	spool.Replayed: "an operator has put it back to be sent",
}

// Find says what a selection means, and changes nothing.
func (q *Queue) Find(sel Selection) (Done, error) {
	s, err := q.find(sel)
	if err != nil {
		return Done{}, err
	}
	return Done{Stream: s.id, Records: s.count()}, nil
}
