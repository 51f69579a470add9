package client

import (
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

// Shared is what all clients of a process have in common. Its fields are set before the first
// client is made, and not changed afterwards.
type Shared struct {
	Log    *slog.Logger
	Budget *Budget
	// Resolve returns the secret that a property's value stands for, or the value itself.
	Resolve func(value string) (string, error)
	// Keep is offered the records that nobody waits for and that are still queued when the
	// process ends. The record's memory is lent for the call. It reports whether it has taken
	// the record. nil: they are lost, and counted in the log.
	Keep func(conn *kafkaconf.Connection, rec *record.Record) bool
	// Observer may be nil.
	Observer Observer
	// StatsInterval is how often librdkafka reports its statistics where a connection does
	// not set it; 0: never.
	StatsInterval time.Duration
	// StuckAfter is how long a cluster may stay away until another client looks whether it
	// does so for this client only.
	StuckAfter time.Duration

	Started atomic.Int64 // librdkafka producers made
	Fatal   atomic.Int64 // of these, those that failed for good
	Breaks  atomic.Int64 // connections to brokers that broke
}

// Observer gets the outcome of each record that librdkafka had: how long it took from being
// queued, and the error, nil for an acknowledgement. It is called on the goroutine that reads
// the reports and must not block it.
type Observer interface {
	Outcome(took time.Duration, err *record.Error)
}
