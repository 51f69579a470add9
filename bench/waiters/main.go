// Waiters measures what clients get that each send a record and wait for its acknowledgement, from three brokers that
// are a round trip away: sync and durable delivery in alternating rounds, or how fast a durable backlog drains.
//
//	go run ./bench/waiters -rtt 2ms -waiters 64 -partitions 12
//	go run ./bench/waiters -mock -backlog 100000
package main

import (
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"log"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
	"github.com/kafkaupstream/kafkaupstream/internal/durable"
	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/logging"
	"github.com/kafkaupstream/kafkaupstream/internal/producer"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/internal/spool"
	"github.com/kafkaupstream/kafkaupstream/test/kafkatest"
)

var (
	rtt         = flag.Duration("rtt", 2*time.Millisecond, "the `time` that the network adds to a round trip")
	waiters     = flag.Int("waiters", 64, "how `many` send and wait")
	partitions  = flag.Int("partitions", 12, "of the topic")
	replication = flag.Int("replication", 3, "of the topic")
	rounds      = flag.Int("rounds", 7, "how `often` each is measured")
	duration    = flag.Duration("duration", time.Second, "of a round")
	keys        = flag.Bool("keys", true, "records have keys")
	size        = flag.Int("size", 200, "of a record, in `bytes`")
	mock        = flag.Bool("mock", false, "librdkafka's mock cluster instead of Kafka")
	backlog     = flag.Int("backlog", 0, "measure how fast so `many` records drain from the disk instead")
)

const topic = "waiters"

func main() {
	flag.Parse()
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	if *mock {
		k, err := kafka.NewMockCluster(3)
		if err != nil {
			return err
		}
		defer k.Close()
		if err := k.CreateTopic(topic, *partitions, *replication); err != nil {
			return err
		}
		for i := range 3 {
			if err := k.SetRoundtripDuration(i+1, *rtt); err != nil {
				return err
			}
		}
		return with(k.BootstrapServers())
	}
	var proxies []string
	var listeners []net.Listener
	for range 3 {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			return err
		}
		listeners, proxies = append(listeners, l), append(proxies, l.Addr().String())
	}
	k, err := kafkatest.Start(kafkatest.Options{Nodes: 3, Listeners: []kafkatest.Listener{{Name: "FAR", Protocol: "PLAINTEXT", Proxies: proxies}}})
	if err != nil {
		return err
	}
	defer k.Close()
	for i, l := range listeners {
		go forward(l, k.ListenerOf(i+1, "FAR"))
	}
	if err := k.CreateTopic(topic, *partitions, *replication, nil); err != nil {
		return err
	}
	return with(strings.Join(proxies, ","))
}

// with measures with brokers.
func with(brokers string) error {
	logger := logging.New(os.Stderr, slog.LevelWarn)
	defer logger.Close(time.Second)
	dir, err := os.MkdirTemp("", "waiters-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	q := durable.Open(durable.Options{Dir: dir, MaxBytes: 8 << 30, Log: logger.Logger})
	pool := producer.NewPool(producer.Options{Log: logger.Logger})
	q.Start(pool)
	defer func() {
		q.Stop()
		pool.Close(context.Background())
		_, _ = q.Close()
	}()
	if *backlog > 0 {
		return drain(q, brokers)
	}
	return compare(q, pool, brokers)
}

// rate is what a round gave.
type rate struct{ perSecond, cpu, latency float64 }

func compare(q *durable.Queue, pool *producer.Pool, brokers string) error {
	conn := func(d record.Delivery, more ...string) *kafkaconf.Connection {
		props := kafkaconf.Properties{"bootstrap.servers": brokers}
		for i := 0; i < len(more); i += 2 {
			props[more[i]] = more[i+1]
		}
		c, err := kafkaconf.New(props, record.Mode{Delivery: d})
		if err != nil {
			log.Fatal(err)
		}
		return c
	}
	subjects := []struct {
		name string
		way  record.Way
		got  []rate
	}{
		{"sync", pool.Way(conn(record.Sync), true), nil},
		{"durable", q.Way(conn(record.Durable), durable.DeadLetter), nil},
		// A stripe is not divided further.
		{"durable with one producer", q.Way(conn(record.Durable).Stripe(1), durable.DeadLetter), nil},
		{"durable, linger 0.5", q.Way(conn(record.Durable, "linger.ms", "0.5"), durable.DeadLetter), nil},
	}
	for _, s := range subjects {
		before := rss()
		measure(s.way, 5*time.Second) // makes connections
		fmt.Fprintf(os.Stderr, "%v: %.1f MB more\n", s.name, float64(rss()-before)/1e6)
	}
	for range *rounds {
		for j := range subjects {
			s := &subjects[j]
			s.got = append(s.got, measure(s.way, *duration))
		}
	}
	for _, s := range subjects {
		var ratios []float64
		for i, r := range s.got {
			ratios = append(ratios, r.perSecond/subjects[0].got[i].perSecond)
		}
		slices.Sort(ratios)
		n := len(ratios)
		fmt.Printf("%-25s %6.0f records/s, %5.1f µs CPU a record (proxies and load too), %5.2f ms; / sync %.2f (quartiles %.2f–%.2f)\n", s.name,
			median(s.got, func(r rate) float64 { return r.perSecond }), median(s.got, func(r rate) float64 { return r.cpu }), median(s.got, func(r rate) float64 { return r.latency }),
			ratios[n/2], ratios[n/4], ratios[3*n/4])
	}
	return nil
}

func median(rs []rate, of func(rate) float64) float64 {
	var all []float64
	for _, r := range rs {
		all = append(all, of(r))
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// measure has the waiters send for a while.
func measure(way record.Way, duration time.Duration) rate {
	var n, failed atomic.Int64
	var all sync.WaitGroup
	began, cpu := time.Now(), cpuTime()
	for w := range *waiters {
		all.Go(func() {
			value := make([]byte, *size)
			for i := 0; time.Since(began) < duration; i++ {
				rec := record.Record{Topic: topic, Partition: record.AnyPartition, Value: value}
				if *keys {
					rec.Key = binary.BigEndian.AppendUint32(nil, uint32(w*7919+i))
				}
				b := record.Batch{Records: []record.Record{rec}, Outcomes: make([]record.Outcome, 1)}
				ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
				way.Deliver(ctx, &b)
				cancel()
				if n.Add(1); b.Outcomes[0].Err != nil || b.Outcomes[0].Receipt != "" {
					failed.Add(1)
				}
			}
		})
	}
	all.Wait()
	took := time.Since(began)
	if failed.Load() > 0 {
		log.Printf("%d records not acknowledged", failed.Load())
	}
	count := float64(n.Load())
	return rate{count / took.Seconds(), float64((cpuTime() - cpu).Microseconds()) / count, took.Seconds() * 1000 * float64(*waiters) / count}
}

// drain measures how fast a backlog of one stream gets to Kafka.
func drain(q *durable.Queue, brokers string) error {
	conn, err := kafkaconf.New(kafkaconf.Properties{"bootstrap.servers": brokers}, record.Mode{Delivery: record.Durable})
	if err != nil {
		return err
	}
	st := q.StreamOf(conn, durable.DeadLetter)
	var rates []float64
	for range *rounds {
		entries := backlogEntries()
		release, err := st.Pause(context.Background())
		if err != nil {
			return err
		}
		if _, err := st.Append(entries); err != nil {
			return err
		}
		began := time.Now()
		release()
		for {
			all, err := q.Streams()
			if err != nil {
				return err
			}
			if len(all) == 0 || all[0].Disk.Pending() == 0 {
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
		rates = append(rates, float64(*backlog)/time.Since(began).Seconds())
	}
	slices.Sort(rates)
	fmt.Printf("drained: %.0f records/s (%.0f–%.0f)\n", rates[len(rates)/2], rates[0], rates[len(rates)-1])
	return nil
}

// forward is a network that each direction takes half of the round trip to pass.
func forward(l net.Listener, target string) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		b, err := net.Dial("tcp4", target)
		if err != nil {
			c.Close()
			continue
		}
		go pass(b, c)
		go pass(c, b)
	}
}

type parcel struct {
	due  time.Time
	text []byte
}

func pass(to, from net.Conn) {
	way := make(chan parcel, 1024)
	go func() {
		defer close(way)
		for {
			b := make([]byte, 32<<10)
			n, err := from.Read(b)
			if n > 0 {
				way <- parcel{time.Now().Add(*rtt / 2), b[:n]}
			}
			if err != nil {
				return
			}
		}
	}()
	for p := range way {
		time.Sleep(time.Until(p.due))
		if _, err := to.Write(p.text); err != nil {
			break
		}
	}
	to.Close()
	from.Close()
	for range way {
	}
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func rss() int64 {
	text, _ := os.ReadFile("/proc/self/statm")
	var total, resident int64
	_, _ = fmt.Sscan(string(text), &total, &resident)
	return resident * int64(os.Getpagesize())
}

func backlogEntries() []spool.Entry {
	entries := make([]spool.Entry, *backlog)
	now := time.Now()
	value := make([]byte, *size)
	for i := range entries {
		rec := record.Record{Topic: topic, Partition: record.AnyPartition, Value: value, Timestamp: now}
		if *keys {
			rec.Key = binary.BigEndian.AppendUint32(nil, uint32(i*7919))
		}
		entries[i] = spool.Entry{Record: rec, Kept: now}
	}
	return entries
}
