package client

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/internal/topics"
)

// Audience is who is interested in a record's outcome.
type Audience int

const (
	ForNobody Audience = iota // the log
	ForSender                 // a sender that waits for it
	ForKeeper                 // a sender that keeps the record meanwhile
)

// Seat is a record's place among those of a suspect topic, which are sent one at a time.
type Seat interface {
	// Leave is called when the record is no longer with librdkafka.
	Leave()
}

// A Delivery is a record that librdkafka has, until its outcome is known.
type Delivery struct {
	state atomic.Int32
	done  chan struct{} // capacity 1; the report loop's last access to d is to put a token in it
	ended bool          // the token has been taken

	topic     string
	of        *topics.Topic // and what was known of it when the record was queued
	known     *topics.Answer
	first     bool // of its partition, and Kafka has not answered for it yet
	partition int32
	size      int64     // bytes of the record in memory
	queued    time.Time // when it was queued
	number    int64     // in the order of queueing
	stamp     int64     // the record's own timestamp, in ms
	async     bool      // nobody was to wait for it
	kept      bool      // whoever queued the record keeps it
	seat      Seat      // nil: its topic is not suspect

	onReport atomic.Pointer[func()]
	ack      record.Ack
	err      *record.Error
}

// A delivery's states. Waiter and report loop race to leave awaited; the loser frees the
// delivery.
const (
	awaited   int32 = iota // somebody waits for the report
	abandoned              // nobody waits: the report loop ends it
	reported               // the outcome is in ack and err
)

var deliveries = sync.Pool{New: func() any { return &Delivery{done: make(chan struct{}, 1)} }}

// drop ends a delivery whose record was not queued.
func (d *Delivery) drop() {
	d.unseat()
	d.answered(false)
	d.free()
}

// unseat gives up the record's seat, if it has one.
func (d *Delivery) unseat() {
	if d.seat != nil {
		d.seat.Leave()
		d.seat = nil
	}
}

// answered ends the wait for the first record of a partition, if d is that; acknowledged: later
// records need not wait.
func (d *Delivery) answered(acknowledged bool) {
	if d.first {
		d.first = false
		d.of.Firsts.Leave(d.partition, acknowledged)
	}
}

func (d *Delivery) free() {
	*d = Delivery{done: d.done}
	deliveries.Put(d)
}

// Wait waits for the outcome until ctx ends, and reports whether it has come.
func (d *Delivery) Wait(ctx context.Context) bool { return d.WaitOr(ctx, nil) }

// WaitOr is Wait that also ends when something comes from failed.
func (d *Delivery) WaitOr(ctx context.Context, failed <-chan struct{}) bool {
	select {
	case <-d.done:
		d.ended = true
		return true
	case <-failed:
	case <-ctx.Done():
	}
	return d.Reported()
}

// Reported reports whether the outcome has come.
func (d *Delivery) Reported() bool { return d.state.Load() == reported }

// Outcome returns the outcome, once it has come.
func (d *Delivery) Outcome() record.Outcome { return record.Outcome{Ack: d.ack, Err: d.err} }

// End returns the outcome, once it has come, and gives the delivery back.
func (d *Delivery) End() record.Outcome {
	o := d.Outcome()
	if !d.ended {
		<-d.done
	}
	d.free()
	return o
}

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
func (d *Delivery) report(ack record.Ack, err *record.Error) bool {
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

// unwanted reports whether the record's sender was answered that its outcome is unknown.
func (d *Delivery) unwanted() bool { return !d.async && d.state.Load() == abandoned }

// Abandon ends the waiting, and d is not to be used afterwards; false: the outcome has come.
func (d *Delivery) Abandon() bool { return d.state.CompareAndSwap(awaited, abandoned) }
