package durable

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/logging"
	"github.com/kafkaupstream/kafkaupstream/internal/producer"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/internal/spool"
	"github.com/kafkaupstream/kafkaupstream/test/await"
	"github.com/kafkaupstream/kafkaupstream/test/kafkatest"
)

// BenchmarkDrain sends a backlog of records of 200 bytes to a broker of its own, or to
// that of KAFKAUPSTREAM_BENCH_BROKERS, where the topic "drain" is to exist: b.N of them,
// so that -benchtime=100000x is useful. "behind" has ten times as many of a topic that
// is missing in front.
func BenchmarkDrain(b *testing.B) {
	for _, bench := range []struct {
		name  string
		keys  int
		front int
	}{
		{"without keys", 0, 0},
		{"a thousand keys", 1000, 0},
		{"behind", 0, 10},
	} {
		b.Run(strings.ReplaceAll(bench.name, " ", "_"), func(b *testing.B) { drain(b, bench.keys, bench.front) })
	}
}

func drain(b *testing.B, keys, front int) {
	brokers := os.Getenv("KAFKAUPSTREAM_BENCH_BROKERS")
	if brokers == "" {
		k := kafkatest.Run(b, kafkatest.Options{})
		if err := k.CreateTopic("drain", 4, 1, nil); err != nil {
			b.Fatal(err)
		}
		brokers = k.Bootstrap()
	}
	logger := logging.New(io.Discard, slog.LevelInfo)
	q := Open(Options{Dir: b.TempDir(), MaxBytes: 8 << 30, Log: logger.Logger})
	pool := producer.NewPool(producer.Options{Log: logger.Logger})
	q.pool = pool
	if err := q.openDisk(); err != nil {
		b.Fatal(err)
	}
	if _, err := q.own(); err != nil {
		b.Fatal(err)
	}
	conn, err := kafkaconf.New(kafkaconf.Properties{"bootstrap.servers": brokers}, record.Mode{Delivery: record.Durable})
	if err != nil {
		b.Fatal(err)
	}
	st := q.stream(conn, DeadLetter)
	disk, err := st.open()
	if err != nil {
		b.Fatal(err)
	}
	st.disk.Store(disk)
	entry := func(topic string, i int) *spool.Entry {
		rec := record.Record{Topic: topic, Partition: record.AnyPartition, Value: make([]byte, 200), Timestamp: time.Now()}
		if keys > 0 {
			rec.Key = fmt.Append(nil, i%keys)
		}
		return &spool.Entry{Record: rec, Kept: time.Now()}
	}
	write := func(topic string, i int) {
		if _, err := disk.Write(entry(topic, i)); err != nil {
			b.Fatal(err)
		}
	}
	for i := range front * b.N {
		write("nowhere", i)
	}
	for i := range b.N - 1 {
		write("drain", i)
	}
	if err := disk.AppendAll([]spool.Entry{*entry("drain", b.N)})[0].Err; err != nil { // and with it all before
		b.Fatal(err)
	}
	b.ResetTimer()
	began := time.Now()
	st.start()
	await.Within(b, time.Hour, "the backlog is sent", func() bool { return disk.Pending() <= int64(front*b.N) })
	b.ReportMetric(float64(b.N)/time.Since(began).Seconds(), "records/s")
	b.StopTimer()
	q.Stop()
	_ = q.Close()
	pool.Close(b.Context())
}
