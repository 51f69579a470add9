package check

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/kafkaupstream/kafkaupstream/internal/check/complaint"
	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

// key is that of every record a check sends: compacted topics want one, and it says
// where the record is from.
const key = "kafkaupstream-check"

// note is the value of a record that a check sends.
func note() []byte {
	return fmt.Appendf(nil, `{"kafkaupstream":"check","time":%q}`, time.Now().UTC().Format(time.RFC3339Nano))
}

// send produces a record and waits for its report.
func (w *way) send(ctx context.Context, c *client, topic string, value []byte) (delivered, error) {
	report := make(chan delivered, 1)
	_, err := ask(ctx, c, func() (struct{}, error) {
		return struct{}{}, c.Produce(&kafka.Message{
			TopicPartition: kafka.TopicPartition{Topic: &topic, Partition: kafka.PartitionAny},
			Key:            []byte(key),
			Value:          value,
			Opaque:         report,
		}, nil)
	})
	if err != nil {
		return delivered{}, err
	}
	select {
	case d := <-report:
		return d, d.err
	case <-ctx.Done():
		return delivered{}, ctx.Err()
	}
}

// record sends a record and asks the cluster whether its partition goes as far.
func (w *way) record(ctx context.Context, topic string) outcome {
	d, err := w.send(ctx, w.kafka, topic, note())
	if err != nil {
		return fail("%s", w.kafka.cause(err))
	}
	if w.props["acks"] == "0" {
		return warn("sent; with acks=0 nobody knows whether it has arrived")
	}
	type marks struct{ low, high int64 }
	m, err := ask(ctx, w.kafka, func() (marks, error) {
		low, high, err := w.kafka.QueryWatermarkOffsets(topic, d.partition, millisOf(ctx))
		return marks{low, high}, err
	})
	switch {
	case err != nil:
		return warn("written to partition %d at offset %d; the partition's end cannot be asked for: %s", d.partition, d.offset, w.kafka.cause(err))
	case m.high <= d.offset:
		return fail("acknowledged in partition %d at offset %d, and the partition ends at %d", d.partition, d.offset, m.high)
	}
	return ok("written to partition %d at offset %d, and the partition now ends at %d", d.partition, d.offset, m.high)
}

// slack is how much smaller the next try is where the producer itself takes no record
// of a size: what it adds to one, message.max.bytes includes.
const slack = 32

// large sends a record that is as large as the route and the producer let one be, of
// random bytes: compression would hide the broker's limit.
func (w *way) large(ctx context.Context, topic string) outcome {
	most := w.config.Route.MaxBody
	value := make([]byte, max(min(most, w.config.Route.Conn.MessageMaxBytes-len(key)), 1))
	_, _ = rand.Read(value) // never fails
	d, err := w.send(ctx, w.kafka, topic, value)
	for isTooLarge(err) && !d.reported && len(value) > slack {
		value = value[slack:]
		d, err = w.send(ctx, w.kafka, topic, value)
	}
	switch {
	case isTooLarge(err):
		limit := "its max.message.bytes"
		if config, known := w.topicConfig(ctx, topic); known {
			limit += "=" + config["max.message.bytes"]
		}
		return fail("a record of %d bytes is more than the topic takes (%s): set max_body_bytes or message.max.bytes lower, or raise the topic's", len(value), limit)
	case err != nil:
		return fail("a record of %d bytes: %s", len(value), w.kafka.cause(err))
	case len(value) < most:
		return ok("a record of %d random bytes is acknowledged, the largest that the producer takes (message.max.bytes)", len(value))
	}
	return ok("a record of %d random bytes is acknowledged, the largest that the route takes (max_body_bytes)", len(value))
}

func isTooLarge(err error) bool {
	e, isKafka := err.(kafka.Error)
	return isKafka && e.Code() == kafka.ErrMsgSizeTooLarge
}

// transaction sends a record in a transaction of its own.
func (w *way) transaction(ctx context.Context, topic string) outcome {
	var number [8]byte
	_, _ = rand.Read(number[:]) // never fails
	id := transactionPrefix + "check-" + hex.EncodeToString(number[:])
	props, err := w.transactional(id)
	if err != nil {
		return fail("%v", err)
	}
	c, err := await(ctx, func() (*client, error) { return newClient(props) })
	if err != nil {
		return fail("librdkafka refuses it: %s", complaint.Text(err))
	}
	open := false
	defer func() {
		if open {
			c.abort(ctx)
		}
		c.end()
	}()
	var took []time.Duration
	for _, do := range []struct {
		what string
		f    func() error
	}{
		{"init", func() error { return c.InitTransactions(ctx) }},
		{"begin", c.BeginTransaction},
		{"the record", func() error { _, err := w.send(ctx, c, topic, note()); return err }},
		{"commit", func() error { return c.CommitTransaction(ctx) }},
	} {
		start := time.Now()
		if _, err := ask(ctx, c, func() (struct{}, error) { return struct{}{}, do.f() }); err != nil {
			return fail("%s: %s", do.what, c.cause(err))
		}
		took = append(took, time.Since(start))
		open = do.what != "init" && do.what != "commit"
	}
	return ok("init %s, commit %s, as %s", millis(took[0]), millis(took[3]), id)
}

const (
	// transactionTimeout is when Kafka ends the transaction of a check that was killed: until then whatever is behind
	// it in the topic is hidden from consumers with read_committed.
	transactionTimeout = "10000" // ms
	// abortWait bounds the end of a transaction that failed. A commit that got no answer is tried again.
	abortWait = 3 * time.Second
)

// abort ends a transaction that failed.
func (c *client) abort(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortWait)
	defer cancel()
	_, _ = ask(ctx, c, func() (struct{}, error) { // Kafka ends it after transactionTimeout where this fails
		if c.AbortTransaction(ctx) == nil {
			return struct{}{}, nil
		}
		return struct{}{}, c.CommitTransaction(ctx)
	})
}

// transactional returns the properties for a transactional producer.
func (w *way) transactional(id string) (kafkaconf.Properties, error) {
	route := w.config.Route.Conn.Route()
	if err := kafkaconf.Check(route, record.Mode{Transactional: true}); err != nil {
		return nil, err
	}
	conn, err := kafkaconf.New(route, record.Mode{Transactional: true})
	if err != nil {
		return nil, err
	}
	props, err := conn.Resolve(w.opts.Resolve)
	if err != nil {
		return nil, err
	}
	props["transactional.id"] = id
	if props["transaction.timeout.ms"] == "" {
		props["transaction.timeout.ms"] = transactionTimeout
	}
	return props, nil
}

// trips is how many round trips are timed.
const trips = 10

// roundTrips times acknowledged records, or questions where nothing may be written.
func (w *way) roundTrips(ctx context.Context, topic string) {
	w.step(ctx, "roundtrip", topic, func(ctx context.Context) outcome {
		what := "metadata requests"
		trip := func() error {
			_, err := ask(ctx, w.kafka, func() (*kafka.Metadata, error) { return w.kafka.GetMetadata(nil, false, millisOf(ctx)) })
			return err
		}
		if topic != "" {
			what = "acknowledged records"
			if w.props["acks"] == "0" {
				return skip("with acks=0 nothing is acknowledged")
			}
			trip = func() error {
				_, err := w.send(ctx, w.kafka, topic, note())
				return err
			}
		}
		var took []time.Duration
		for range trips {
			start := time.Now()
			if err := trip(); err != nil {
				return fail("%s", w.kafka.cause(err))
			}
			took = append(took, time.Since(start))
		}
		slices.Sort(took)
		linger := ""
		if topic != "" && w.props["linger.ms"] != "0" {
			linger = ", linger.ms=" + w.props["linger.ms"] + " of it waiting for more records"
		}
		return ok("%d %s: median %s, longest %s%s", trips, what, millis(took[trips/2]), millis(took[trips-1]), linger)
	})
}
