package producer

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/librdkafka"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/internal/topics"
)

// client is one librdkafka producer.
type client struct {
	pool     *Pool
	conn     *kafkaconf.Connection
	name     string // in log lines and metrics
	log      *slog.Logger
	redactor atomic.Pointer[func(string) string]
	failed   func() // called once, when librdkafka can no longer be used

	fatalSaid, again sync.Once // what the log is told once

	resolved kafkaconf.Properties // what librdkafka was given; the watch's
	read     time.Time            // when the secrets among them were read; the watch's
	away     absence              // the watch's

	// ready is closed when kafka or broken is set.
	ready  chan struct{}
	kafka  *librdkafka.Producer
	broken *record.Error

	link      *link
	topics    *topics.Cache
	losses    losses
	overtakes bool // a batch can pass an earlier one of its partition: see first.go

	queued   atomic.Int64 // bytes of the records that librdkafka has
	numbers  atomic.Int64 // records queued so far
	brokers  atomic.Pointer[[]BrokerStats]
	breaks   int64        // connections that broke, as the last statistics have them; the report loop's
	users    atomic.Int32 // requests that are in send
	lastUsed atomic.Int64 // Unix nanoseconds

	closing chan struct{}
	loops   sync.WaitGroup // the watch, and the other client that it sends to look

	deadline    atomic.Pointer[time.Time] // of drain
	handover    atomic.Pointer[handover]  // of what it has not delivered, to its successor; nil: it has none
	ending      atomic.Bool               // the pool drains: what is left is kept
	drained     chan struct{}             // closed when drain has ended
	undelivered int                       // by drain

	outstanding atomic.Int64  // records whose outcome has not been dealt with
	settled     chan struct{} // capacity 1: outstanding may have become 0
	failures    chan struct{} // capacity 1: a record has failed; for a transaction's end

	returnedMu sync.Mutex
	returned   []returned // records that librdkafka gave back undelivered
}

func newClient(p *Pool, conn *kafkaconf.Connection, name string, log *slog.Logger, failed func(*client)) *client {
	c := &client{
		pool: p,
		conn: conn,
		name: name,

		overtakes: conn.Overtakes(),

		log:     log,
		ready:   make(chan struct{}),
		link:    newLink(),
		closing: make(chan struct{}),
		drained: make(chan struct{}),
		settled: make(chan struct{}, 1),

		failures: make(chan struct{}, 1),
	}
	c.setRedactor(conn.Properties())
	c.failed = sync.OnceFunc(func() { failed(c) })
	c.topics = topics.New(c.metadata, c.createsTopics, c.closing)
	c.lastUsed.Store(time.Now().UnixNano())
	go c.start()
	return c
}

// start makes the librdkafka producer, which takes milliseconds, and begins to watch.
func (c *client) start() {
	defer close(c.ready)
	props, err := c.resolve()
	if err != nil {
		c.broken = c.unresolved(err)
		time.AfterFunc(secretRetry, c.failed)
		return
	}
	c.resolved, c.read = props, time.Now()
	conf := maps.Clone(props)
	if c.pool.stats > 0 && conf["statistics.interval.ms"] == "" {
		conf["statistics.interval.ms"] = strconv.FormatInt(c.pool.stats.Milliseconds(), 10)
	}
	if c.conn.Gapless() {
		conf["enable.gapless.guarantee"] = "true"
	}
	k, err := librdkafka.NewProducer(conf, librdkafka.Handler{Delivered: c.outcome, Error: c.event, Stats: c.noteStats, Log: c.pool.logLine})
	if err != nil {
		c.broken = &record.Error{Kind: record.KindConfig, Reason: c.redact(err.Error())}
		c.log.Error("a route's connection configuration is refused by librdkafka; its requests are answered 500", "error", c.broken.Reason)
		return
	}
	c.kafka = k
	c.pool.started.Add(1)
	c.loops.Add(1)
	go c.watch()
}

// event takes an error that is about the producer and not about a record.
func (c *client) event(err *librdkafka.Error) {
	if err.Fatal {
		c.fatal(err)
		return
	}
	c.link.note(err)
}

// fatal replaces the producer, which librdkafka says is of no more use: by an event, or
// to the next record, whichever comes first.
func (c *client) fatal(err *librdkafka.Error) {
	if err.Code != kafka.ErrGaplessGuarantee { // of a refused batch, which outcome has said
		c.fatalSaid.Do(func() {
			c.pool.fatal.Add(1)
			c.log.Error("the producer has failed for good and is replaced", "error", c.redact(err.Error()))
		})
	}
	c.failed()
}

func (c *client) noteStats(text string) {
	if c.pool.stats == 0 {
		return
	}
	brokers, breaks := brokerStats(text)
	c.brokers.Store(&brokers)
	if breaks > c.breaks {
		c.pool.breaks.Add(breaks - c.breaks)
		c.breaks = breaks
	}
}

// outcome notes what became of a record.
func (c *client) outcome(r *librdkafka.Report) {
	d := r.Opaque.(*Delivery)
	c.watchLeader(d, r)
	d.answered(r.Code == kafka.ErrNoError)
	if r.Code == kafka.ErrNoError {
		if c.link.get() != linkUp {
			c.link.set(linkUp)
		}
		if r.Implied() {
			c.finish(d, record.Ack{}, implied)
			return
		}
		stored := r.Timestamp
		if stored == mockTimestamp {
			stored = d.stamp
		}
		c.finish(d, record.Ack{Partition: r.Partition, Offset: r.Offset, Timestamp: time.UnixMilli(stored)}, nil)
		return
	}
	e := librdkafka.Undelivered(r.Code, r.Status, r.Reason())
	if !e.Unconfirmed && !d.oneLeader(r) {
		e = &record.Error{Kind: record.KindUnconfirmed, Unconfirmed: true, Reason: e.Reason + " (the partition has had another leader, which may have written it)"}
	}
	if e.Kind == record.KindTopicNotFound {
		c.topics.Forget(d.topic)
	}
	again := c.refused(d, e) || c.handover.Load() != nil && notSent(r)
	atEnd := c.ending.Load() && purged(r) && !d.kept
	if (again || atEnd) && c.giveBack(r, d, e) {
		return
	}
	c.finish(d, record.Ack{}, e)
	select {
	case c.failures <- struct{}{}:
	default:
	}
}

// implied is the outcome of a record of which librdkafka concludes that Kafka has it. That is
// wrong where a leader that had nothing of the producer refused it and took what came behind:
// see first.go. It did lose a record.
var implied = &record.Error{Kind: record.KindUnconfirmed, Unconfirmed: true, Reason: "a later record was acknowledged, and this one was not"}

// mockTimestamp is when librdkafka's simulation of a broker, which `dev` has, appends
// every record. No other broker's clock shows 1970.
const mockTimestamp = 1234

// finish reports a record's outcome to whoever waits for it.
func (c *client) finish(d *Delivery, ack record.Ack, e *record.Error) {
	c.pool.budget.give(&c.queued, d.size)
	d.suspect.leave()
	if c.pool.observe != nil {
		c.pool.observe.Outcome(time.Since(d.queued), e)
	}
	topic, kept := d.topic, d.kept
	if !d.report(ack, e) {
		if e != nil && !kept {
			c.losses.add(topic, e)
		}
		d.free()
	}
	c.settle()
}

// settle counts a record of which all is done.
func (c *client) settle() {
	if c.outstanding.Add(-1) == 0 {
		select {
		case c.settled <- struct{}{}:
		default:
		}
	}
}

const (
	// probeWait bounds one question whether the cluster answers.
	probeWait = time.Second
	// probePause is between two questions.
	probePause = 100 * time.Millisecond
	// connectingProbes is how many questions may stay without an answer until a
	// cluster that never answered is said to be down.
	connectingProbes = 5
	// lossInterval is how often losses are logged.
	lossInterval = time.Second
)

// watch finds out whether the cluster answers, as long as that is in doubt.
func (c *client) watch() {
	defer c.loops.Done()
	tick := time.NewTicker(lossInterval)
	defer tick.Stop()
	for failures := 0; !c.isClosing(); {
		if c.link.get() != linkUp {
			_, err := c.kafka.Metadata(nil, false, probeWait)
			if err == nil {
				failures = 0
				c.link.set(linkUp)
			} else if c.reread(); c.link.refused() {
				c.link.down()
			} else if failures++; c.link.get() != linkConnecting || failures >= connectingProbes {
				c.link.down()
			}
			if err != nil {
				c.unstick()
			}
		} else {
			c.away.over()
		}
		pause := (<-chan time.Time)(nil)
		if c.link.get() != linkUp {
			pause = time.After(probePause)
		}
		select {
		case <-c.closing:
		case <-pause:
		case <-c.link.probe:
		case <-tick.C:
			c.losses.flush(c.log)
		}
	}
}

func (c *client) isClosing() bool {
	select {
	case <-c.closing:
		return true
	default:
		return false
	}
}

// errRetired: this client takes no more records; the pool has or makes another.
var errRetired = topics.ErrClosed

// metadata asks the cluster, and waits so long for the answer.
func (c *client) metadata(name *string, all bool, wait time.Duration) (*kafka.Metadata, error) {
	var t *librdkafka.Topic
	var err error
	if name != nil {
		t, err = c.kafka.Topic(*name)
	}
	var md *kafka.Metadata
	if err == nil {
		md, err = c.kafka.Metadata(t, all, wait)
	}
	if err == librdkafka.ErrClosed {
		return nil, errRetired
	}
	return md, err
}

// audience is who is interested in a record's outcome.
type audience int

const (
	forNobody audience = iota // the log
	forSender                 // a sender that waits for it
	forKeeper                 // a sender that keeps the record meanwhile
)

// queue queues the record. The delivery is nobody's for an audience of nobody.
func (c *client) queue(ctx context.Context, rec *record.Record, s *suspect, whom audience) (*Delivery, *record.Error) {
	c.users.Add(1)
	defer c.users.Add(-1)
	t, err := c.admit(ctx, rec)
	if err != nil {
		s.leave()
		return nil, err
	}
	d := deliveries.Get().(*Delivery)
	d.of, d.suspect, d.kept = t, s, whom == forKeeper
	if whom == forNobody {
		d.async = true
		d.state.Store(abandoned)
	}
	if c.overtakes {
		err = c.awaitFirst(ctx, rec, d)
	}
	if err == nil {
		err = c.produce(rec, d)
	}
	if err != nil {
		d.drop()
		return nil, err
	}
	return d, nil
}

// admit returns the record's topic when the record can be queued now.
func (c *client) admit(ctx context.Context, rec *record.Record) (*topics.Topic, *record.Error) {
	if err := c.awaitReady(ctx); err != nil {
		return nil, err
	}
	now := time.Now()
	if end, ok := ctx.Deadline(); ok && !now.Before(end) {
		return nil, &record.Error{Kind: record.KindUnavailable, Reason: "no time was left to produce the record"}
	}
	c.lastUsed.Store(now.UnixNano())
	if rec.Timestamp.IsZero() {
		rec.Timestamp = now // it is the request's, however long the record waits
	}
	if err := c.link.await(ctx, c.closing); err != nil {
		return nil, err
	}
	t, err := c.topics.Find(ctx, rec.Topic, rec.Partition)
	if err == nil && rec.Partition == record.AnyPartition {
		if a := t.Answer(); a != nil && a.Leaderless() { // it could only wait in the queue
			return c.topics.Find(ctx, rec.Topic, c.conn.PartitionOf(rec.Key, a.Partitions))
		}
	}
	return t, err
}

// awaitReady waits until there is a librdkafka producer, or the reason why there is none.
func (c *client) awaitReady(ctx context.Context) *record.Error {
	select {
	case <-c.ready:
		return c.broken
	default:
	}
	select {
	case <-c.ready:
		return c.broken
	case <-ctx.Done():
		return &record.Error{Kind: record.KindUnavailable, Reason: "the producer was not made in time"}
	}
}

// recordOverhead is what a record costs in memory beside its bytes.
const recordOverhead = 512

// produce queues the record, of which librdkafka makes a copy.
func (c *client) produce(rec *record.Record, d *Delivery) *record.Error {
	d.size = int64(len(rec.Key) + len(rec.Value) + recordOverhead)
	for i := range rec.Headers {
		d.size += int64(len(rec.Headers[i].Key) + len(rec.Headers[i].Value))
	}
	if !c.pool.budget.take(&c.queued, d.size) {
		return &record.Error{Kind: record.KindQueueFull, Reason: "too many bytes are in flight"}
	}
	d.topic, d.stamp, d.queued = d.of.Name, rec.Timestamp.UnixMilli(), time.Now()
	err := c.queueUp(rec, d)
	if err != nil {
		c.pool.budget.give(&c.queued, d.size)
	}
	return err
}

// queueUp gives the record to librdkafka.
func (c *client) queueUp(rec *record.Record, d *Delivery) *record.Error {
	t := d.of
	handle := t.Handle.Load()
	if handle == nil {
		var err error
		if handle, err = c.kafka.Topic(t.Name); err != nil {
			return c.notQueued(t.Name, err)
		}
		t.Handle.Store(handle)
	}
	d.known = t.Answer()
	d.number = c.numbers.Add(1)
	c.outstanding.Add(1)
	err := c.kafka.Produce(&librdkafka.Message{
		Topic: handle, Partition: rec.Partition, Key: rec.Key, Value: rec.Value, Headers: rec.Headers,
		Timestamp: rec.Timestamp.UnixMilli(), Opaque: d,
	})
	if err == nil {
		return nil
	}
	c.settle()
	return c.notQueued(t.Name, err)
}

// notQueued is the outcome of a record that librdkafka has not taken.
func (c *client) notQueued(topic string, err error) *record.Error {
	var cause *librdkafka.Error
	if !errors.As(err, &cause) {
		return errRetired // it is closed
	}
	if cause.Code == kafka.ErrFatal {
		if fatal := c.kafka.FatalError(); fatal != nil {
			cause = fatal
		}
		c.fatal(cause)
		return errRetired
	}
	e := librdkafka.Classify(cause)
	if e.Kind == record.KindTopicNotFound {
		c.topics.Forget(topic)
	}
	return e
}

// idle reports whether nothing has used the client since then.
func (c *client) idle(since time.Time) bool {
	select {
	case <-c.ready:
	default:
		return false
	}
	return c.users.Load() == 0 && c.lastUsed.Load() < since.UnixNano() && c.outstanding.Load() == 0
}

// drain takes no more records and gives those that are queued until the deadline,
// which may be brought forward meanwhile; what could not be delivered is logged. It
// is called once, and close after it.
func (c *client) drain() {
	defer close(c.drained)
	<-c.ready
	close(c.closing)
	if c.kafka == nil {
		if h := c.handover.Load(); h != nil {
			h.end()
		}
		return
	}
	c.kafka.Shut()
	if h := c.handover.Load(); h != nil {
		c.handOver(h)
	}
	left := 1
	for left > 0 {
		wait := min(time.Until(c.deadline.Load().Add(-c.purgeWait())), flushSlice)
		if left = c.kafka.Flush(wait); wait <= 0 {
			break
		}
	}
	if left > 0 {
		c.kafka.Purge(true)
	}
	c.awaitOutcomes(time.Now().Add(c.purgeWait()))
	c.undelivered = int(c.outstanding.Load()) + c.keepReturned()
	c.losses.flush(c.log)
}

// awaitOutcomes waits until every report has been dealt with: that they have been
// read is not enough.
func (c *client) awaitOutcomes(deadline time.Time) {
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	for c.outstanding.Load() > 0 {
		select {
		case <-c.settled:
		case <-timer.C:
			return
		}
	}
}

// flushSlice is how often drain looks at its deadline.
const flushSlice = 100 * time.Millisecond

// purgeWait is the time for the reports of purged records to arrive, and for the
// records to be kept where that is wanted.
func (c *client) purgeWait() time.Duration {
	if c.pool.keep != nil {
		return 200 * time.Millisecond
	}
	return 100 * time.Millisecond
}

// close ends a client that has been drained. It returns when librdkafka has gone,
// which takes a second when the cluster does not answer.
func (c *client) close() {
	if c.kafka == nil {
		return
	}
	c.loops.Wait()
	c.kafka.Close()
	c.losses.flush(c.log)
}
