package client

import (
	"sync/atomic"
	"time"
)

// load counts what a client has to do. Requests and the report loop count without a lock.
type load struct {
	bytes    atomic.Int64 // of the records that librdkafka has
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
