package producer

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/producer/client"
	"github.com/kafkaupstream/kafkaupstream/internal/producer/transaction"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

const (
	// defaultMaxInflightBytes bounds what requests and queued records take in memory.
	defaultMaxInflightBytes int64 = 256 << 20
	// defaultStuckAfter is how long a cluster may stay away until another client looks
	// for it. It is longer than librdkafka waits for a connection that has fallen
	// silent (socket.timeout.ms): a producer that is only waiting keeps its records.
	defaultStuckAfter = 65 * time.Second
	// defaultIdleTimeout is when a producer that no request has used is closed.
	defaultIdleTimeout = 10 * time.Minute
	// retireWait is how long a producer that is replaced or idle may take to
	// deliver what it has.
	retireWait = 30 * time.Second
)

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
	// Keep is offered the records that no sender keeps and that are still queued when
	// the pool drains. The record's memory is lent for the call. It reports whether
	// it has taken the record. nil: they are lost, and counted in the log.
	Keep func(conn *kafkaconf.Connection, rec *record.Record) bool
	// TransactionsDir is a directory, of this gateway's alone, for what makes
	// transactional ids outlive a process; "": there are no transactions.
	TransactionsDir string
	// Observer gets every outcome; it may be nil.
	Observer Observer
	// BrokerStatsInterval is how often librdkafka reports how its brokers answer, for
	// [Pool.Stats], where a route does not set it; 0: never.
	BrokerStatsInterval time.Duration
}

// Pool keeps the producers, one for each distinct connection. Any goroutine may use it.
type Pool struct {
	shared       client.Shared
	idle         time.Duration
	suspects     suspects
	handovers    handovers
	transactions *transaction.Producers

	stopped chan struct{}  // ends the loops
	stop    func()         // closes it
	retired sync.WaitGroup // clients being closed
	loops   sync.WaitGroup

	mu       sync.RWMutex // guards what follows
	clients  map[string]*client.Client
	retiring map[*client.Client]struct{}
	closed   bool
}

func NewPool(opts Options) *Pool {
	p := &Pool{
		shared: client.Shared{
			Log:           opts.Log,
			Budget:        &client.Budget{Limit: cmp.Or(opts.MaxInflightBytes, defaultMaxInflightBytes)},
			Resolve:       opts.Resolve,
			Keep:          opts.Keep,
			Observer:      opts.Observer,
			StatsInterval: opts.BrokerStatsInterval,
			StuckAfter:    cmp.Or(opts.StuckAfter, defaultStuckAfter),
		},
		idle:      cmp.Or(opts.IdleTimeout, defaultIdleTimeout),
		suspects:  suspects{byTopic: map[suspectKey]*suspect{}, byConn: map[string]int{}},
		handovers: handovers{byConn: map[string][]*handover{}},
		stopped:   make(chan struct{}),
		clients:   map[string]*client.Client{},
		retiring:  map[*client.Client]struct{}{},
	}
	if p.shared.Resolve == nil {
		p.shared.Resolve = func(value string) (string, error) { return value, nil }
	}
	p.transactions = transaction.New(&p.shared, opts.TransactionsDir)
	p.stop = sync.OnceFunc(func() { close(p.stopped) })
	p.loops.Go(p.closeIdle)
	return p
}

// Warm makes the connection's producer in the background, so that the first
// record need not wait for it.
func (p *Pool) Warm(conn *kafkaconf.Connection) { p.client(conn) }

// Hold takes n bytes of memory for a request, until Release gives them back; false:
// there is no room, and the request is to be refused.
func (p *Pool) Hold(conn *kafkaconf.Connection, n int) bool {
	return p.shared.Budget.Take(conn.Held(), int64(n))
}

// Release gives back what Hold took.
func (p *Pool) Release(conn *kafkaconf.Connection, n int) {
	p.shared.Budget.Give(conn.Held(), int64(n))
}

// lane returns the client for a record of the topic and, where the topic is suspect,
// that with the record counted in; [client.ErrShuttingDown] when the pool is closed.
func (p *Pool) lane(ctx context.Context, conn *kafkaconf.Connection, topic string, whom client.Audience) (*client.Client, *suspect, *record.Error) {
	for {
		s, err := p.suspects.enter(ctx, conn.ID(), topic, whom)
		if err != nil {
			return nil, nil, err
		}
		of := conn
		if s != nil {
			of = conn.Alone()
		}
		c := p.client(of)
		switch {
		case c == nil:
			s.Leave()
			return nil, nil, client.ErrShuttingDown
		case s == nil && p.suspects.has(conn.ID(), topic):
			// It has become suspect since. If so before there was c, its earlier records go another way.
			continue
		}
		return c, s, nil
	}
}

// client returns the connection's client, making it where there is none; nil when
// the pool is closed.
func (p *Pool) client(conn *kafkaconf.Connection) *client.Client {
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
		owner := client.Owner{Failed: func(c *client.Client) { p.replace(conn.ID(), c) }, Refused: p.refused}
		c = client.New(&p.shared, owner, conn, conn.ProducerID(), p.shared.Log.With("producer", conn.ProducerID()))
		p.clients[conn.ID()] = c
	}
	return c
}

// replace takes a client that has failed out of the pool; the next record makes
// another. What the old one still has is reported by it.
func (p *Pool) replace(id string, c *client.Client) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.clients[id] == c {
		p.handOver(id, c)
		p.retire(id, c, time.Now().Add(retireWait))
	}
}

// refused notes that Kafka has refused a batch of the client's with a record of the topic. It
// reports whether the record is to be sent again alone.
func (p *Pool) refused(c *client.Client, topic string, seat client.Seat, err *record.Error) (again bool) {
	if s, ok := seat.(*suspect); ok {
		p.suspects.refused(s.key.conn, s.key.topic)
	}
	conn := c.Conn
	if conn.OneByOne() {
		return false
	}
	if err.Kind == record.KindForbidden || err.Kind == record.KindTopicInvalid {
		p.suspects.refused(conn.ID(), topic)
		return false // it is about the topic: it would be refused alone as well
	}
	p.suspect(c, topic)
	return true
}

// suspect makes a topic suspect, of which c reports a refusal, and replaces the producer
// that has the topic's records. The handover begins first: a new record that finds the
// topic suspect finds the handover too, and waits, where it would otherwise pass the
// records of the refused batch.
func (p *Pool) suspect(c *client.Client, topic string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	id := c.Conn.ID()
	has := p.clients[id] // c, or its successor, which can have records of the topic as well
	if has == nil || has != c && p.suspects.has(id, topic) {
		p.suspects.refused(id, topic)
		return
	}
	p.handOver(id, has)
	p.suspects.refused(id, topic)
	p.retire(id, has, time.Now().Add(retireWait))
}

// handOver has a client pass on what it has not sent. It is called before there is a successor:
// whoever gets that is to find the handover. p.mu is held.
func (p *Pool) handOver(id string, c *client.Client) {
	h := p.handovers.begin(id)
	c.HandOverTo(&client.Successor{
		Accept: func(soon context.Context, b *client.Returned) *record.Error { return p.resend(soon, c, h, b) },
		Ended:  h.end,
	})
}

// resend queues a record that from has given back with from's successor.
// Until soon ends, it waits for what is to come before the record.
func (p *Pool) resend(soon context.Context, from *client.Client, h *handover, b *client.Returned) *record.Error {
	ctx, cancel := context.WithTimeout(context.Background(), retireWait)
	defer cancel()
	for {
		// A successor that has failed itself has earlier ones of these records.
		if younger := p.handovers.pending(from.Conn.ID(), h); younger != nil {
			<-younger.done
			continue
		}
		c, s, err := p.lane(ctx, from.Conn, b.Record.Topic, client.ForKeeper)
		if err != nil {
			return err
		}
		if s != nil {
			b.Reseat(s)
		}
		if err := c.Accept(soon, from, b); err != client.ErrRetired {
			return err
		}
	}
}

// retire takes a client out of the pool and ends it. p.mu is held.
func (p *Pool) retire(id string, c *client.Client, deadline time.Time) {
	delete(p.clients, id)
	p.retiring[c] = struct{}{}
	c.EndBy(deadline)
	p.retired.Go(func() {
		c.Drain()
		c.Close()
		p.mu.Lock()
		delete(p.retiring, c)
		p.mu.Unlock()
	})
}

// closeIdle closes the producers that no request has used for a while.
func (p *Pool) closeIdle() {
	tick := time.NewTicker(min(p.idle/4, time.Minute))
	defer tick.Stop()
	for {
		select {
		case <-p.stopped:
			return
		case now := <-tick.C:
			p.mu.Lock()
			for id, c := range p.clients {
				if c.Idle(now.Add(-p.idle)) {
					p.retire(id, c, now.Add(retireWait))
				}
			}
			p.mu.Unlock()
			p.transactions.EndIdle(now.Add(-p.idle))
			p.suspects.sweep(now)
		}
	}
}

// Drain takes no more records, gives those that are queued until ctx ends, and
// returns how many could not be delivered and were not kept either; those are
// logged. A process may end after it.
func (p *Pool) Drain(ctx context.Context) (undelivered int) {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(retireWait)
	}
	p.transactions.Stop()
	// What a producer hands over needs a successor, and none is made from then on.
	p.handovers.await(ctx, time.Now().Add(time.Until(deadline)/4))
	p.mu.Lock()
	p.closed = true
	for id, c := range p.clients {
		c.EndLast(deadline)
		p.retire(id, c, deadline)
	}
	retiring := maps.Clone(p.retiring) // those that were being replaced as well
	p.mu.Unlock()
	for c := range retiring {
		c.EndLast(deadline)
	}
	for c := range retiring {
		undelivered += c.Undelivered()
	}
	return undelivered
}

// Close drains, and returns when nothing of the pool is left.
func (p *Pool) Close(ctx context.Context) (undelivered int) {
	undelivered = p.Drain(ctx)
	p.retired.Wait()
	p.transactions.Wait()
	p.stop()
	p.loops.Wait()
	return undelivered
}
