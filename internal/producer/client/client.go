package client

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/librdkafka"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/internal/topics"
)

// Client is one librdkafka producer. Records are queued by requests; outcome, event and the
// statistics are dealt with on the goroutine that reads librdkafka's reports ("the report
// loop"); watch has a goroutine of its own. What they share has a type each, which says how.
type Client struct {
	*credentials // with the connection and the log
	made
	shared    *Shared
	owner     Owner
	name      string // in log lines and metrics
	overtakes bool   // a batch can pass an earlier one of its partition: see first.go
	failed    func() // calls Owner.Failed once

	link     *link
	topics   *topics.Cache
	losses   losses
	stats    statistics
	load     load
	returned returnedRecords
	end      ending

	fatalOnce, refusedOnce sync.Once // what is logged once

	Failures chan struct{} // capacity 1: a record has failed
}

// Owner is called by its client, on the goroutines of that.
type Owner struct {
	// Failed is called once, when librdkafka can no longer be used.
	Failed func(*Client)
	// Refused is called when Kafka has refused a batch, for each of its records; seat is the
	// record's. It reports whether the record is to be sent again, by a successor. nil: never.
	Refused func(c *Client, topic string, seat Seat, err *record.Error) (again bool)
}

// New makes a client, which makes its librdkafka producer in the background. The name is for
// log lines and metrics. Drain and Close end it.
func New(shared *Shared, owner Owner, conn *kafkaconf.Connection, name string, log *slog.Logger) *Client {
	c := &Client{
		credentials: newCredentials(conn, shared.Resolve, log),
		made:        made{ready: make(chan struct{})},
		shared:      shared,
		owner:       owner,
		name:        name,
		overtakes:   conn.Overtakes(),
		link:        newLink(),
		load:        load{settled: make(chan struct{}, 1)},
		end:         ending{closing: make(chan struct{}), drained: make(chan struct{})},
		Failures:    make(chan struct{}, 1),
	}
	c.failed = sync.OnceFunc(func() { owner.Failed(c) })
	c.topics = topics.New(c.metadata, c.createsTopics, c.end.closing)
	c.topics.WornOut = sync.OnceFunc(func() {
		c.Log.Info("the producer has reached its limit of topics, and half of them are unused; replacing it")
		c.failed()
	})
	c.load.lastUsed.Store(time.Now().UnixNano())
	go c.start()
	return c
}

// start makes the librdkafka producer, which takes milliseconds, and begins to watch.
func (c *Client) start() {
	defer close(c.ready)
	props, err := c.resolve()
	if err != nil {
		c.broken = c.unresolved(err)
		time.AfterFunc(makeRetry, c.failed)
		return
	}
	c.use(props)
	read := time.Now()
	conf := maps.Clone(props)
	if c.shared.StatsInterval > 0 && conf["statistics.interval.ms"] == "" {
		conf["statistics.interval.ms"] = strconv.FormatInt(c.shared.StatsInterval.Milliseconds(), 10)
	}
	if c.Conn.Gapless() {
		conf["enable.gapless.guarantee"] = "true"
	}
	k, err := librdkafka.NewProducer(conf, librdkafka.Handler{Delivered: c.outcome, Error: c.event, Stats: c.noteStats, Log: c.logLine})
	if err != nil {
		time.AfterFunc(makeRetry, c.failed)
		if errors.Is(err, librdkafka.ErrNoResources) {
			c.broken = &record.Error{Kind: record.KindUnavailable, Reason: err.Error()}
			c.Log.Error("a producer cannot be made", "error", err)
			return
		}
		c.broken = &record.Error{Kind: record.KindConfig, Reason: c.Redact(err.Error())}
		c.Log.Error("a route's connection configuration is refused by librdkafka; its requests are answered 500", "error", c.broken.Reason)
		return
	}
	c.Kafka = k
	c.shared.Started.Add(1)
	w := &watch{
		kafka: k, link: c.link, losses: &c.losses, credentials: c.credentials, log: c.Log, logLine: c.logLine,
		failed: c.failed, stuckAfter: c.shared.StuckAfter, closing: c.end.closing, read: read,
	}
	c.end.watching.Go(w.run)
}

// logLine writes a line of librdkafka's to the log. It never holds a record's content, and
// no secret of the connection.
func (c *Client) logLine(line librdkafka.LogLine) {
	level := logLevel(line.Level)
	if !c.shared.Log.Enabled(context.Background(), level) || aboutGapless(line) {
		return
	}
	c.shared.Log.Log(context.Background(), level, "librdkafka", "from", line.Tag, "text", c.Redact(line.Text))
}

// logLevel maps syslog's levels, as librdkafka uses them. Its errors are about one
// attempt of many, and its other lines about its connections: this package logs what they
// lead to.
func logLevel(syslog int) slog.Level {
	if syslog <= 4 {
		return slog.LevelWarn
	}
	return slog.LevelDebug
}

// aboutGapless reports whether a line of librdkafka's is about enable.gapless.guarantee: that
// it is experimental, or that a batch was refused, which the client logs itself.
func aboutGapless(line librdkafka.LogLine) bool {
	return strings.Contains(line.Text, "gapless") || strings.Contains(line.Text, "gap-less")
}

// event takes an error that is about the producer and not about a record.
func (c *Client) event(err *librdkafka.Error) {
	if err.Fatal {
		c.fatal(err)
		return
	}
	c.link.note(err)
}

// fatal has the producer replaced, which librdkafka says is of no more use: by an event, or
// to the next record, whichever comes first.
func (c *Client) fatal(err *librdkafka.Error) {
	if err.Code != kafka.ErrGaplessGuarantee { // of a refused batch, about which Refused was called
		c.fatalOnce.Do(func() {
			c.shared.Fatal.Add(1)
			c.Log.Error("the producer has failed for good; replacing it", "error", c.Redact(err.Error()))
		})
	}
	c.failed()
}

func (c *Client) noteStats(text string) {
	if c.shared.StatsInterval > 0 {
		c.shared.Breaks.Add(c.stats.note(text))
	}
}

// metadata asks the cluster, and waits at most so long for the answer.
func (c *Client) metadata(name *string, all bool, wait time.Duration) (*kafka.Metadata, error) {
	var t *librdkafka.Topic
	var err error
	if name != nil {
		t, err = c.Kafka.Topic(*name)
	}
	var md *kafka.Metadata
	if err == nil {
		md, err = c.Kafka.Metadata(t, all, wait)
	}
	if err == librdkafka.ErrClosed {
		return nil, ErrRetired
	}
	return md, err
}

// AwaitUp returns nil when the cluster answers, and waits while that is not known.
func (c *Client) AwaitUp(ctx context.Context) *record.Error { return c.link.await(ctx, c.end.closing) }

// Look returns how many partitions a topic has, 0 where that is not known, and the error of a
// record for one of them (AnyPartition: of any). It does not wait: see [topics.Cache.Look].
func (c *Client) Look(topic string, partition int32) (partitions int32, err *record.Error) {
	if err := c.usable(); err != nil {
		return 0, err
	}
	return c.topics.Look(topic, partition)
}

// Up is AwaitUp that does not wait: it returns nil when the cluster is known to answer.
func (c *Client) Up() *record.Error {
	if err := c.usable(); err != nil {
		return err
	}
	if c.link.get() != linkUp {
		return errNotUp
	}
	return nil
}

// usable returns nil when there is a librdkafka producer.
func (c *Client) usable() *record.Error {
	if !isClosed(c.ready) {
		return ErrRetired
	}
	return c.broken
}

// Forget makes the next record of the topic ask the cluster for it.
func (c *Client) Forget(topic string) { c.topics.Forget(topic) }

// outcome notes what became of a record.
func (c *Client) outcome(r *librdkafka.Report) {
	d := r.Opaque.(*Delivery)
	if d.movedLeader(r) {
		c.topics.Ask(d.of)
	}
	d.answered(r.Code == kafka.ErrNoError)
	if r.Code == kafka.ErrNoError {
		c.delivered(d, r)
		return
	}
	e := librdkafka.Undelivered(r.Code, r.Status, r.Reason())
	if !e.Unconfirmed && !d.oneLeader(r) {
		e = &record.Error{Kind: record.KindUnconfirmed, Unconfirmed: true, Reason: e.Reason + " (the partition has had another leader, which may have written it)"}
	}
	if e.Kind == record.KindTopicNotFound {
		c.topics.Forget(d.topic)
	}
	again := c.refused(d, e) || c.end.successor.Load() != nil && notSent(r)
	atEnd := c.end.last.Load() && purged(r) && !d.kept
	if (again || atEnd) && !d.unwanted() {
		c.returned.add(r, d, e)
		c.load.settle()
		return
	}
	c.finish(d, record.Ack{}, e)
	select {
	case c.Failures <- struct{}{}:
	default:
	}
}

// delivered is outcome for a record that librdkafka says Kafka has.
func (c *Client) delivered(d *Delivery, r *librdkafka.Report) {
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
}

// implied is the outcome of a record of which librdkafka concludes that Kafka has it. That is
// wrong where a leader that had nothing of the producer refused it and took what came behind:
// see first.go. It did lose a record.
var implied = &record.Error{Kind: record.KindUnconfirmed, Unconfirmed: true, Reason: "a later record was acknowledged, and this one was not"}

// mockTimestamp is when librdkafka's simulation of a broker, which `dev` has, appends
// every record. No other broker's clock shows 1970.
const mockTimestamp = 1234

// refused reports whether the record is to be sent again, since it was refused with its batch.
func (c *Client) refused(d *Delivery, e *record.Error) bool {
	if e.Unconfirmed || c.owner.Refused == nil {
		return false
	}
	switch e.Kind {
	case record.KindRejected, record.KindTooLarge, record.KindForbidden, record.KindTopicInvalid:
	default:
		return false
	}
	again := c.owner.Refused(c, d.topic, d.seat, e)
	if again {
		c.refusedOnce.Do(func() {
			c.Log.Warn("Kafka has refused a batch; its records, and those of its topic for a while, are sent one at a time", "topic", d.topic, "error", e.Reason)
		})
	}
	return again
}

// finish reports a record's outcome to whoever waits for it.
func (c *Client) finish(d *Delivery, ack record.Ack, e *record.Error) {
	c.give(d.size)
	d.unseat()
	if c.shared.Observer != nil {
		c.shared.Observer.Outcome(time.Since(d.queued), e)
	}
	topic, kept := d.topic, d.kept
	if !d.report(ack, e) {
		if e != nil && !kept {
			c.losses.add(topic, e)
		}
		d.free()
	}
	c.load.settle()
}
