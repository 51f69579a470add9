package httpfront

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/producer"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/plugins/kafkaupstream"
	"github.com/kafkaupstream/kafkaupstream/test/await"
	"github.com/kafkaupstream/kafkaupstream/test/durabletest"
)

// acknowledged counts records that Kafka has acknowledged.
type acknowledged struct{ atomic.Int64 }

func (a *acknowledged) Outcome(_ time.Duration, err *record.Error) {
	if err == nil {
		a.Add(1)
	}
}

// beforeKafka is a front before a real producer and the broker.
func beforeKafka(t *testing.T, b *durabletest.Broker, observe producer.Observer, bounds Bounds, routes string) *front {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	pool := producer.NewPool(producer.Options{Log: log, Observer: observe})
	t.Cleanup(func() { pool.Drain(context.Background()) })
	f := &front{t: t, handler: kafkaupstream.NewHandler(kafkaupstream.HandlerOptions{Producers: pool, Log: log}), kafka: &kafka{}}
	f.serve(Options{Log: log, Bounds: bounds, Trust: &Trust{}}, strings.ReplaceAll(routes, "BROKERS", b.Brokers()), direct)
	return f
}

// The read timeout is of a request that arrives: a client that waits for Kafka longer than that has not gone.
func TestReadTimeoutDoesNotEndAWaitForKafka(t *testing.T) {
	b := durabletest.StartBroker(t)
	bounds := bounds()
	bounds.ReadTimeout = 250 * time.Millisecond
	f := beforeKafka(t, b, nil, bounds, "  - {id: a, match: {path: /a}, topic: t, key: k, tombstone_on_delete: true, timeout_ms: 600000, config: {bootstrap.servers: 'BROKERS'}}\n")
	if status, _, body := f.ask("POST /a HTTP/1.1\nHost: h\nContent-Length: 5\nConnection: close\n\nfirst"); status != 200 {
		t.Fatal(status, body)
	}
	for name, request := range map[string]string{
		"of a body": "POST /a HTTP/1.1\nHost: h\nContent-Length: 1\n\nx", "of a chunked body": "POST /a HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\n\n1\nx\n0\n\n",
		"of an empty body": "POST /a HTTP/1.1\nHost: h\nContent-Length: 0\n\n", "of none": "DELETE /a HTTP/1.1\nHost: h\n\n",
	} {
		t.Run(name, func(t *testing.T) {
			c := f.dial()
			b.Block()
			c.send(request)
			await.Within(t, durabletest.Patient, "the broker has the record", b.Waiting)
			<-time.After(2 * bounds.ReadTimeout)
			b.Release()
			if status, _, body := c.reply(); status != 200 {
				t.Error(status, body)
			}
			if status, _, body := c.ask(request); status != 200 {
				t.Error("the next one of the connection:", status, body)
			}
		})
	}
}

// A client that goes away ends the wait for its record, and the record is delivered and counted all the same.
func TestClientThatGoesEndsTheWaitAndNotTheRecord(t *testing.T) {
	b, count := durabletest.StartBroker(t), &acknowledged{}
	f := beforeKafka(t, b, count, bounds(), "  - {id: a, match: {path: /a}, topic: t, timeout_ms: 600000, config: {bootstrap.servers: 'BROKERS'}}\n")
	if status, _, body := f.ask("POST /a HTTP/1.1\nHost: h\nContent-Length: 5\nConnection: close\n\nfirst"); status != 200 {
		t.Fatal(status, body)
	}
	b.Block()
	for name, body := range map[string]string{"whose length is known": "Content-Length: 6\n\nsecond", "that is chunked": "Transfer-Encoding: chunked\n\n5\nthird\n0\n\n"} {
		t.Run("a body "+name, func(t *testing.T) {
			c := f.dial()
			c.send("POST /a HTTP/1.1\nHost: h\n" + body)
			await.Within(t, durabletest.Patient, "the broker has the record", b.Waiting)
			if err := c.Conn.(*net.TCPConn).Close(); err != nil {
				t.Fatal(err)
			}
			await.Within(t, durabletest.Patient, "the wait has ended", func() bool { return f.Stats().Connections == 0 })
		})
	}
	b.Release()
	if values := b.Values(t, "t", 3); len(values) != 3 {
		t.Error(values)
	}
	await.Within(t, durabletest.Patient, "all are counted", func() bool { return count.Load() == 3 })
}
