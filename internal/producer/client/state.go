package client

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/librdkafka"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

// made is the librdkafka producer, or the reason why there is none. One of them is set before
// ready is closed; both are read afterwards, and do not change.
type made struct {
	ready  chan struct{}
	Kafka  *librdkafka.Producer
	broken *record.Error
}

// AwaitReady waits until there is a librdkafka producer, or the reason why there is none.
func (m *made) AwaitReady(ctx context.Context) *record.Error {
	if isClosed(m.ready) {
		return m.broken
	}
	select {
	case <-m.ready:
		return m.broken
	case <-ctx.Done():
		return &record.Error{Kind: record.KindUnavailable, Reason: "the producer was not made in time"}
	}
}

// Broken returns the reason why there is no librdkafka producer; nil where there is one, and
// while it is being made.
func (m *made) Broken() *record.Error {
	if !isClosed(m.ready) {
		return nil
	}
	return m.broken
}

// load counts what a client has to do. Requests and the report loop count without a lock.
type load struct {
	bytes    atomic.Int64 // of the records that librdkafka has; the budget counts them by Conn.Queued
	numbers  atomic.Int64 // records queued so far
	users    atomic.Int32 // requests that are in Queue
	lastUsed atomic.Int64 // Unix nanoseconds

	outstanding atomic.Int64  // records whose outcome has not been dealt with
	settled     chan struct{} // capacity 1: outstanding may have become 0
}

// settle counts a record out that has been dealt with.
func (l *load) settle() {
	if l.outstanding.Add(-1) == 0 {
		select {
		case l.settled <- struct{}{}:
		default:
		}
	}
}

// await waits until every report has been dealt with, at most until the deadline: that they
// have been read is not enough.
func (l *load) await(deadline time.Time) {
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	for l.outstanding.Load() > 0 {
		select {
		case <-l.settled:
		case <-timer.C:
			return
		}
	}
}

// ending is how a client ends. The owner sets deadline, successor and last from any goroutine,
// also while Drain runs; undelivered is to be read after drained is closed.
type ending struct {
	closing  chan struct{}  // closed when no more records are taken
	watching sync.WaitGroup // the watch

	deadline  atomic.Pointer[time.Time] // of Drain
	successor atomic.Pointer[Successor] // gets what is not delivered; nil: nobody does
	last      atomic.Bool               // the process ends: what is left is kept

	drained     chan struct{} // closed when Drain has ended
	undelivered int           // by Drain
}

// Successor takes what a client has not sent.
type Successor struct {
	// Accept queues the record with the next client. Until soon ends, it waits for what is
	// to come before the record. ErrShuttingDown: there is no next client.
	Accept func(soon context.Context, b *Returned) *record.Error
	// Ended is called when new records need not wait any more; perhaps more than once.
	Ended func()
}
