package producer

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/librdkafka"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

const (
	// defaultIdleTimeout is when a producer that no request has used is closed.
	defaultIdleTimeout = 10 * time.Minute
	// retireWait is how long a producer that is replaced or idle may take to
	// deliver what it has.
	retireWait = 30 * time.Second
)

// Options of a pool.
type Options struct {
	Log *slog.Logger
	// IdleTimeout is when a producer that no request has used is closed; 0 means
	// ten minutes.
	IdleTimeout time.Duration
	// StuckAfter is how long a cluster may stay away until another client looks whether
	// it does so for this producer only; 0 means 65 s.
	StuckAfter time.Duration
	// MaxInflightBytes bounds the bytes of requests (see [Pool.Hold]) and of queued
	// records; 0 means 256 MiB.
	MaxInflightBytes int64
	// Resolve returns the secret that a property's value stands for, or the value
	// itself; nil: every value is its own.
	Resolve func(value string) (string, error)
	// Keep is offered the records that were queued by Send and are still queued when
	// the pool drains. The record's memory is lent for the call. It reports whether
	// it has taken the record. nil: they are lost, and counted in the log.
	Keep func(conn *kafkaconf.Connection, rec *record.Record) bool
	// TransactionsDir is a directory, of this gateway's alone, for what makes
	// transactional ids outlive a process; "": there are no transactions.
	TransactionsDir string
	// Observer is told of every outcome; nil: nobody is.
	Observer Observer
	// BrokerStatsInterval is how often librdkafka says how its brokers answer, for
	// [Pool.Stats], where a route does not say itself; 0: never.
	BrokerStatsInterval time.Duration
}

// Pool keeps the producers, one for each distinct connection.
type Pool struct {
	log        *slog.Logger
	idle       time.Duration
	budget     budget
	resolve    func(string) (string, error)
	keep       func(*kafkaconf.Connection, *record.Record) bool
	observe    Observer // nil: nobody watches
	stats      time.Duration
	stuckAfter time.Duration

	stop chan struct{}

	transactions *transactions
	suspects     suspects
	handovers    handovers

	breaks  atomic.Int64 // connections to brokers that broke
	fatal   atomic.Int64 // producers that failed for good
	started atomic.Int64 // producers made

	stopLoops func()
	retired   sync.WaitGroup // clients being closed
	loops     sync.WaitGroup

	mu       sync.RWMutex
	clients  map[string]*client
	retiring map[*client]struct{}
	inTx     map[*client]struct{} // those of transactions
	closed   bool
}

// NewPool makes an empty pool.
func NewPool(opts Options) *Pool {
	p := &Pool{
		log:     opts.Log,
		idle:    opts.IdleTimeout,
		budget:  budget{limit: opts.MaxInflightBytes},
		resolve: opts.Resolve,
		keep:    opts.Keep,
		observe: opts.Observer,
		stats:   opts.BrokerStatsInterval,
		stop:    make(chan struct{}),
		clients: map[string]*client{},

		stuckAfter: opts.StuckAfter,

		retiring: map[*client]struct{}{},
		inTx:     map[*client]struct{}{},

		suspects:  suspects{byTopic: map[suspectKey]*suspect{}},
		handovers: handovers{byConn: map[string][]*handover{}},
	}
	p.transactions = newTransactions(p, opts.TransactionsDir)
	p.stopLoops = sync.OnceFunc(func() { close(p.stop) })
	if p.idle == 0 {
		p.idle = defaultIdleTimeout
	}
	if p.stuckAfter == 0 {
		p.stuckAfter = defaultStuckAfter
	}
	if p.budget.limit == 0 {
		p.budget.limit = defaultMaxInflightBytes
	}
	if p.resolve == nil {
		p.resolve = func(value string) (string, error) { return value, nil }
	}
	p.loops.Add(1)
	go p.closeIdle()
	return p
}

// Warm makes the connection's producer in the background, so that the first
// record need not wait for it.
func (p *Pool) Warm(conn *kafkaconf.Connection) { p.client(conn) }

// Hold takes n bytes of memory for a request, until Release gives them back; false:
// there is no room, and the request is to be refused.
func (p *Pool) Hold(conn *kafkaconf.Connection, n int) bool {
	return p.budget.take(conn.Held(), int64(n))
}

// Release gives back what Hold took.
func (p *Pool) Release(conn *kafkaconf.Connection, n int) { p.budget.give(conn.Held(), int64(n)) }

// Queue queues the record with the connection's producer, for a sender that keeps the
// record until its outcome is known and ends the delivery with [Delivery.End].
func (p *Pool) Queue(ctx context.Context, conn *kafkaconf.Connection, rec *record.Record) (*Delivery, *record.Error) {
	q, err := p.queue(ctx, conn, rec, forKeeper)
	return q.Delivery, err
}

// queued is a record that a client has queued.
type queued struct {
	*Delivery // nil: nobody is to know its outcome
	by        *client
}

func (p *Pool) queue(ctx context.Context, conn *kafkaconf.Connection, rec *record.Record, whom audience) (q queued, err *record.Error) {
	err = p.retrying(ctx, conn, rec.Topic, whom, func(c *client, s *suspect) *record.Error {
		q.by = c
		q.Delivery, err = c.queue(ctx, rec, s, whom)
		return err
	})
	return q, err
}

// retrying calls f with the client that is to have a record of the topic, and again with
// the next one while a client is being replaced.
func (p *Pool) retrying(ctx context.Context, conn *kafkaconf.Connection, topic string, whom audience, f func(*client, *suspect) *record.Error) *record.Error {
	for {
		c, s, err := p.lane(ctx, conn, topic, whom)
		if err != nil {
			return err
		}
		if c == nil {
			return errShuttingDown
		}
		if h := p.handovers.pending(conn.ID(), nil); h != nil {
			s.leave()
			if !wait(ctx, h.done) {
				return &record.Error{Kind: record.KindUnavailable, Reason: "the producer is being replaced"}
			}
			continue
		}
		if err := f(c, s); err != errRetired || ctx.Err() != nil {
			return err
		}
	}
}

// lane returns the client for a record of the topic and, where the topic is suspect,
// that with the record counted in. There is no client when the pool is closed.
func (p *Pool) lane(ctx context.Context, conn *kafkaconf.Connection, topic string, whom audience) (*client, *suspect, *record.Error) {
	s, err := p.suspects.enter(ctx, conn.ID(), topic, whom)
	if err != nil {
		return nil, nil, err
	}
	if s != nil {
		conn = conn.Alone()
	}
	c := p.client(conn)
	if c == nil {
		s.leave()
		return nil, nil, nil
	}
	return c, s, nil
}

// wait waits until done is closed; false: ctx ended first.
func wait(ctx context.Context, done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	case <-ctx.Done():
		return false
	}
}

// client returns the connection's client, making it where there is none; nil when
// the pool is closed.
func (p *Pool) client(conn *kafkaconf.Connection) *client {
	p.mu.RLock()
	c := p.clients[conn.ID()]
	p.mu.RUnlock()
	if c != nil {
		return c
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	if c = p.clients[conn.ID()]; c == nil {
		log := p.log.With("producer", conn.ProducerID())
		c = newClient(p, conn, conn.ProducerID(), log, func(c *client) { p.replace(conn.ID(), c) })
		p.clients[conn.ID()] = c
	}
	return c
}

// replace takes a client that has failed out of the pool; the next record makes
// another. What the old one still has is reported by it.
func (p *Pool) replace(id string, c *client) {
	p.mu.Lock()
	if p.clients[id] == c {
		// Before there is a successor: what it gets is to find the handover.
		c.handover.Store(p.handovers.begin(id))
		p.retire(id, c, time.Now().Add(retireWait))
	}
	p.mu.Unlock()
}

// retire takes a client out of the pool and ends it. p.mu is held.
func (p *Pool) retire(id string, c *client, deadline time.Time) {
	delete(p.clients, id)
	p.retiring[c] = struct{}{}
	p.retired.Add(1)
	c.deadline.Store(&deadline)
	go func() {
		defer p.retired.Done()
		c.drain()
		c.close()
		p.mu.Lock()
		delete(p.retiring, c)
		p.mu.Unlock()
	}()
}

// closeIdle closes the producers that no request has used for a while.
func (p *Pool) closeIdle() {
	defer p.loops.Done()
	tick := time.NewTicker(min(p.idle/4, time.Minute))
	defer tick.Stop()
	for {
		select {
		case <-p.stop:
			return
		case now := <-tick.C:
			p.mu.Lock()
			for id, c := range p.clients {
				if c.idle(now.Add(-p.idle)) {
					p.retire(id, c, now.Add(retireWait))
				}
			}
			p.mu.Unlock()
			p.suspects.sweep(now)
		}
	}
}

// logLine writes a line of librdkafka's to the log. It never holds a record's content; a
// secret of the configuration is taken out by the client that has it.
func (p *Pool) logLine(line librdkafka.LogLine) {
	level := logLevel(line.Level)
	if !p.log.Enabled(context.Background(), level) || ofGapless(line) {
		return
	}
	p.log.Log(context.Background(), level, "librdkafka", "from", line.Tag, "text", p.redact(line.Text))
}

// redact takes the secrets of all connections out of a line of librdkafka's.
func (p *Pool) redact(line string) string {
	p.mu.RLock()
	defer p.mu.RUnlock()
	for _, c := range p.clients {
		line = c.redact(line)
	}
	for _, others := range []map[*client]struct{}{p.retiring, p.inTx} {
		for c := range others {
			line = c.redact(line)
		}
	}
	return line
}

// logLevel maps syslog's levels, as librdkafka uses them. Its errors are about one
// attempt of many, and what it says else about its connections: what they come to is this
// package's to say.
func logLevel(syslog int) slog.Level {
	if syslog <= 4 {
		return slog.LevelWarn
	}
	return slog.LevelDebug
}

// Drain takes no more records, gives those that are queued until ctx ends, and
// returns how many could not be delivered and were not kept either; those are
// logged. A process may end after it.
func (p *Pool) Drain(ctx context.Context) (undelivered int) {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(retireWait)
	}
	p.transactions.stop()
	p.mu.Lock()
	p.closed = true
	for id, c := range p.clients {
		c.ending.Store(true)
		p.retire(id, c, deadline)
	}
	retiring := maps.Clone(p.retiring) // those that were being replaced as well
	p.mu.Unlock()
	for c := range retiring {
		c.ending.Store(true)
		c.deadline.Store(&deadline)
	}
	for c := range retiring {
		<-c.drained
		undelivered += c.undelivered
	}
	return undelivered
}

// Close drains, and returns when nothing of the pool is left.
func (p *Pool) Close(ctx context.Context) (undelivered int) {
	undelivered = p.Drain(ctx)
	p.retired.Wait()
	p.transactions.endings.Wait()
	p.stopLoops()
	p.loops.Wait()
	return undelivered
}
