package producer

import (
	"cmp"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// Header is one header of a record. A nil Value is null.
type Header struct {
	Key   string
	Value []byte
}

// Record is what is produced.
type Record struct {
	Topic     string
	Partition int32 // AnyPartition: by the key
	// Key and Value: nil is null, which is not the same as empty.
	Key, Value []byte
	Headers    []Header
	Timestamp  time.Time // zero: now
}

// AnyPartition leaves the partition to the partitioner.
const AnyPartition int32 = -1

// Ack is Kafka's acknowledgement of a record.
type Ack struct {
	Partition int32
	Offset    int64
	// Timestamp is the record's own (CreateTime). A topic with
	// message.timestamp.type=LogAppendTime stores the broker's instead, which
	// the client library does not report.
	Timestamp time.Time
}

// client is one librdkafka producer.
type client struct {
	pool     *Pool
	conn     *Connection
	name     string // in log lines and metrics
	log      *slog.Logger
	redactor atomic.Pointer[func(string) string]
	failed   func() // called once, when librdkafka can no longer be used

	fatalSaid sync.Once

	resolved Properties // what librdkafka was given; the watch's
	read     time.Time  // when the secrets among them were read; the watch's
	away     absence    // the watch's

	// ready is closed when kafka or broken is set.
	ready  chan struct{}
	kafka  *kafka.Producer
	broken *Error

	link   *link
	topics *topics
	losses losses

	queued   atomic.Int64 // bytes of the records that librdkafka has
	numbers  atomic.Int64 // records queued so far
	breaks   atomic.Int64 // how often a connection to a broker broke
	brokers  atomic.Pointer[[]BrokerStats]
	users    atomic.Int32 // requests that are in send
	lastUsed atomic.Int64 // Unix nanoseconds

	// mu keeps Produce and Close apart, which librdkafka does not survive.
	mu       sync.RWMutex
	closed   bool
	closing  chan struct{}
	loops    sync.WaitGroup // watch and questions to the cluster
	reported chan struct{}  // closed when the event loop has ended

	deadline    atomic.Pointer[time.Time] // of drain
	ending      atomic.Bool               // the pool drains: what is left is kept
	drained     chan struct{}             // closed when drain has ended
	undelivered int                       // by drain

	outstanding atomic.Int64 // records whose outcome has not been dealt with
	leftMu      sync.Mutex
	left        []leftover // records that were purged
}

func newClient(p *Pool, conn *Connection, name string, log *slog.Logger, failed func(*client)) *client {
	c := &client{
		pool:     p,
		conn:     conn,
		name:     name,
		log:      log,
		ready:    make(chan struct{}),
		link:     newLink(),
		closing:  make(chan struct{}),
		reported: make(chan struct{}),
		drained:  make(chan struct{}),
	}
	c.setRedactor(conn.props)
	c.failed = sync.OnceFunc(func() { failed(c) })
	c.topics = newTopics(c.metadata, c.closing)
	c.topics.auto.look = c.createsTopics
	c.lastUsed.Store(time.Now().UnixNano())
	go c.start()
	return c
}

// start makes the librdkafka producer, which takes milliseconds, and begins to watch.
func (c *client) start() {
	props, err := c.resolve()
	if err != nil {
		c.broken = unreadable(err)
		c.log.Error("a secret of a route's connection cannot be read; its requests are answered 503", "error", err)
		close(c.reported)
		close(c.ready)
		time.AfterFunc(secretRetry, c.failed)
		return
	}
	c.resolved, c.read = props, time.Now()
	conf := kafka.ConfigMap{
		"go.delivery.report.fields": "none",
		"go.events.channel.size":    256,
		"go.produce.channel.size":   0,
		"go.logs.channel.enable":    true,
		"go.logs.channel":           c.pool.logs,
	}
	if c.pool.stats > 0 {
		conf["statistics.interval.ms"] = int(c.pool.stats / time.Millisecond)
	}
	for name, value := range props {
		conf[name] = value
	}
	k, err := kafka.NewProducer(&conf)
	if err != nil {
		c.broken = &Error{Kind: KindConfig, Reason: explain(c.redact(err.Error()), props)}
		c.log.Error("a route's connection configuration is refused by librdkafka; its requests are answered 500", "error", c.broken.Reason)
		close(c.reported)
		close(c.ready)
		return
	}
	c.kafka = k
	c.pool.started.Add(1)
	c.loops.Add(1)
	go c.report()
	go c.watch()
	close(c.ready)
}

// report reads what librdkafka says: delivery reports and errors.
func (c *client) report() {
	defer close(c.reported)
	for event := range c.kafka.Events() {
		switch e := event.(type) {
		case *kafka.Message:
			if e.TopicPartition.Error == nil && c.link.get() != linkUp {
				c.link.set(linkUp)
			}
			c.outcome(e, e.Opaque.(*Delivery))
		case kafka.Error:
			if e.IsFatal() {
				c.fatal(e)
				continue
			}
			if breaksConnection(e) {
				c.breaks.Add(1)
				c.pool.breaks.Add(1)
			}
			c.link.note(e)
		case *kafka.Stats:
			if c.pool.stats > 0 {
				brokers := brokerStats(e.String())
				c.brokers.Store(&brokers)
			}
		}
	}
}

// fatal replaces the producer, which librdkafka says is of no more use: by an event, or
// to the next record, whichever comes first.
func (c *client) fatal(err error) {
	c.fatalSaid.Do(func() {
		c.log.Error("the producer has failed for good and is replaced", "error", c.redact(err.Error()))
	})
	c.failed()
}

// outcome notes what became of a record.
func (c *client) outcome(m *kafka.Message, d *Delivery) {
	c.pool.budget.give(&c.queued, d.size)
	var ack Ack
	var e *Error
	cause := m.TopicPartition.Error
	if cause == nil {
		ack = Ack{m.TopicPartition.Partition, int64(m.TopicPartition.Offset), d.stamp}
	} else {
		e = classify(cause, true)
		if !e.Unconfirmed && c.ambiguous(d, e) {
			e = &Error{Kind: KindUnconfirmed, Unconfirmed: true, Reason: e.Reason + " (and an earlier attempt may have succeeded)"}
		}
		if e.Kind == KindTopicNotFound {
			c.topics.forget(*m.TopicPartition.Topic)
		}
	}
	if c.pool.observe != nil {
		c.pool.observe.Outcome(time.Since(d.queued), e)
	}
	defer c.outstanding.Add(-1)
	if e == nil || d.kept || !purged(cause) {
		if !d.report(ack, e) {
			if e != nil && !d.kept {
				c.losses.add(*m.TopicPartition.Topic, e)
			}
			d.free()
		}
		return
	}
	l := leftover{number: d.number, rec: d.copied, err: e}
	l.rec.Topic = *m.TopicPartition.Topic
	d.buf = nil // its memory is the leftover's
	if l.told = d.report(ack, e); !l.told {
		d.free()
	}
	c.leftMu.Lock()
	c.left = append(c.left, l)
	c.leftMu.Unlock()
}

// leftover is a record that was still queued when its producer ended.
type leftover struct {
	number int64 // in the order of queueing
	rec    Record
	err    *Error
	told   bool // its sender has got err
}

// keepLeftovers offers what was purged to be kept, in the order in which it was
// queued, and returns how many records were not.
func (c *client) keepLeftovers() (lost int) {
	c.leftMu.Lock()
	left := c.left
	c.left = nil
	c.leftMu.Unlock()
	slices.SortFunc(left, func(a, b leftover) int { return cmp.Compare(a.number, b.number) })
	for i := range left {
		l := &left[i]
		if c.ending.Load() && c.pool.keep != nil && c.pool.keep(c.conn, &l.rec) {
			continue
		}
		lost++
		if !l.told {
			c.losses.add(l.rec.Topic, l.err)
		}
	}
	return lost
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
			_, err := c.kafka.GetMetadata(nil, false, int(probeWait/time.Millisecond))
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

// metadata asks the cluster, which blocks for up to metadataWait.
func (c *client) metadata(name *string, all bool, deadline time.Time) (*kafka.Metadata, error) {
	c.mu.RLock()
	if c.closed {
		c.mu.RUnlock()
		return nil, errRetired
	}
	c.loops.Add(1)
	c.mu.RUnlock()
	defer c.loops.Done()
	wait := min(metadataWait, max(time.Until(deadline), time.Millisecond))
	return c.kafka.GetMetadata(name, all, int(wait/time.Millisecond))
}

// errRetired: this client takes no more records; the pool has or makes another.
var errRetired = &Error{Kind: KindUnavailable, Reason: "the producer is being replaced"}

// send queues the record and, if wait is set, waits for its report.
func (c *client) send(rec *Record, wait bool, deadline time.Time) (Ack, *Error) {
	c.users.Add(1)
	defer c.users.Add(-1)
	t, err := c.admit(rec, deadline)
	if err != nil {
		return Ack{}, err
	}
	d := deliveries.Get().(*Delivery)
	if !wait {
		d.state.Store(abandoned)
		return Ack{}, c.produce(t, rec, d)
	}
	if err := c.produce(t, rec, d); err != nil {
		return Ack{}, err
	}
	return c.await(d, rec.Topic, deadline)
}

// await waits for the outcome of a record that nobody keeps.
func (c *client) await(d *Delivery, topic string, deadline time.Time) (Ack, *Error) {
	if !d.Wait(deadline, nil) && d.abandon() {
		c.topics.forget(topic) // it may have been deleted: the next record asks
		return Ack{}, &Error{Kind: KindUnconfirmed, Unconfirmed: true, Reason: "no acknowledgement in time"}
	}
	ack, err := d.Outcome()
	d.settle()
	return ack, err
}

// queue queues the record for a sender that waits for it later. kept tells that the
// sender keeps it meanwhile.
func (c *client) queue(rec *Record, kept bool, deadline time.Time) (*Delivery, *Error) {
	c.users.Add(1)
	defer c.users.Add(-1)
	t, err := c.admit(rec, deadline)
	if err != nil {
		return nil, err
	}
	d := deliveries.Get().(*Delivery)
	d.kept = kept
	if err := c.produce(t, rec, d); err != nil {
		return nil, err
	}
	return d, nil
}

// admit returns the record's topic when the record can be queued now.
func (c *client) admit(rec *Record, deadline time.Time) (*topic, *Error) {
	select {
	case <-c.ready:
	default:
		if err := c.awaitReady(deadline); err != nil {
			return nil, err
		}
	}
	if c.broken != nil {
		return nil, c.broken
	}
	now := time.Now()
	if !now.Before(deadline) {
		return nil, &Error{Kind: KindUnavailable, Reason: "no time was left to produce the record"}
	}
	c.lastUsed.Store(now.UnixNano())
	if rec.Timestamp.IsZero() {
		rec.Timestamp = now // as the report does not tell what librdkafka chose
	}
	if err := c.link.await(deadline, c.closing); err != nil {
		return nil, err
	}
	return c.topics.find(rec.Topic, rec.Partition, deadline)
}

func (c *client) awaitReady(deadline time.Time) *Error {
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	select {
	case <-c.ready:
		return nil
	case <-timer.C:
		return &Error{Kind: KindUnavailable, Reason: "the producer was not made in time"}
	}
}

// recordOverhead is what a record costs in memory beside its bytes.
const recordOverhead = 512

// produce queues the record, of which librdkafka makes a copy. When that fails, the
// delivery is freed.
func (c *client) produce(t *topic, rec *Record, d *Delivery) (e *Error) {
	size := int64(len(rec.Key) + len(rec.Value) + recordOverhead)
	msg := kafka.Message{
		TopicPartition: kafka.TopicPartition{Topic: &t.name, Partition: rec.Partition},
		Key:            rec.Key,
		Value:          rec.Value,
		Timestamp:      rec.Timestamp,
		Opaque:         d,
	}
	for _, h := range rec.Headers {
		msg.Headers = append(msg.Headers, kafka.Header{Key: h.Key, Value: h.Value})
		size += int64(len(h.Key) + len(h.Value))
	}
	if c.pool.keep != nil && !d.kept {
		d.copyRecord(rec, t.name)
		size += int64(len(d.buf))
	}
	d.size, d.breaks, d.stamp, d.queued = size, c.breaks.Load(), rec.Timestamp, time.Now()
	if !c.pool.budget.take(&c.queued, size) {
		d.free()
		return &Error{Kind: KindQueueFull, Reason: "too many bytes are in flight"}
	}
	d.number = c.numbers.Add(1)
	c.outstanding.Add(1)
	defer func() {
		if e != nil {
			c.outstanding.Add(-1)
			c.pool.budget.give(&c.queued, size)
			d.free()
		}
	}()
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.closed {
		return errRetired
	}
	err := c.kafka.Produce(&msg, nil)
	if err == nil {
		return nil
	}
	if kerr, ok := err.(kafka.Error); ok && kerr.Code() == kafka.ErrFatal {
		if cause := c.kafka.GetFatalError(); cause != nil {
			err = cause
		}
		c.fatal(err)
		return errRetired
	}
	if e = classify(err, false); e.Kind == KindTopicNotFound {
		c.topics.forget(t.name)
	}
	return e
}

// idle tells whether nothing has used the client since then.
func (c *client) idle(since time.Time) bool {
	select {
	case <-c.ready:
	default:
		return false
	}
	return c.users.Load() == 0 && c.lastUsed.Load() < since.UnixNano() && (c.kafka == nil || c.kafka.Len() == 0)
}

// drain takes no more records and gives those that are queued until the deadline,
// which may be brought forward meanwhile; what could not be delivered is logged. It
// is called once, and close after it.
func (c *client) drain() {
	defer close(c.drained)
	<-c.ready
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	close(c.closing)
	if c.kafka == nil {
		return
	}
	left := 0
	for {
		wait := min(millisUntil(c.deadline.Load().Add(-c.purgeWait())), flushMillis)
		if left = c.kafka.Flush(wait); left == 0 || wait == 0 {
			break
		}
	}
	if left > 0 {
		_ = c.kafka.Purge(kafka.PurgeQueue | kafka.PurgeInFlight)
		c.kafka.Flush(int(c.purgeWait() / time.Millisecond))
	}
	c.awaitOutcomes(time.Now().Add(c.purgeWait()))
	c.undelivered = int(c.outstanding.Load()) + c.keepLeftovers()
	c.losses.flush(c.log)
}

// awaitOutcomes waits until every report has been dealt with: that they have been
// read is not enough.
func (c *client) awaitOutcomes(deadline time.Time) {
	for c.outstanding.Load() > 0 && time.Now().Before(deadline) {
		time.Sleep(outcomeInterval)
	}
}

const outcomeInterval = time.Millisecond

// flushMillis is how often drain looks at its deadline.
const flushMillis = 100

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
	<-c.reported
	c.losses.flush(c.log)
}

func millisUntil(t time.Time) int { return int(max(time.Until(t), 0) / time.Millisecond) }
