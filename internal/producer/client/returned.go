package client

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/kafkaupstream/kafkaupstream/internal/librdkafka"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

// Returned is a record that librdkafka has given back: no broker has it.
type Returned struct {
	Record record.Record
	number int64 // in the order of queueing
	d      *Delivery
	err    *record.Error // why
}

// Reseat gives the record a seat instead of the one that it may have.
func (b *Returned) Reseat(seat Seat) {
	b.d.unseat()
	b.d.seat = seat
}

// returnedRecords are those that librdkafka gave back, until they are passed on. The report
// loop adds to them, Drain takes them.
type returnedRecords struct {
	mu  sync.Mutex
	all []Returned
}

// add keeps a record that is to be sent again or, at the end of the process, offered to
// Shared.Keep.
func (rs *returnedRecords) add(r *librdkafka.Report, d *Delivery, e *record.Error) {
	b := Returned{number: d.number, d: d, err: e}
	b.Record = record.Record{Topic: d.topic, Partition: r.Partition, Timestamp: time.UnixMilli(d.stamp)}
	b.Record.Key, b.Record.Value, b.Record.Headers = r.Content()
	rs.putBack(b)
}

func (rs *returnedRecords) putBack(b Returned) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.all = append(rs.all, b)
}

// take returns the records in the order of queueing, and has none afterwards.
func (rs *returnedRecords) take() []Returned {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	all := rs.all
	rs.all = nil
	slices.SortFunc(all, func(a, b Returned) int { return cmp.Compare(a.number, b.number) })
	return all
}

// notSent reports whether a report says nothing about the record but that it was not
// sent: it was purged, or the producer has failed.
func notSent(r *librdkafka.Report) bool {
	return r.Status == librdkafka.NotPersisted && librdkafka.KindOf(r.Code) == record.KindUnconfirmed
}

// purged reports whether a record was still there when its producer ended.
func purged(r *librdkafka.Report) bool {
	return r.Code == kafka.ErrPurgeQueue || r.Code == kafka.ErrPurgeInflight
}
