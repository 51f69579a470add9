package client

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

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
	// to come before the record. ErrRetired: there is no next client, since the process ends.
	Accept func(soon context.Context, b *Returned) *record.Error
	// Ended is called when new records need not wait any more; perhaps more than once.
	Ended func()
}
