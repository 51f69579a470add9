package main

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/deadline"
	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/producer"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/test/kafkatest"
)

// BenchmarkBeside is what an acknowledged record costs while other clients use the same
// connection for another topic: with records that Kafka refuses for good, or for partitions without
// a leader. Sixteen senders wait for their acknowledgements. The brokers are real.
func BenchmarkBeside(b *testing.B) {
	k := kafkatest.Run(b, kafkatest.Options{Nodes: 3})
	for topic, on := range map[string][][]int{"healthy": {{1, 2}, {2, 1}, {1, 2}}, "others": {{1, 2}, {2, 1}, {1, 2}}, "leaderless": {{3}, {3}, {3}}} {
		if err := k.CreateTopicOn(topic, on, map[string]string{"max.message.bytes": "2000", "min.insync.replicas": "1"}); err != nil {
			b.Fatal(err)
		}
	}
	if err := k.Kill(3); err != nil {
		b.Fatal(err)
	}
	good, bad := make([]byte, 200), make([]byte, 3000)
	for _, c := range []struct {
		name, topic string
		value       []byte
		every       time.Duration // the others send a record
	}{
		{"nobody", "", nil, 0},
		{"good-100-a-second", "others", good, 10 * time.Millisecond},
		{"bad-1-a-second", "others", bad, time.Second},
		{"bad-100-a-second", "others", bad, 10 * time.Millisecond},
		{"leaderless-100-a-second", "leaderless", good, 10 * time.Millisecond},
	} {
		b.Run(c.name, func(b *testing.B) {
			conn, err := kafkaconf.New(kafkaconf.Properties{"bootstrap.servers": k.Bootstrap()}, record.Mode{Delivery: record.Sync})
			if err != nil {
				b.Fatal(err)
			}
			pool := producer.NewPool(producer.Options{Log: slog.New(slog.DiscardHandler)})
			defer pool.Close(b.Context())
			send := func(topic string, value []byte) *record.Error {
				ctx := deadline.New(time.Now().Add(5 * time.Second))
				defer ctx.Release()
				batch := &record.Batch{Records: []record.Record{{Topic: topic, Partition: record.AnyPartition, Value: value}}, Outcomes: make([]record.Outcome, 1)}
				pool.Way(conn, true).Deliver(ctx, batch)
				return batch.Outcomes[0].Err
			}
			for range 100 {
				if err := send("healthy", good); err != nil {
					b.Fatal(err)
				}
			}
			stop := make(chan struct{})
			var others, senders sync.WaitGroup
			if c.topic != "" {
				others.Go(func() {
					for tick := time.Tick(c.every); ; {
						others.Go(func() { _ = send(c.topic, c.value) })
						select {
						case <-tick:
						case <-stop:
							return
						}
					}
				})
			}
			var left atomic.Int64
			left.Store(int64(b.N))
			b.ResetTimer()
			for range 16 {
				senders.Go(func() {
					for left.Add(-1) >= 0 {
						if err := send("healthy", good); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			senders.Wait()
			b.StopTimer()
			close(stop)
			others.Wait()
		})
	}
}
