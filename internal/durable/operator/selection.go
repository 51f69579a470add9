package operator

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/kafkaupstream/kafkaupstream/internal/durable"
	"github.com/kafkaupstream/kafkaupstream/internal/spool"
)

// Selection names what an operator means.
type Selection struct {
	// Stream is a stream's name or a beginning that no other connection's has, with its ending (-t, -s)
	// where another stream of that connection is meant. It may be empty where there is a receipt.
	Stream string `json:"stream,omitempty"`
	// Receipt names one record; empty: all.
	Receipt string `json:"receipt,omitempty"`
	// Pending means the records that are still to be sent, and not dead letters.
	Pending bool `json:"pending,omitempty"`
	// Records bounds how many, the oldest; nil: all that there are. Find and Drop heed it.
	Records *int64 `json:"records,omitempty"`
}

// Done is what was selected, or what was done.
type Done struct {
	Stream  string `json:"stream"`
	Records int64  `json:"records"`
	// UnderWay is how many records librdkafka has, which nothing can stop.
	UnderWay int64 `json:"under_way,omitempty"`
}

// choose returns the stream that a name or the beginning of one means.
func (o *Operator) choose(name string) (durable.Stream, error) {
	all, err := o.q.Streams()
	if err != nil {
		return durable.Stream{}, err
	}
	ids := make([]string, len(all))
	for i := range all {
		ids[i] = all[i].ID
	}
	id, err := meant(ids, name)
	if err != nil {
		return durable.Stream{}, err
	}
	return all[slices.Index(ids, id)], nil
}

// meant returns the name that a name or the beginning of one means. Streams of one connection share what is before
// their ending, -t, -s or both: without an ending the one that has none is meant where it is there.
func meant(all []string, name string) (string, error) {
	begins, ending := divide(name)
	var found []string
	for _, id := range all {
		base, its := divide(id)
		if begins != "" && strings.HasPrefix(base, begins) && (ending == "" || ending == its) {
			found = append(found, id)
		}
	}
	if len(found) == 0 {
		return "", fmt.Errorf("there is no stream %.80q; `kafkaupstream spool ls` shows what there is", name)
	}
	plain, _ := divide(found[0])
	others := slices.ContainsFunc(found, func(id string) bool {
		base, _ := divide(id)
		return base != plain
	})
	switch {
	case len(found) == 1:
		return found[0], nil
	case !others && slices.Contains(found, plain):
		return plain, nil
	}
	return "", fmt.Errorf("%.80q is the beginning of several streams: %s", name, strings.Join(found, ", "))
}

// divide returns what is before a name's ending, and the ending: "", or -t, -s or both.
func divide(name string) (base, ending string) {
	if i := strings.IndexByte(name, '-'); i >= 0 {
		return name[:i], name[i:]
	}
	return name, ""
}

// selected is what a selection came to.
type selected struct {
	durable.Stream
	from  *spool.Stream // the records that are to be sent, or the dead letters
	entry *spool.Entry  // nil: all of them, or the oldest of them
	most  *int64        // nil: no bound
}

// in returns the records that are still to be sent, or the dead letters.
func in(s durable.Stream, pending bool) *spool.Stream {
	if pending {
		return s.Disk
	}
	return s.Disk.Dead()
}

// count returns how many records are selected.
func (s selected) count() int64 {
	if s.entry != nil {
		return 1
	}
	if s.most != nil {
		return min(s.from.Pending(), *s.most)
	}
	return s.from.Pending()
}

func (o *Operator) find(sel Selection) (selected, error) {
	if sel.Receipt == "" {
		s, err := o.choose(sel.Stream)
		if err != nil {
			return selected{}, err
		}
		return selected{Stream: s, from: in(s, sel.Pending), most: sel.Records}, nil
	}
	found, pending, err := o.findReceipt(sel)
	switch {
	case err != nil:
		return selected{}, err
	case pending && !sel.Pending:
		return selected{}, fmt.Errorf("the record %s is no dead letter, it is still to be sent: once its stream is suspended, by `kafkaupstream spool suspend %s`, --pending means it", sel.Receipt, found.ID)
	case !pending && sel.Pending:
		return selected{}, fmt.Errorf("the record %s is a dead letter; without --pending it is meant", sel.Receipt)
	}
	return found, nil
}

// findReceipt looks for a record among those that are to be sent and the dead letters, by
// its receipt or by the one that it had at first. The error has what is known of it.
func (o *Operator) findReceipt(sel Selection) (found selected, pending bool, _ error) {
	position, err := spool.ParseReceipt(sel.Receipt)
	if err != nil {
		return selected{}, false, fmt.Errorf("%.80q is no receipt: expected one as `kafkaupstream spool show` prints it", sel.Receipt)
	}
	all, err := o.q.Streams()
	if sel.Stream != "" && err == nil {
		all = make([]durable.Stream, 1)
		all[0], err = o.choose(sel.Stream)
	}
	if err != nil {
		return selected{}, false, err
	}
	streams := make([]*spool.Stream, len(all))
	for i := range all {
		streams[i] = all[i].Disk
	}
	at, err := spool.Locate(streams, position)
	if err != nil {
		return selected{}, false, err
	}
	for _, s := range all {
		for _, pending := range []bool{true, false} {
			if at.Stream != nil && at.Stream == in(s, pending) {
				return selected{Stream: s, from: at.Stream, entry: &at.Entry}, pending, nil
			}
		}
	}
	if reason, known := became[at.State]; known {
		return selected{}, false, fmt.Errorf("there is no record %s any more: %s", sel.Receipt, reason)
	}
	return selected{}, false, fmt.Errorf("there is no record %s here: Kafka has it, it was dropped, or it was never kept here", sel.Receipt)
}

// became is what a state means to whoever looks for the record.
var became = map[spool.State]string{
	spool.Acked:    "Kafka has acknowledged it",
	spool.Dropped:  "an operator has dropped it",
	spool.Dead:     "it became a dead letter, which has been dropped, or sent again, or is one of an earlier version; `kafkaupstream spool show STREAM --dead` lists what there is",
	spool.Replayed: "an operator has put it back to be sent",
}

// Find counts the records that a selection means, and changes nothing.
func (o *Operator) Find(_ context.Context, sel Selection) (Done, error) {
	s, err := o.find(sel)
	if err != nil {
		return Done{}, err
	}
	return Done{Stream: s.ID, Records: s.count()}, nil
}
