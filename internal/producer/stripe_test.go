package producer

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/producer/client"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

func connectDurable(t testing.TB, c *kfake.Cluster) *kafkaconf.Connection {
	t.Helper()
	conn, err := kafkaconf.New(kafkaconf.Properties{"bootstrap.servers": strings.Join(c.ListenAddrs(), ",")}, record.Mode{Delivery: record.Durable})
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// queueNumbers queues records in order, three of four with a key and some of these with a partition, and returns what
// waits for them. Before each it calls f.
func queueNumbers(t *testing.T, p *Pool, conn *kafkaconf.Connection, partitions, n int, f func(i int)) (wait func() []*record.Error) {
	t.Helper()
	var sent []*Delivery
	for i := range n {
		f(i)
		rec := recordOf("t", fmt.Sprint(i))
		if i%4 > 0 {
			rec.Key = fmt.Appendf(nil, "key %d", i%37)
		}
		if i%4 == 3 {
			rec.Partition = int32(i % partitions)
		}
		before := rec.Partition
		d, err := queueFor(p, conn, rec, in(20*time.Second))
		if err != nil {
			t.Fatalf("record %d: %+v", i, err)
		}
		if rec.Partition != before {
			t.Fatalf("record %d was of partition %d and is of %d: it may be kept", i, before, rec.Partition)
		}
		sent = append(sent, d)
	}
	return func() (errs []*record.Error) {
		for i, d := range sent {
			if !d.Wait(ending(in(20 * time.Second))) {
				t.Fatalf("no outcome of record %d", i)
			}
			errs = append(errs, d.End().Err)
		}
		return errs
	}
}

// expectOrder expects n records with numbers, each once, and those with a key or a partition in order.
func expectOrder(t *testing.T, c *kfake.Cluster, n int) {
	t.Helper()
	last, seen := map[int32]int{}, map[int]bool{}
	for _, r := range recordsOf(t, c, "t", n) {
		var i int
		if _, err := fmt.Sscan(string(r.Value), &i); err != nil {
			t.Fatal(err)
		}
		if seen[i] {
			t.Errorf("record %d is there twice", i)
		}
		seen[i] = true
		if i%4 == 0 {
			continue // it has neither key nor partition, and no order
		}
		if before, ok := last[r.Partition]; ok && before > i {
			t.Errorf("partition %d has record %d behind record %d", r.Partition, i, before)
		}
		last[r.Partition] = i
	}
	if len(seen) != n {
		t.Errorf("%d records of %d are there", len(seen), n)
	}
}

func noErrors(t *testing.T, errs []*record.Error) {
	t.Helper()
	for i, err := range errs {
		if err != nil {
			t.Errorf("record %d: %+v", i, err)
		}
	}
}

func TestStripesKeepTheOrderOfEachPartition(t *testing.T) {
	c := startFake(t, kfake.NumBrokers(3), kfake.SeedTopics(12, "t"))
	p, _ := startPool(t, 0)
	wait := queueNumbers(t, p, connectDurable(t, c), 12, 2000, func(int) {})
	noErrors(t, wait())
	expectOrder(t, c, 2000)
	s := p.Stats()
	if s.Started != kafkaconf.Stripes {
		t.Errorf("%d producers were made for 12 partitions, want %d", s.Started, kafkaconf.Stripes)
	}
	if len(s.Producers) != 1 || s.Producers[0].State != StateUp {
		t.Errorf("to an operator they are one connection: %+v", s.Producers)
	}
}

func TestStripesAreMadeForRecordsOnly(t *testing.T) {
	c := startFake(t, kfake.SeedTopics(1, "one"), kfake.SeedTopics(12, "twelve"))
	p, _ := startPool(t, 0)
	conn := connectDurable(t, c)
	steps := []struct {
		name string
		rec  record.Record
		made int64
	}{
		{"without a key, to the one partition", record.Record{Topic: "one", Partition: record.AnyPartition}, 1},
		{"again", record.Record{Topic: "one", Partition: record.AnyPartition}, 1},
		{"with a key", record.Record{Topic: "one", Partition: record.AnyPartition, Key: []byte("a key")}, 1},
		{"of a partition that the connection's own producer has", record.Record{Topic: "twelve", Partition: kafkaconf.Stripes}, 1},
		{"of the next one", record.Record{Topic: "twelve", Partition: kafkaconf.Stripes + 1}, 2},
		{"of one with the same producer", record.Record{Topic: "twelve", Partition: 1}, 2},
	}
	for _, s := range steps {
		d, err := queueFor(p, conn, &s.rec, in(10*time.Second))
		if err != nil || !d.Wait(ending(in(10*time.Second))) {
			t.Fatalf("%s: %+v", s.name, err)
		}
		if o := d.End(); o.Err != nil {
			t.Errorf("%s: %+v", s.name, o.Err)
		}
		if n := p.Stats().Started; n != s.made {
			t.Errorf("%s: %d producers were made, want %d", s.name, n, s.made)
		}
	}
	if _, err := queueFor(p, conn, &record.Record{Topic: "twelve", Partition: 14}, in(10*time.Second)); err == nil || err.Kind != record.KindPartitionNotFound {
		t.Errorf("of a partition that there is not: %+v", err)
	}
	if n := p.Stats().Started; n != 2 {
		t.Errorf("it has made a producer: %d", n)
	}
}

func TestOtherConnectionsAreNotStriped(t *testing.T) {
	c := startFake(t, kfake.SeedTopics(12, "twelve"))
	p, _ := startPool(t, 0)
	for i, conn := range []*kafkaconf.Connection{connect(t, c, true), connect(t, c, false)} {
		for partition := range int32(12) {
			if _, err := send(p, conn, &record.Record{Topic: "twelve", Partition: partition}, true, in(10*time.Second)); err != nil {
				t.Fatal(err)
			}
		}
		if n := p.Stats().Started; n != int64(i+1) {
			t.Errorf("%d producers were made", n)
		}
	}
}

func TestStripesAreReplacedInOrder(t *testing.T) {
	c := startFake(t, kfake.NumBrokers(3), kfake.SeedTopics(12, "t"))
	p, _ := startPool(t, 0)
	conn := connectDurable(t, c)
	wait := queueNumbers(t, p, conn, 12, 2000, func(i int) {
		if i%150 == 100 { // each in turn, the connection's own too
			stripe := conn.Stripe(int32(i / 150 % kafkaconf.Stripes))
			p.replace(stripe.ID(), p.client(stripe))
		}
	})
	noErrors(t, wait())
	expectOrder(t, c, 2000)
}

func TestStripesOfASuspectTopicAreSuspectEachForItself(t *testing.T) {
	c := startFake(t, kfake.NumBrokers(3), kfake.SeedTopics(12, "t"))
	p, _ := startPool(t, 0)
	conn := connectDurable(t, c)
	by := refuser{err: kerr.InvalidRecord}
	by.control(c, func(value string) bool { return value == "701" })
	wait := queueNumbers(t, p, conn, 12, 1400, func(int) {})
	for i, err := range wait() {
		if bad := i == 701; bad != (err != nil) {
			t.Errorf("record %d: %+v", i, err)
		}
	}
	expectOrder(t, c, 1399)
	if n := p.suspects.n.Load(); n != 1 {
		t.Errorf("%d topics are suspect, want that of one stripe", n)
	}
	if s := p.Stats(); s.Started > kafkaconf.Stripes+2 { // one that sends alone, and a successor if there was a record for it
		t.Errorf("%d producers were made", s.Started)
	}
}

func TestStripeFollowsWhatTheConnectionKnowsOfPartitions(t *testing.T) {
	c := startFake(t, kfake.SeedTopics(6, "t"))
	p, _ := startPool(t, 0)
	conn := connectDurable(t, c)
	noErrors(t, queueNumbers(t, p, conn, 6, 100, func(int) {})())
	admin, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	topic := kmsg.NewCreatePartitionsRequestTopic()
	topic.Topic, topic.Count = "t", 12
	req := kmsg.NewPtrCreatePartitionsRequest()
	req.TimeoutMillis, req.Topics = 10_000, append(req.Topics, topic)
	if _, err := req.RequestWith(context.Background(), admin); err != nil {
		t.Fatal(err)
	}
	p.client(conn).Forget("t") // the others still know of 6 partitions
	for i := range 60 {
		key := fmt.Append(nil, i)
		d, err := queueFor(p, conn, &record.Record{Topic: "t", Partition: record.AnyPartition, Key: key, Value: []byte("x")}, in(10*time.Second))
		if err != nil || !d.Wait(ending(in(10*time.Second))) {
			t.Fatalf("%+v", err)
		}
		if o := d.End(); o.Err != nil || o.Ack.Partition != conn.PartitionOf(key, 12) {
			t.Errorf("%+v", o)
		}
	}
}

func TestStripesAreDrainedAndOffered(t *testing.T) {
	c := startFake(t, kfake.NumBrokers(3), kfake.SeedTopics(12, "t"))
	var kept atomic.Int64
	p, _ := startPoolWith(t, Options{Keep: func(*kafkaconf.Connection, *record.Record) bool { kept.Add(1); return true }})
	conn := connectDurable(t, c)
	noErrors(t, queueNumbers(t, p, conn, 12, 100, func(int) {})())
	release := holdProduce(c)
	defer release()
	for i := range 120 {
		if _, err := p.queue(ending(in(10*time.Second)), conn, &record.Record{Topic: "t", Partition: int32(i % 12), Value: []byte("x")}, client.ForNobody); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	if n := p.Drain(ctx); n != 0 || kept.Load() != 120 {
		t.Errorf("%d were lost, %d kept", n, kept.Load())
	}
}
