package httpfront

import (
	"context"
	"log/slog"
	"net"
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

// A client that goes away ends the wait for its record, and the record is delivered and counted all the same.
func TestClientThatGoesEndsTheWaitAndNotTheRecord(t *testing.T) {
	b, log, count := durabletest.StartBroker(t), slog.New(slog.DiscardHandler), &acknowledged{}
	pool := producer.NewPool(producer.Options{Log: log, Observer: count})
	defer pool.Drain(context.Background())
	handler := kafkaupstream.NewHandler(kafkaupstream.HandlerOptions{Producers: pool, Log: log})
	f := &front{t: t, handler: handler, kafka: &kafka{}}
	f.serve(Options{Log: log, Bounds: bounds(), Trust: &Trust{}},
		"  - {id: a, match: {path: /a}, topic: t, timeout_ms: 600000, config: {bootstrap.servers: '"+b.Brokers()+"'}}\n", direct)
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
