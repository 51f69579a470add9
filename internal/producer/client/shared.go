package client

import (
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

// Shared is what all clients of a process have in common: the options of producer.Pool, which
// explains them, and its counters. Keep and Observer may be nil.
type Shared struct {
	Log           *slog.Logger
	Budget        *Budget
	Resolve       func(value string) (string, error)
	Keep          func(conn *kafkaconf.Connection, rec *record.Record) bool
	Observer      Observer
	StatsInterval time.Duration
	StuckAfter    time.Duration

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
