package producer

import (
	"log/slog"
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

// delivery waits for one record's report. It is reused once its report has come;
// one that was abandoned is left to the garbage collector.
type delivery struct {
	done  chan struct{} // capacity 1: the report never waits for the waiter
	timer *time.Timer
	part  int32
	off   int64
	err   error
}

var deliveries = sync.Pool{New: func() any {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return &delivery{done: make(chan struct{}, 1), timer: t}
}}

// client is one librdkafka producer.
type client struct {
	log    *slog.Logger
	redact func(string) string
	failed func() // called once, when librdkafka can no longer be used

	// ready is closed when kafka or broken is set.
	ready  chan struct{}
	kafka  *kafka.Producer
	broken *Error

	link   *link
	topics *topics
	losses losses

	users    atomic.Int32 // requests that are in send
	lastUsed atomic.Int64 // Unix nanoseconds

	// mu keeps Produce and Close apart, which librdkafka does not survive.
	mu       sync.RWMutex
	closed   bool
	closing  chan struct{}
	loops    sync.WaitGroup // watch and questions to the cluster
	reported chan struct{}  // closed when the event loop has ended

	deadline    atomic.Pointer[time.Time] // of drain
	drained     chan struct{}             // closed when drain has ended
	undelivered int                       // by drain
}

func newClient(props Properties, logs chan kafka.LogEvent, log *slog.Logger, failed func(*client)) *client {
	c := &client{
		log:      log,
		redact:   redactor(props),
		ready:    make(chan struct{}),
		link:     newLink(),
		closing:  make(chan struct{}),
		reported: make(chan struct{}),
		drained:  make(chan struct{}),
	}
	c.failed = sync.OnceFunc(func() { failed(c) })
	c.topics = newTopics(c.metadata, c.closing)
	c.lastUsed.Store(time.Now().UnixNano())
	go c.start(props, logs)
	return c
}

// start makes the librdkafka producer, which takes milliseconds, and begins to watch.
func (c *client) start(props Properties, logs chan kafka.LogEvent) {
	conf := kafka.ConfigMap{
		"go.delivery.report.fields": "none",
		"go.events.channel.size":    256,
		"go.produce.channel.size":   0,
		"go.logs.channel.enable":    true,
		"go.logs.channel":           logs,
	}
	for name, value := range props {
		conf[name] = value
	}
	k, err := kafka.NewProducer(&conf)
	if err != nil {
		c.broken = &Error{Kind: KindConfig, Reason: c.redact(err.Error())}
		c.log.Error("a route's connection configuration is refused by librdkafka; its requests are answered 500", "error", c.broken.Reason)
		close(c.reported)
		close(c.ready)
		return
	}
	c.kafka = k
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
			d, ok := e.Opaque.(*delivery)
			if !ok {
				if e.TopicPartition.Error != nil {
					c.lost(e)
				}
				continue
			}
			d.err = e.TopicPartition.Error
			d.part, d.off = e.TopicPartition.Partition, int64(e.TopicPartition.Offset)
			d.done <- struct{}{}
		case kafka.Error:
			if e.IsFatal() {
				c.log.Error("the producer has failed for good and is replaced", "error", c.redact(e.Error()))
				c.failed()
				continue
			}
			c.link.note(e)
		}
	}
}

// lost counts a record that no request waits for.
func (c *client) lost(m *kafka.Message) {
	e := classify(m.TopicPartition.Error, true)
	c.losses.add(*m.TopicPartition.Topic, e)
	if e.Kind == KindTopicNotFound {
		c.topics.forget(*m.TopicPartition.Topic)
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
			_, err := c.kafka.GetMetadata(nil, false, int(probeWait/time.Millisecond))
			if err == nil {
				failures = 0
				c.link.set(linkUp)
			} else if failures++; c.link.get() != linkConnecting || failures >= connectingProbes {
				c.link.down()
			}
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
	select {
	case <-c.ready:
	default:
		if err := c.awaitReady(deadline); err != nil {
			return Ack{}, err
		}
	}
	if c.broken != nil {
		return Ack{}, c.broken
	}
	now := time.Now()
	if !now.Before(deadline) {
		return Ack{}, &Error{Kind: KindUnavailable, Reason: "no time was left to produce the record"}
	}
	c.lastUsed.Store(now.UnixNano())
	if rec.Timestamp.IsZero() {
		rec.Timestamp = now // as the report does not tell what librdkafka chose
	}
	if err := c.link.await(deadline, c.closing); err != nil {
		return Ack{}, err
	}
	t, err := c.topics.find(rec.Topic, rec.Partition, deadline)
	if err != nil {
		return Ack{}, err
	}
	if !wait {
		return Ack{}, c.produce(t, rec, nil)
	}
	d := deliveries.Get().(*delivery)
	if err := c.produce(t, rec, d); err != nil {
		deliveries.Put(d)
		return Ack{}, err
	}
	d.timer.Reset(time.Until(deadline))
	select {
	case <-d.done:
	case <-d.timer.C:
		c.topics.forget(rec.Topic) // it may have been deleted: the next record asks
		return Ack{}, &Error{Kind: KindUnconfirmed, Unconfirmed: true, Reason: "no acknowledgement in time"}
	}
	d.timer.Stop()
	ack, derr := Ack{d.part, d.off, rec.Timestamp}, d.err
	deliveries.Put(d)
	if derr != nil {
		e := classify(derr, true)
		if e.Kind == KindTopicNotFound {
			c.topics.forget(rec.Topic)
		}
		return Ack{}, e
	}
	return ack, nil
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

// produce queues the record. librdkafka copies it.
func (c *client) produce(t *topic, rec *Record, d *delivery) *Error {
	msg := kafka.Message{
		TopicPartition: kafka.TopicPartition{Topic: &t.name, Partition: rec.Partition},
		Key:            rec.Key,
		Value:          rec.Value,
		Timestamp:      rec.Timestamp,
	}
	if d != nil {
		msg.Opaque = d
	}
	for _, h := range rec.Headers {
		msg.Headers = append(msg.Headers, kafka.Header{Key: h.Key, Value: h.Value})
	}
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
		c.failed()
		return errRetired
	}
	e := classify(err, false)
	if e.Kind == KindTopicNotFound {
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
	for {
		wait := min(millisUntil(c.deadline.Load().Add(-purgeWait)), flushMillis)
		if c.undelivered = c.kafka.Flush(wait); c.undelivered == 0 || wait == 0 {
			break
		}
	}
	if c.undelivered > 0 {
		_ = c.kafka.Purge(kafka.PurgeQueue | kafka.PurgeInFlight)
		c.kafka.Flush(int(purgeWait / time.Millisecond))
	}
	c.losses.flush(c.log)
}

// flushMillis is how often drain looks at its deadline.
const flushMillis = 100

// purgeWait is the time for the reports of purged records to arrive.
const purgeWait = 100 * time.Millisecond

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
