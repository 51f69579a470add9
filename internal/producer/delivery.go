package producer

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// A Delivery is a record that librdkafka has, until its outcome is known.
type Delivery struct {
	state atomic.Int32
	done  chan struct{} // capacity 1; a token is the last that the report loop does here
	ended bool          // the token has been taken
	timer *time.Timer

	size   int64     // bytes of the record in memory
	breaks int64     // the client's, when the record was queued
	queued time.Time // when it was queued
	stamp  time.Time // the record's own timestamp

	// copied is the record, for [Options.Keep]; its memory is buf.
	copied Record
	buf    []byte
	kept   bool  // whoever queued the record has it himself
	number int64 // in the order of queueing

	onReport atomic.Pointer[func()]
	ack      Ack
	err      *Error
}

// A delivery's states. Who finds it in the other one has the last word.
const (
	awaited   int32 = iota // somebody waits for the report
	abandoned              // nobody waits: the report loop ends it
	reported               // the outcome is in ack and err
)

var deliveries = sync.Pool{New: func() any {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return &Delivery{done: make(chan struct{}, 1), timer: t}
}}

// maxKeptBuffer is the largest buffer of a copy that is used again, in bytes.
const maxKeptBuffer = 64 << 10

// settle ends a delivery whose outcome has come.
func (d *Delivery) settle() {
	if !d.ended {
		<-d.done
	}
	d.free()
}

func (d *Delivery) free() {
	buf := d.buf
	if cap(buf) > maxKeptBuffer {
		buf = nil
	}
	*d = Delivery{done: d.done, timer: d.timer, buf: buf}
	deliveries.Put(d)
}

// copyRecord copies the record into the delivery. topic is a string that stays.
func (d *Delivery) copyRecord(rec *Record, topic string) {
	b := append(append(d.buf[:0], rec.Key...), rec.Value...)
	for _, h := range rec.Headers {
		b = append(append(b, h.Key...), h.Value...)
	}
	d.buf = b
	take := func(of []byte) []byte {
		if of == nil {
			return nil
		}
		part := b[:len(of):len(of)]
		b = b[len(of):]
		return part
	}
	d.copied = Record{Topic: topic, Partition: rec.Partition, Timestamp: rec.Timestamp, Key: take(rec.Key), Value: take(rec.Value)}
	for _, h := range rec.Headers {
		d.copied.Headers = append(d.copied.Headers, Header{string(take([]byte(h.Key))), take(h.Value)})
	}
}

// Wait waits for the outcome until the deadline or until hurry is closed, and tells
// whether it has come.
func (d *Delivery) Wait(deadline time.Time, hurry <-chan struct{}) bool {
	d.timer.Reset(time.Until(deadline))
	defer d.timer.Stop()
	select {
	case <-d.done:
		d.ended = true
		return true
	case <-hurry:
	case <-d.timer.C:
	}
	return d.Reported()
}

// Reported tells whether the outcome has come.
func (d *Delivery) Reported() bool { return d.state.Load() == reported }

// Outcome returns the outcome, once it has come.
func (d *Delivery) Outcome() (Ack, *Error) { return d.ack, d.err }

// OnReport calls f once, when the outcome comes: on the goroutine that reads the
// reports, which f must not hold up; at once if it has come already. f may end the
// delivery, so nothing here looks at it afterwards.
func (d *Delivery) OnReport(f func()) {
	if !d.onReport.CompareAndSwap(nil, &f) {
		f()
	}
}

// tooLate stands for the function of a delivery whose outcome has come.
var tooLate = func() {}

// report notes the outcome; false: nobody waits for it.
func (d *Delivery) report(ack Ack, err *Error) bool {
	d.ack, d.err = ack, err
	if !d.state.CompareAndSwap(awaited, reported) {
		return false
	}
	if f := d.onReport.Swap(&tooLate); f != nil {
		(*f)()
	}
	d.done <- struct{}{}
	return true
}

// abandon ends the waiting; false: the outcome has come.
func (d *Delivery) abandon() bool { return d.state.CompareAndSwap(awaited, abandoned) }

// purged tells of the reports of records that were still queued when their
// producer was closed.
func purged(err error) bool {
	kerr, ok := err.(kafka.Error)
	return ok && (kerr.Code() == kafka.ErrPurgeQueue || kerr.Code() == kafka.ErrPurgeInflight)
}
