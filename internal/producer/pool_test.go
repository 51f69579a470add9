package producer

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kafkaupstream/kafkaupstream/internal/deadline"
	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/logging"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/test/await"
)

// These tests use kfake, an in-process broker, for errors and moments that a real
// one does not have on demand. What real brokers do is in test/kafka.

func startFake(t testing.TB, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.SeedTopics(3, "t")}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func startPool(t testing.TB, idle time.Duration) (*Pool, *await.Log) {
	t.Helper()
	log := &await.Log{}
	logger := logging.New(io.MultiWriter(log, testWriter{t}), slog.LevelInfo)
	p := NewPool(Options{Log: logger.Logger, IdleTimeout: idle})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		p.Close(ctx)
		logger.Close(time.Second)
	})
	return p, log
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	if testing.Verbose() {
		os.Stderr.Write(p)
	}
	return len(p), nil
}

// answerProduce has the cluster refuse produce requests with what answer returns: n
// counts the requests from 1 on, nil lets the cluster answer itself.
func answerProduce(c *kfake.Cluster, answer func(n int, r *kmsg.ProduceRequest) *kerr.Error) {
	var mu sync.Mutex
	n := 0
	c.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		mu.Lock()
		defer mu.Unlock()
		n++
		r := req.(*kmsg.ProduceRequest)
		err := answer(n, r)
		if err == nil {
			return nil, nil, false
		}
		return refusal(r, err, nil), nil, true
	})
}

// refusal is the answer to a request that refuses all its batches, and names records of
// them where named is not empty.
func refusal(r *kmsg.ProduceRequest, err *kerr.Error, named []int32) *kmsg.ProduceResponse {
	resp := r.ResponseKind().(*kmsg.ProduceResponse)
	for _, topic := range r.Topics {
		rt := kmsg.NewProduceResponseTopic()
		rt.Topic, rt.TopicID = topic.Topic, topic.TopicID
		for _, partition := range topic.Partitions {
			rp := kmsg.NewProduceResponseTopicPartition()
			rp.Partition, rp.ErrorCode = partition.Partition, err.Code
			for _, i := range named {
				e := kmsg.NewProduceResponseTopicPartitionErrorRecord()
				e.RelativeOffset = i
				rp.ErrorRecords = append(rp.ErrorRecords, e)
			}
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}

func connect(t testing.TB, c *kfake.Cluster, wait bool, props ...string) *kafkaconf.Connection {
	t.Helper()
	return connectTo(t, strings.Join(c.ListenAddrs(), ","), wait, props...)
}

func connectTo(t testing.TB, brokers string, wait bool, props ...string) *kafkaconf.Connection {
	t.Helper()
	p := kafkaconf.Properties{"bootstrap.servers": brokers}
	for i := 0; i < len(props); i += 2 {
		p[props[i]] = props[i+1]
	}
	conn, err := kafkaconf.New(p, modeOf(wait))
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// ending is a context that ends at that time, and is not released.
func ending(at time.Time) context.Context { return deadline.New(at) }

func deliver(w record.Way, recs []record.Record, follow bool, at time.Time) *record.Batch {
	ctx := deadline.New(at)
	defer ctx.Release()
	b := &record.Batch{Records: recs, Follow: follow, Outcomes: make([]record.Outcome, len(recs))}
	w.Deliver(ctx, b)
	return b
}

func send(p *Pool, conn *kafkaconf.Connection, rec *record.Record, wait bool, at time.Time) (record.Ack, *record.Error) {
	recs := []record.Record{*rec}
	o := deliver(p.Way(conn, wait), recs, false, at).Outcomes[0]
	*rec = recs[0]
	return o.Ack, o.Err
}

func sendTogether(p *Pool, conn *kafkaconf.Connection, recs []record.Record, at time.Time) ([]record.Outcome, *record.Error) {
	b := deliver(p.Together(conn), recs, false, at)
	return b.Outcomes, b.Err
}

func follow(p *Pool, conn *kafkaconf.Connection, recs []record.Record, at time.Time) ([]record.Outcome, func(func([]record.Outcome))) {
	b := deliver(p.Way(conn, true), recs, true, at)
	return b.Outcomes, b.Late
}

func queueFor(p *Pool, conn *kafkaconf.Connection, rec *record.Record, at time.Time) (*Delivery, *record.Error) {
	ctx := deadline.New(at)
	defer ctx.Release()
	return p.Queue(ctx, conn, rec)
}

func modeOf(acknowledged bool) record.Mode {
	if acknowledged {
		return record.Mode{Delivery: record.Sync}
	}
	return record.Mode{}
}

func in(d time.Duration) time.Time { return time.Now().Add(d) }

func recordOf(topic, value string) *record.Record {
	return &record.Record{Topic: topic, Partition: record.AnyPartition, Value: []byte(value)}
}

// valuesOf reads n records of a topic.
func valuesOf(t testing.TB, c *kfake.Cluster, topic string, n int) (values []string) {
	t.Helper()
	for _, r := range recordsOf(t, c, topic, n) {
		values = append(values, string(r.Value))
	}
	return values
}

func timestampsOf(t testing.TB, c *kfake.Cluster, topic string, n int) (all []time.Time) {
	t.Helper()
	for _, r := range recordsOf(t, c, topic, n) {
		all = append(all, r.Timestamp)
	}
	return all
}

func recordsOf(t testing.TB, c *kfake.Cluster, topic string, n int) (all []*kgo.Record) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for len(all) < n {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second) // for the next ones
		fetches := cl.PollFetches(ctx)
		cancel()
		if fetches.Empty() {
			t.Fatalf("only %d of %d records arrived", len(all), n)
		}
		fetches.EachRecord(func(r *kgo.Record) { all = append(all, r) })
	}
	return all
}

func TestDeliveryIsAcknowledged(t *testing.T) {
	c := startFake(t)
	p, _ := startPool(t, 0)
	conn := connect(t, c, true)
	for i := range 3 {
		rec := recordOf("t", fmt.Sprint(i))
		rec.Partition = 1
		ack, err := send(p, conn, rec, true, in(5*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		if ack.Partition != 1 || ack.Offset != int64(i) || time.Since(ack.Timestamp).Abs() > time.Minute {
			t.Errorf("got %+v", ack)
		}
	}
}

func TestDeliveryKeepsTheOrderOfAsyncRecords(t *testing.T) {
	c := startFake(t)
	p, _ := startPool(t, 0)
	conn := connect(t, c, false)
	for i := range 1000 {
		rec := recordOf("t", fmt.Sprint(i))
		rec.Partition = 0
		if _, err := send(p, conn, rec, false, in(5*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	for i, v := range valuesOf(t, c, "t", 1000) {
		if v != fmt.Sprint(i) {
			t.Fatalf("record %d is %s", i, v)
		}
	}
}

func TestPoolSharesAProducerBetweenRoutesOfOneConnection(t *testing.T) {
	c := startFake(t)
	p, _ := startPool(t, 0)
	for range 20 {
		if _, err := send(p, connect(t, c, true), recordOf("t", "x"), true, in(5*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := send(p, connect(t, c, true, "client.id", "other"), recordOf("t", "x"), true, in(5*time.Second)); err != nil {
		t.Fatal(err)
	}
	if n := len(p.clients); n != 2 {
		t.Errorf("%d producers, want 2", n)
	}
}

func TestQueueRefusesWhatCannotBeDelivered(t *testing.T) {
	c := startFake(t, kfake.SeedTopics(1, "locked"))
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Topic: "locked", Err: kerr.TopicAuthorizationFailed, Count: -1})
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := closed.Addr().String()
	closed.Close()
	p, _ := startPool(t, 0)
	partition := func(n int32) *record.Record { return &record.Record{Topic: "t", Partition: n} }
	cases := []struct {
		says string
		conn *kafkaconf.Connection
		rec  *record.Record
		kind record.Kind
	}{
		{"an unknown topic", connect(t, c, true), recordOf("nowhere", "x"), record.KindTopicNotFound},
		{"an unknown topic, without waiting for it", connect(t, c, false), recordOf("nowhere", "x"), record.KindTopicNotFound},
		{"a partition the topic does not have", connect(t, c, true), partition(3), record.KindPartitionNotFound},
		{"a topic the credentials may not see", connect(t, c, true), recordOf("locked", "x"), record.KindForbidden},
		{"a record larger than the producer takes", connect(t, c, true, "message.max.bytes", "1000"), recordOf("t", strings.Repeat("x", 1001)), record.KindTooLarge},
		{"a cluster that is not there", connectTo(t, nobody, true), recordOf("t", "x"), record.KindNoBroker},
		{"the same without waiting", connectTo(t, nobody, false), recordOf("t", "x"), record.KindNoBroker},
		{"properties that do not go together", connect(t, c, true, "acks", "1", "enable.idempotence", "true"), recordOf("t", "x"), record.KindConfig},
	}
	for _, tc := range cases {
		t.Run(tc.says, func(t *testing.T) {
			for range 2 {
				_, err := send(p, tc.conn, tc.rec, tc.conn.Value("linger.ms") == "0", in(5*time.Second))
				if err == nil || err.Kind != tc.kind || err.Unconfirmed {
					t.Fatalf("got %+v, want kind %d", err, tc.kind)
				}
			}
		})
	}
}

func TestTopicIsStillCreatedOnDemand(t *testing.T) {
	c := startFake(t, kfake.AllowAutoTopicCreation())
	p, _ := startPool(t, 0)
	if _, err := send(p, connect(t, c, true), recordOf("new", "x"), true, in(5*time.Second)); err != nil {
		t.Fatal(err)
	}
}

func TestTopicThatIsMadeLaterIsFound(t *testing.T) {
	c := startFake(t)
	p, _ := startPool(t, 0)
	conn := connect(t, c, true)
	if _, err := send(p, conn, recordOf("later", "x"), true, in(5*time.Second)); err == nil || err.Kind != record.KindTopicNotFound {
		t.Fatalf("got %+v", err)
	}
	if err := c.CreateTopic("later", 1, nil); err != nil {
		t.Fatal(err)
	}
	await.True(t, "the topic is found", func() bool {
		_, err := send(p, conn, recordOf("later", "x"), true, in(5*time.Second))
		return err == nil
	})
}

func TestTopicThatIsUnknownIsAskedForOnceAMoment(t *testing.T) {
	c := startFake(t)
	asked := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Topic: "nowhere", Observe: true, Count: -1})
	p, _ := startPool(t, 0)
	conn := connect(t, c, true)
	var wg sync.WaitGroup
	for range 20 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range 50 {
				if _, err := send(p, conn, recordOf("nowhere", "x"), true, in(5*time.Second)); err == nil || err.Kind != record.KindTopicNotFound {
					t.Errorf("got %+v", err)
				}
			}
		}()
	}
	wg.Wait()
	if n := asked.Hits(); n > 20 {
		t.Errorf("a thousand records made %d questions", n)
	}
}

func TestDeadlineHoldsAndALateAcknowledgementDisturbsNobody(t *testing.T) {
	c := startFake(t)
	p, _ := startPool(t, 0)
	conn := connect(t, c, true)
	if _, err := send(p, conn, recordOf("t", "first"), true, in(5*time.Second)); err != nil {
		t.Fatal(err)
	}
	hold := make(chan struct{})
	c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		<-hold
		return nil, nil, false
	})
	start := time.Now()
	_, err := send(p, conn, recordOf("t", "late"), true, in(100*time.Millisecond))
	if err == nil || err.Kind != record.KindUnconfirmed || !err.Unconfirmed {
		t.Fatalf("got %+v", err)
	}
	if took := time.Since(start); took < 100*time.Millisecond {
		t.Errorf("it was given up after %v", took)
	}
	close(hold)
	for i := range 50 {
		want := fmt.Sprint("after", i)
		rec := recordOf("t", want)
		rec.Partition = 2
		ack, err := send(p, conn, rec, true, in(5*time.Second))
		if err != nil || ack.Partition != 2 {
			t.Fatalf("record %d got the outcome of another: %+v %+v", i, ack, err)
		}
	}
	valuesOf(t, c, "t", 52)
}

func TestRefusalByABrokerIsReported(t *testing.T) {
	cases := []struct {
		err         *kerr.Error
		count       int
		kind        record.Kind
		unconfirmed bool
	}{
		{kerr.MessageTooLarge, -1, record.KindTooLarge, false},
		{kerr.TopicAuthorizationFailed, -1, record.KindForbidden, false},
		{kerr.InvalidRecord, -1, record.KindRejected, false},
		{kerr.PolicyViolation, -1, record.KindRejected, false},
		{kerr.NotEnoughReplicas, -1, record.KindTooFewReplicas, false},
		{kerr.KafkaStorageError, -1, record.KindUnavailable, false},
	}
	for _, tc := range cases {
		t.Run(tc.err.Message, func(t *testing.T) {
			c := startFake(t)
			p, _ := startPool(t, 0)
			conn := connect(t, c, true, "retries", "1", "retry.backoff.ms", "10")
			c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "t", Err: tc.err, Count: tc.count})
			_, err := send(p, conn, recordOf("t", "x"), true, in(10*time.Second))
			if err == nil || err.Kind != tc.kind || err.Unconfirmed != tc.unconfirmed {
				t.Errorf("got %+v, want kind %d", err, tc.kind)
			}
		})
	}
}

func TestLossOfAnAsyncRecordIsLogged(t *testing.T) {
	c := startFake(t)
	p, log := startPool(t, 0)
	conn := connect(t, c, false)
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "t", Err: kerr.InvalidRecord, Count: -1})
	for range 7 {
		if _, err := send(p, conn, recordOf("t", "the payload"), false, in(5*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	await.True(t, "seven losses are logged", func() bool {
		n := 0
		for _, line := range strings.Split(log.String(), "\n") {
			var more int
			if i := strings.Index(line, "records="); i > 0 && strings.Contains(line, "not delivered") {
				fmt.Sscanf(line[i:], "records=%d", &more)
			}
			n += more
		}
		return n == 7
	})
	if strings.Contains(log.String(), "the payload") {
		t.Error("the log has the payload")
	}
}

func TestFatalErrorReplacesTheProducer(t *testing.T) {
	c := startFake(t)
	p, log := startPool(t, 0)
	conn := connect(t, c, true)
	if _, err := send(p, conn, recordOf("t", "1"), true, in(5*time.Second)); err != nil {
		t.Fatal(err)
	}
	old := p.client(conn)
	answerProduce(c, func(n int, r *kmsg.ProduceRequest) *kerr.Error {
		if n == 1 {
			return kerr.OutOfOrderSequenceNumber // of the only batch under way: librdkafka has lost count
		}
		return nil
	})
	if _, err := send(p, conn, recordOf("t", "2"), true, in(5*time.Second)); err == nil || !err.Unconfirmed {
		t.Fatalf("the record of which librdkafka has lost track: %v", err)
	}
	for i := range 10 {
		if _, err := send(p, conn, recordOf("t", fmt.Sprint("after", i)), true, in(5*time.Second)); err != nil {
			t.Fatalf("record %d: %+v", i, err)
		}
	}
	if p.client(conn) == old {
		t.Error("the old producer is still in use")
	}
	if n := p.Stats().Fatal; n != 1 {
		t.Errorf("%d producers are counted as failed for good, want 1", n)
	}
	valuesOf(t, c, "t", 11)
	await.True(t, "the log says it", func() bool { return strings.Contains(log.String(), "failed for good") })
}

// Who shows some of them only, shows the ones that matter.
func TestPoolNamesConnectionsThatFailFirst(t *testing.T) {
	p, _ := startPool(t, 0)
	if _, err := send(p, connect(t, startFake(t), true), recordOf("t", "1"), true, in(5*time.Second)); err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		p.Warm(connectTo(t, "127.0.0.1:1", true, "security.protocol", "ssl", "ssl.ca.location", fmt.Sprint("/no/", i)))
	}
	var all []ProducerStats
	await.True(t, "it is known that four cannot be made", func() bool {
		all = p.Stats().Producers
		n := 0
		for _, one := range all {
			if one.State == StateInvalid {
				n++
			}
		}
		return n == 4
	})
	if len(all) != 5 || all[4].State != StateUp {
		t.Errorf("got %+v", all)
	}
}

func TestPoolClosesAnUnusedProducerAndMakesItAgain(t *testing.T) {
	c := startFake(t)
	p, _ := startPool(t, 40*time.Millisecond)
	conn := connect(t, c, false)
	send := func(value string) {
		t.Helper()
		if _, err := send(p, conn, recordOf("t", value), false, in(5*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	send("1")
	await.True(t, "it is closed", func() bool {
		p.mu.RLock()
		defer p.mu.RUnlock()
		return len(p.clients) == 0 && len(p.retiring) == 0
	})
	send("2")
	if got := valuesOf(t, c, "t", 2); len(got) != 2 {
		t.Errorf("got %v", got)
	}
}

func TestCloseRacesNothing(t *testing.T) {
	c := startFake(t)
	p, _ := startPool(t, 4*time.Millisecond) // producers come and go under the load
	conn := connect(t, c, false)
	var sent atomic.Int64
	var wg sync.WaitGroup
	stop := in(2 * time.Second)
	for g := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := 0; time.Now().Before(stop); i++ {
				if _, err := send(p, conn, recordOf("t", "x"), false, in(5*time.Second)); err == nil {
					sent.Add(1)
				} else {
					t.Errorf("got %+v", err)
					return
				}
				if i%50 == g {
					p.mu.RLock()
					client := p.clients[conn.ID()]
					p.mu.RUnlock()
					if client != nil {
						p.replace(conn.ID(), client)
					}
				}
			}
		}()
	}
	wg.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if n := p.Close(ctx); n != 0 {
		t.Errorf("%d records were not delivered", n)
	}
	if got := len(valuesOf(t, c, "t", int(sent.Load()))); int64(got) != sent.Load() {
		t.Errorf("%d records arrived of %d", got, sent.Load())
	}
}

func TestCloseDeliversOrCountsWhatIsQueued(t *testing.T) {
	t.Run("delivered", func(t *testing.T) {
		c := startFake(t)
		p, _ := startPool(t, 0)
		conn := connect(t, c, false, "linger.ms", "60000")
		for range 100 {
			if _, err := send(p, conn, recordOf("t", "x"), false, in(5*time.Second)); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if n := p.Close(ctx); n != 0 {
			t.Errorf("%d were not delivered", n)
		}
		valuesOf(t, c, "t", 100)
	})
	t.Run("counted", func(t *testing.T) {
		c := startFake(t)
		p, log := startPool(t, 0)
		conn := connect(t, c, false, "linger.ms", "60000")
		for range 100 {
			if _, err := send(p, conn, recordOf("t", "x"), false, in(5*time.Second)); err != nil {
				t.Fatal(err)
			}
		}
		c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "t", Err: kerr.NotLeaderForPartition, Count: -1})
		ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
		defer cancel()
		if n := p.Close(ctx); n != 100 {
			t.Errorf("%d were counted, want 100", n)
		}
		await.True(t, "the loss is logged", func() bool { return strings.Contains(log.String(), "records=") })
	})
	t.Run("also those of a producer that is being replaced", func(t *testing.T) {
		c := startFake(t)
		p, _ := startPool(t, 0)
		conn := connect(t, c, false, "linger.ms", "60000")
		c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "t", Err: kerr.NotLeaderForPartition, Count: -1})
		for range 100 {
			if _, err := send(p, conn, recordOf("t", "x"), false, in(5*time.Second)); err != nil {
				t.Fatal(err)
			}
		}
		p.replace(conn.ID(), p.client(conn)) // it has half a minute
		start := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
		defer cancel()
		if n := p.Drain(ctx); n != 100 {
			t.Errorf("%d were counted, want 100", n)
		}
		if took := time.Since(start); took > retireWait/2 {
			t.Errorf("it took %v, the time of the replacement and not of the drain", took)
		}
	})
	t.Run("and none is taken afterwards", func(t *testing.T) {
		c := startFake(t)
		p, _ := startPool(t, 0)
		p.Close(context.Background())
		if _, err := send(p, connect(t, c, true), recordOf("t", "x"), true, in(time.Second)); err == nil || err.Kind != record.KindUnavailable {
			t.Errorf("got %+v", err)
		}
	})
}

func TestQueueRefusesARecordWithoutTimeLeft(t *testing.T) {
	c := startFake(t)
	p, _ := startPool(t, 0)
	conn := connect(t, c, true)
	if _, err := send(p, conn, recordOf("t", "in time"), true, in(5*time.Second)); err != nil {
		t.Fatal(err)
	}
	for _, wait := range []bool{true, false} {
		if _, err := send(p, conn, recordOf("t", "too late"), wait, time.Now()); err == nil || err.Kind != record.KindUnavailable || err.Unconfirmed {
			t.Errorf("got %+v", err)
		}
	}
	if _, err := send(p, conn, recordOf("t", "after"), true, in(5*time.Second)); err != nil {
		t.Fatal(err)
	}
	for _, v := range valuesOf(t, c, "t", 2) {
		if v == "too late" {
			t.Error("it was produced")
		}
	}
}

func TestQueueThatIsFullIsReported(t *testing.T) {
	c := startFake(t)
	p, _ := startPool(t, 0)
	conn := connect(t, c, false, "linger.ms", "60000", "queue.buffering.max.messages", "10")
	var full *record.Error
	for range 20 {
		if _, err := send(p, conn, recordOf("t", "x"), false, in(5*time.Second)); err != nil {
			full = err
		}
	}
	if full == nil || full.Kind != record.KindQueueFull || full.Unconfirmed {
		t.Errorf("got %+v", full)
	}
}

func TestPoolLeavesNoGoroutineBehind(t *testing.T) {
	before := runtime.NumGoroutine()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "t"))
	if err != nil {
		t.Fatal(err)
	}
	p := NewPool(Options{Log: slog.New(slog.DiscardHandler)})
	for i := range 5 {
		if _, err := send(p, connect(t, c, true, "client.id", fmt.Sprint(i)), recordOf("t", "x"), true, in(5*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	p.Close(context.Background())
	c.Close()
	await.True(t, "the goroutines end", func() bool { return runtime.NumGoroutine() <= before })
}
