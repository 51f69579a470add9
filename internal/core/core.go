// Package core is the program without a way in: all that is between a request and Kafka. [New]
// builds it. A front is the way in: it listens, hands requests to [Core.Handler], and ends the core
// when it has ended itself. There are two: APISIX's ext-plugin protocol (internal/extplugin
// with plugins/kafkaupstream/apisix), and plain HTTP (internal/httpfront). cmd/kafkaupstream puts a front and the core together.
package core

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/diskfile"
	"github.com/kafkaupstream/kafkaupstream/internal/durable"
	"github.com/kafkaupstream/kafkaupstream/internal/durable/control"
	"github.com/kafkaupstream/kafkaupstream/internal/durable/operator"
	"github.com/kafkaupstream/kafkaupstream/internal/idempotency"
	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/metrics"
	"github.com/kafkaupstream/kafkaupstream/internal/notify"
	"github.com/kafkaupstream/kafkaupstream/internal/producer"
	"github.com/kafkaupstream/kafkaupstream/internal/schema"
	"github.com/kafkaupstream/kafkaupstream/internal/secrets"
	"github.com/kafkaupstream/kafkaupstream/internal/tracing"
	"github.com/kafkaupstream/kafkaupstream/plugins/kafkaupstream"
)

// brokerStatsInterval is how often librdkafka makes its statistics for the metrics.
const brokerStatsInterval = 10 * time.Second

// Options are what a core is made of.
type Options struct {
	SpoolDir         string // "": no durable delivery
	SpoolMaxBytes    int64
	DropLetters      bool  // the oldest dead letters, where a new one has no room
	MaxInflightBytes int64 // that requests and queued records may take in memory
	Secrets          *secrets.Resolver
	Notify           notify.Options
	Metrics          *metrics.Metrics // nil: none
	Getenv           func(string) string
	Version          string // of the program, for traces
	Log              *slog.Logger
}

// Core is the program without a way in.
type Core struct {
	Handler *kafkaupstream.Handler

	log      *slog.Logger
	pool     *producer.Pool
	queue    *durable.Queue // nil without a spool
	disk     *diskfile.Look[spoolDisk]
	notifier *notify.Notifier
	schemas  *schema.Cache
	keys     *idempotency.Store
	tracer   *tracing.Tracer
	frames   kafkaconf.Connection // that Memory holds memory for
}

// New builds a core and starts it. What is wrong with the spool's directory is logged and tried
// again, so that New cannot fail.
func New(opts Options) *Core {
	opts.Notify.Log = opts.Log
	c := &Core{
		log: opts.Log, notifier: notify.New(opts.Notify), schemas: schema.NewCache(0, opts.Log),
		tracer: tracing.New(tracing.Options{Getenv: opts.Getenv, Version: opts.Version, Log: opts.Log}),
	}
	pool := producer.Options{Log: opts.Log, MaxInflightBytes: opts.MaxInflightBytes, Resolve: opts.Secrets.Resolve}
	handler := kafkaupstream.HandlerOptions{
		Resolve: opts.Secrets.Resolve, AllowReference: opts.Secrets.Check, Schemas: c.schemas, Tracer: c.tracer, Log: opts.Log,
	}
	if m := opts.Metrics; m != nil {
		pool.Observer, pool.BrokerStatsInterval = m.Acknowledgements(), brokerStatsInterval
		handler.Observer = m.Requests()
	}
	keys := idempotency.Options{Log: opts.Log}
	if opts.SpoolDir != "" {
		keys.Dir = filepath.Join(opts.SpoolDir, "idempotency.keys")
		c.queue = durable.Open(durable.Options{
			Dir: opts.SpoolDir, MaxBytes: opts.SpoolMaxBytes, DropLetters: opts.DropLetters, Log: opts.Log, Notifier: c.notifier,
			Owned: func(q *durable.Queue) func() { return control.Serve(operator.New(q), opts.SpoolDir, opts.Log) },
		})
		handler.Disk, pool.Keep = c.queue, c.queue.Keep
		pool.TransactionsDir = filepath.Join(opts.SpoolDir, "transactional.ids")
	}
	c.pool = producer.NewPool(pool)
	if c.queue != nil {
		c.disk = diskfile.NewLook(c.lookAtDisk)
		c.queue.Start(c.pool)
	}
	c.keys = openKeys(keys)
	handler.Producers, handler.Idempotency = c.pool, c.keys
	c.Handler = kafkaupstream.NewHandler(handler)
	return c
}

func openKeys(opts idempotency.Options) *idempotency.Store {
	keys, err := idempotency.New(opts)
	if err != nil {
		opts.Log.Error("idempotency keys will not survive a restart: their directory cannot be opened", "error", err)
		opts.Dir = ""
		keys, _ = idempotency.New(opts) // fails only for a directory
	}
	return keys
}

// Hold takes n bytes of memory for what a front reads that is no body, until Release; false:
// there is no room. It has a share of the memory as a connection to Kafka has.
func (c *Core) Hold(n int) bool { return c.pool.Hold(&c.frames, n) }

// Release gives back what Hold took.
func (c *Core) Release(n int) { c.pool.Release(&c.frames, n) }

// Sources returns the core's part of what the metrics show.
func (c *Core) Sources() metrics.Sources {
	s := metrics.Sources{Producers: c.pool.Stats}
	if c.queue != nil {
		s.Spool = c.queue.Stats
	}
	if c.tracer != nil {
		s.Spans = c.tracer.Stats
	}
	return s
}

// Hurry has requests of durable routes answered from the disk at that time, where Kafka has not
// answered them.
func (c *Core) Hurry(at time.Time) {
	if c.queue != nil {
		c.queue.Hurry(at)
	}
}

// Leftovers are what Drain could not deliver.
type Leftovers struct {
	Lost    int   // records
	Kept    int64 // records, which Drain has put on disk
	Waiting int64 // records on disk, these and earlier ones; of a transactional stream, units
	Err     error // of the spool
}

// Drain ends the core when there are no more requests: it delivers or keeps what is queued until
// ctx ends, and logs what is left. It is called once.
func (c *Core) Drain(ctx context.Context) (left Leftovers) {
	if c.queue != nil {
		c.queue.Stop()
	}
	var spans sync.WaitGroup
	spans.Go(func() { c.tracer.Close(ctx) })
	defer spans.Wait()
	if left.Lost = c.pool.Drain(ctx); left.Lost > 0 {
		c.log.Error("records were still queued when the drain timeout ended; they are lost", "records", left.Lost)
	}
	if c.queue != nil {
		left.Err = c.queue.Close()
		queue := c.queue.Left()
		left.Lost += int(queue.Lost) // which it has logged
		left.Kept, left.Waiting = queue.Kept, queue.Waiting
		if left.Kept > 0 {
			c.log.Warn("records were still queued when the drain timeout ended; they are on disk and will be sent", "records", left.Kept)
		}
		if left.Err != nil {
			c.log.Error("the spool was not closed properly", "error", left.Err)
		}
	}
	c.schemas.Close()
	c.keys.Close(ctx) // what the pool has reported until now is noted before
	if err := c.notifier.Close(ctx); err != nil {
		c.log.Warn("notifications were not sent in time", "error", err)
	}
	return left
}
