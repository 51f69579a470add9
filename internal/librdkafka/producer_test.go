package librdkafka

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/test/await"
)

// These tests are also run with C's memory watched (go test -asan, in `make unit`): each way on which
// memory of C's is taken is to be in one of them.

func startCluster(t testing.TB) *kafka.MockCluster {
	t.Helper()
	c, err := kafka.NewMockCluster(1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// mockTimestamp is the time at which librdkafka's simulation of a broker appends every
// record.
const mockTimestamp = 1234

// outcome is a report, kept.
type outcome struct {
	Report
	reason     string
	key, value []byte
	headers    []record.Header
}

// collector keeps what a producer says.
type collector struct {
	mu       sync.Mutex
	outcomes []outcome
	errors   []*Error
	stats    int
	lines    []LogLine
}

func (c *collector) handler() Handler {
	locked := func(f func()) {
		c.mu.Lock()
		defer c.mu.Unlock()
		f()
	}
	return Handler{
		Delivered: func(r *Report) {
			o := outcome{Report: *r, reason: r.Reason()}
			o.key, o.value, o.headers = r.Content()
			locked(func() { c.outcomes = append(c.outcomes, o) })
		},
		Error: func(err *Error) { locked(func() { c.errors = append(c.errors, err) }) },
		Stats: func(string) { locked(func() { c.stats++ }) },
		Log:   func(line LogLine) { locked(func() { c.lines = append(c.lines, line) }) },
	}
}

func (c *collector) reported() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.outcomes)
}

// failed reports whether there was an error that is of no record.
func (c *collector) failed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.errors) > 0
}

func start(t testing.TB, brokers string, c *collector, props ...string) *Producer {
	t.Helper()
	all := map[string]string{"bootstrap.servers": brokers}
	for i := 0; i < len(props); i += 2 {
		all[props[i]] = props[i+1]
	}
	p, err := NewProducer(all, c.handler())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func topicOf(t testing.TB, p *Producer, name string) *Topic {
	t.Helper()
	topic, err := p.Topic(name)
	if err != nil {
		t.Fatal(err)
	}
	return topic
}

// A sender may ask when another has closed the producer: with -asan, which shows an access to memory that is gone.
func TestClosedProducerHasNoFatalError(t *testing.T) {
	p := start(t, startCluster(t).BootstrapServers(), &collector{})
	p.Close()
	if err := p.FatalError(); err != nil {
		t.Error(err)
	}
}

func TestProducerReportsEachRecordAsItWasSent(t *testing.T) {
	c := &collector{}
	p := start(t, startCluster(t).BootstrapServers(), c, "linger.ms", "0")
	defer p.Close()
	topic := topicOf(t, p, "t")
	now := time.Now().UnixMilli()
	messages := []Message{
		{Key: []byte("k"), Value: []byte("v")},
		{},
		{Key: []byte{}, Value: []byte{}},
		{Value: bytes.Repeat([]byte("x"), 100_000), Headers: []record.Header{{Key: "a", Value: []byte("1")}, {Key: "a", Value: nil}, {Key: "", Value: []byte{}}, {Key: "b", Value: bytes.Repeat([]byte("y"), 1000)}}},
	}
	for i := range messages {
		m := &messages[i]
		m.Topic, m.Timestamp, m.Opaque = topic, now+int64(i), m
		if err := p.Produce(m); err != nil {
			t.Fatal(err)
		}
	}
	await.True(t, "each is reported", func() bool { return c.reported() == len(messages) })
	for i, o := range c.outcomes {
		m := o.Opaque.(*Message)
		if m != &messages[i] || o.Code != kafka.ErrNoError || o.Status != Persisted || o.Offset != int64(i) || o.Timestamp != mockTimestamp {
			t.Errorf("record %d: %+v", i, o.Report)
		}
		if !same(o.key, m.Key) || !same(o.value, m.Value) || fmt.Sprintf("%#v", o.headers) != fmt.Sprintf("%#v", m.Headers) {
			t.Errorf("record %d was sent as %q %q %v", i, o.key, o.value, o.headers)
		}
	}
}

// same also tells null from empty.
func same(a, b []byte) bool { return bytes.Equal(a, b) && (a == nil) == (b == nil) }

func TestProducerReportsManyAtOnce(t *testing.T) {
	c := &collector{}
	p := start(t, startCluster(t).BootstrapServers(), c)
	defer p.Close()
	topic := topicOf(t, p, "t")
	const records = 3000
	var senders sync.WaitGroup
	for range 4 {
		senders.Go(func() {
			for i := range records / 4 {
				if err := p.Produce(&Message{Topic: topic, Partition: -1, Value: []byte(fmt.Sprint(i))}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	senders.Wait()
	for p.Flush(time.Second) > 0 {
	}
	await.True(t, "each is reported", func() bool { return c.reported() == records })
}

// A record takes no memory of Go's on its way to librdkafka and back, but for its headers. The few allocations that there are come once
// for many reports.
func TestRecordWithoutHeadersAllocatesNothing(t *testing.T) {
	var reported atomic.Int64
	p, err := NewProducer(map[string]string{"bootstrap.servers": startCluster(t).BootstrapServers(), "linger.ms": "100"},
		Handler{Delivered: func(*Report) { reported.Add(1) }})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	const records = 4000
	m := &Message{Topic: topicOf(t, p, "t"), Key: []byte("k"), Value: []byte("v"), Timestamp: 1}
	m.Opaque = m
	mallocs := func() uint64 {
		before := reported.Load()
		var from, to runtime.MemStats
		runtime.ReadMemStats(&from)
		for range records {
			if err := p.Produce(m); err != nil {
				t.Fatal(err)
			}
		}
		await.True(t, "all are reported", func() bool { return reported.Load() == before+records })
		runtime.ReadMemStats(&to)
		return to.Mallocs - from.Mallocs
	}
	mallocs() // slots for records are made when they are first needed
	if n := mallocs(); n > records/4 {
		t.Errorf("%d allocations for %d records", n, records)
	}
}

// startFake starts a broker that does as Kafka does, with the topic "t".
func startFake(t testing.TB) *kfake.Cluster {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "t"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return cluster
}

// hold has the broker answer no produce request until release is called; arrived has one value for each.
func hold(cluster *kfake.Cluster) (arrived <-chan struct{}, release func()) {
	came, end := make(chan struct{}, 10), make(chan struct{})
	cluster.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		came <- struct{}{}
		<-end
		return nil, nil, false
	})
	return came, sync.OnceFunc(func() { close(end) })
}

func TestPurgeSaysOfEachRecordWhetherItWasSent(t *testing.T) {
	cluster := startFake(t)
	c := &collector{}
	p := start(t, cluster.ListenAddrs()[0], c, "max.in.flight", "1", "batch.num.messages", "1", "linger.ms", "0")
	defer p.Close()
	topic := topicOf(t, p, "t")
	produce := func(value string) {
		if err := p.Produce(&Message{Topic: topic, Value: []byte(value), Headers: []record.Header{{Key: "h", Value: []byte(value)}}}); err != nil {
			t.Fatal(err)
		}
	}
	produce("first")
	await.True(t, "the first is there", func() bool { return c.reported() == 1 })
	arrived, release := hold(cluster)
	defer release()
	produce("under way")
	<-arrived
	produce("queued")
	p.Purge(false)
	await.True(t, "what is queued comes back", func() bool { return c.reported() == 2 })
	p.Purge(true)
	await.True(t, "all come back", func() bool { return c.reported() == 3 })
	for i, want := range []struct {
		value  string
		code   Code
		status Status
	}{{"first", kafka.ErrNoError, Persisted}, {"queued", kafka.ErrPurgeQueue, NotPersisted}, {"under way", kafka.ErrPurgeInflight, PossiblyPersisted}} {
		o := c.outcomes[i]
		if string(o.value) != want.value || o.Code != want.code || o.Status != want.status || string(o.headers[0].Value) != want.value {
			t.Errorf("%s: %q %s %d", want.value, o.value, o.reason, o.Status)
		}
	}
}

func TestProduceRefusals(t *testing.T) {
	c := &collector{}
	p := start(t, startCluster(t).BootstrapServers(), c, "message.max.bytes", "2000", "queue.buffering.max.messages", "1", "linger.ms", "10000")
	topic := topicOf(t, p, "t")
	code := func(err error) Code {
		var e *Error
		if !errors.As(err, &e) {
			t.Fatal(err)
		}
		return e.Code
	}
	headers := []record.Header{{Key: "h", Value: []byte("v")}}
	if got := code(p.Produce(&Message{Topic: topic, Value: make([]byte, 3000), Headers: headers})); got != kafka.ErrMsgSizeTooLarge {
		t.Errorf("too large: %v", got)
	}
	if err := p.Produce(&Message{Topic: topic, Headers: headers}); err != nil {
		t.Fatal(err)
	}
	if got := code(p.Produce(&Message{Topic: topic, Headers: headers})); got != kafka.ErrQueueFull {
		t.Errorf("no room: %v", got)
	}
	if _, err := p.Topic(strings.Repeat("x", 600)); code(err) != kafka.ErrInvalidArg {
		t.Errorf("a name that is too long: %v", err)
	}
	if _, err := p.Topic("nul\x00"); err == nil {
		t.Error("a name with a NUL byte is taken")
	}
	p.Close() // with a record in its queue
	if err := p.Produce(&Message{Topic: topic}); err != ErrClosed {
		t.Errorf("after the end: %v", err)
	}
	if _, err := p.Metadata(nil, true, time.Second); err != ErrClosed {
		t.Errorf("after the end: %v", err)
	}
}

func TestNewProducerSaysWhichPropertyIsRefused(t *testing.T) {
	for name, value := range map[string]string{"no.such": "1", "batch.size": "x", "client.id": "a\x00b"} {
		p, err := NewProducer(map[string]string{"bootstrap.servers": "127.0.0.1:1", name: value}, (&collector{}).handler())
		if err == nil {
			p.Close()
			t.Errorf("%s=%q is taken", name, value)
		} else if !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestProducerTellsOfErrorsStatisticsAndItsLog(t *testing.T) {
	c := &collector{}
	p := start(t, "127.0.0.1:1", c, "statistics.interval.ms", "20")
	defer p.Close()
	await.True(t, "all kinds have come", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.errors) > 0 && c.stats > 0 && len(c.lines) > 0
	})
	if _, err := p.Metadata(nil, false, 10*time.Millisecond); err == nil {
		t.Error("there is metadata of a cluster that is not there")
	}
	if p.FatalError() != nil || p.SetSASLCredentials("user", "password") != nil {
		t.Error("it is of no more use, or takes no credentials")
	}
}

func TestMetadataHasTopicsAndBrokers(t *testing.T) {
	cluster := startCluster(t)
	if err := cluster.CreateTopic("seven", 7, 1); err != nil {
		t.Fatal(err)
	}
	p := start(t, cluster.BootstrapServers(), &collector{})
	defer p.Close()
	md, err := p.Metadata(nil, true, 5*time.Second)
	if err != nil || len(md.Brokers) != 1 || len(md.Topics["seven"].Partitions) != 7 {
		t.Errorf("%+v %v", md, err)
	}
	if md, err = p.Metadata(topicOf(t, p, "seven"), false, 5*time.Second); err != nil || len(md.Topics) != 1 {
		t.Errorf("%+v %v", md, err)
	}
}

func TestTransactionsAreCommittedAndAborted(t *testing.T) {
	c := &collector{}
	p := start(t, startCluster(t).BootstrapServers(), c, "transactional.id", "x")
	defer p.Close()
	topic := topicOf(t, p, "t")
	var e *Error
	if err := p.BeginTransaction(); !errors.As(err, &e) || e.Code != kafka.ErrState {
		t.Errorf("before the start: %v", err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(p.InitTransactions(10 * time.Second))
	must(p.BeginTransaction())
	must(p.Produce(&Message{Topic: topic, Value: []byte("x")}))
	must(p.SendOffset("group", "t", 0, "a mark", 10*time.Second))
	must(p.CommitTransaction(10 * time.Second))
	must(p.BeginTransaction())
	must(p.Produce(&Message{Topic: topic, Value: []byte("y")}))
	must(p.AbortTransaction(10 * time.Second))
	await.True(t, "both records are reported", func() bool { return c.reported() == 2 })
}

// The last report of an event that fills the room for reports is read with it, and the
// event is given back later.
func TestFlushEndsWhenReportsHaveFilledTheirRoom(t *testing.T) {
	cluster := startCluster(t)
	c := &collector{}
	p := start(t, cluster.BootstrapServers(), c, "linger.ms", "500", "batch.num.messages", "256")
	topic := topicOf(t, p, "t")
	for range 256 {
		if err := p.Produce(&Message{Topic: topic, Value: []byte("x")}); err != nil {
			t.Fatal(err)
		}
	}
	await.True(t, "all are reported", func() bool { return c.reported() == 256 })
	await.True(t, "nothing is left", func() bool { return p.Flush(0) == 0 })
}

// On a busy machine librdkafka's threads may not have come to a purge.
func TestCloseReportsWhatHasNoReport(t *testing.T) {
	c := &collector{}
	p := start(t, "127.0.0.1:1", c)
	topic := topicOf(t, p, "t")
	for range 3 {
		if err := p.Produce(&Message{Topic: topic, Value: []byte("x"), Opaque: "mine"}); err != nil {
			t.Fatal(err)
		}
	}
	p.Close()
	if len(c.outcomes) != 3 {
		t.Fatalf("%d of 3 records are reported", len(c.outcomes))
	}
	for _, o := range c.outcomes {
		if o.Code != kafka.ErrDestroy || o.Status != PossiblyPersisted || o.Opaque != "mine" || o.value != nil {
			t.Errorf("got %+v", o)
		}
	}
}

func TestProduceAndCloseMeetWithoutHarm(t *testing.T) {
	cluster := startCluster(t)
	for range 20 {
		c := &collector{}
		p := start(t, cluster.BootstrapServers(), c)
		topic := topicOf(t, p, "t")
		var taken atomic.Int64
		var senders sync.WaitGroup
		for range 4 {
			senders.Go(func() {
				for {
					err := p.Produce(&Message{Topic: topic, Value: []byte("x")})
					if err == ErrClosed {
						return
					}
					if err == nil {
						taken.Add(1)
					}
					if _, err := p.Topic("other"); err != nil && err != ErrClosed {
						t.Error(err)
					}
				}
			})
		}
		await.True(t, "records are sent", func() bool { return taken.Load() > 100 })
		p.Shut()
		for p.Flush(time.Second) > 0 {
		}
		p.Close()
		senders.Wait()
		if n := c.reported(); n != int(taken.Load()) {
			t.Fatalf("%d of %d records are reported", n, taken.Load())
		}
	}
}
