package durable

import (
	"sync"

	"github.com/kafkaupstream/kafkaupstream/internal/producer"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/internal/spool"
)

// flights are the records of a stream that are on disk and with librdkafka. Requests, the forwarder,
// an operator and librdkafka's reports use it; mu guards it and the outcomes in each flight.
type flights struct {
	mu      sync.Mutex
	at      map[spool.Position]*flight
	arrived []*flight // whose outcome has come
	acked   []*flight // of these, the acknowledged ones; still on disk and in at
	failed  []*flight // and the others
}

// flight is a record on disk that librdkafka has.
type flight struct {
	position spool.Position
	delivery *producer.Delivery
	acked    bool // and then it is no flight any more
	ack      record.Ack
	err      *record.Error // why it was not acknowledged
}

// begin notes that librdkafka has a record, and calls wake when its outcome has come.
func (fs *flights) begin(position spool.Position, d *producer.Delivery, wake func()) *flight {
	f := &flight{position: position, delivery: d}
	fs.mu.Lock()
	fs.at[position] = f
	fs.mu.Unlock()
	d.OnReport(func() {
		fs.mu.Lock()
		fs.arrived = append(fs.arrived, f)
		fs.mu.Unlock()
		wake()
	})
	return f
}

// find returns the flight of a record, nil if it has none, and why it was not acknowledged.
func (fs *flights) find(p spool.Position) (*flight, *record.Error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if f := fs.at[p]; f != nil {
		return f, f.err
	}
	return nil, nil
}

// end forgets the flight of a record that is resolved, or is sent again.
func (fs *flights) end(p spool.Position) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	delete(fs.at, p)
}

// noteOutcomes notes the outcomes that have come. mu is held.
func (fs *flights) noteOutcomes() {
	for _, f := range fs.arrived {
		o := f.delivery.End()
		f.ack, f.err, f.delivery = o.Ack, o.Err, nil
		if f.acked = f.err == nil; f.acked {
			fs.acked = append(fs.acked, f)
		} else {
			fs.failed = append(fs.failed, f)
		}
	}
	clear(fs.arrived)
	fs.arrived = fs.arrived[:0]
}

// ackOf returns the acknowledgement of a flight; false: none has come.
func (fs *flights) ackOf(f *flight) (record.Ack, bool) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.noteOutcomes()
	return f.ack, f.acked
}

// sweep ends the flights that were acknowledged. What was not stays a flight with an error, for the
// forwarder to decide. It returns those whose outcomes have come since the last sweep.
func (fs *flights) sweep() (acked, failed []*flight) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.noteOutcomes()
	acked, failed = fs.acked, fs.failed
	fs.acked, fs.failed = nil, nil
	for _, f := range acked {
		delete(fs.at, f.position)
	}
	return acked, failed
}

// landed returns the records before the first that is under way, without those that turn out to be
// acknowledged, and makes them no flights any more; false: one is under way.
func (fs *flights) landed(entries []spool.Entry) (landed []spool.Entry, all bool) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.noteOutcomes()
	for i := range entries {
		f := fs.at[entries[i].Position]
		switch {
		case f == nil:
		case f.acked:
			continue
		case f.err == nil:
			return landed, false
		default:
			delete(fs.at, entries[i].Position)
		}
		landed = append(landed, entries[i])
	}
	return landed, true
}

// count returns how many records librdkafka has, and how many may or may not have arrived, these
// included.
func (fs *flights) count() (underWay, unconfirmed int64) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, f := range fs.at {
		if f.err == nil {
			underWay++
		}
		if f.err == nil || f.err.Unconfirmed {
			unconfirmed++
		}
	}
	return underWay, unconfirmed
}
