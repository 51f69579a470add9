package durable

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
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
	"github.com/kafkaupstream/kafkaupstream/internal/producer"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/internal/spool"
	"github.com/kafkaupstream/kafkaupstream/test/await"
)

// broker is an in-process broker whose answers to producers can be held back or
// replaced.
type broker struct {
	*kfake.Cluster
	mu   sync.Mutex
	hold chan struct{} // not nil: requests wait for its end
	fail func(topic string) *kerr.Error
	held atomic.Int32  // requests that wait for hold
	slow time.Duration // what a request takes
}

func startBroker(t *testing.T, opts ...kfake.Opt) *broker {
	t.Helper()
	c, err := kfake.NewCluster(append(opts, kfake.NumBrokers(1), kfake.SeedTopics(1, "t", "u"))...)
	if err != nil {
		t.Fatal(err)
	}
	b := &broker{Cluster: c}
	t.Cleanup(func() {
		b.release()
		c.Close()
	})
	c.ControlKey(int16(kmsg.Produce), b.produce)
	return b
}

func (b *broker) produce(req kmsg.Request) (kmsg.Response, error, bool) {
	b.KeepControl()
	b.mu.Lock()
	hold, fail, slow := b.hold, b.fail, b.slow
	b.mu.Unlock()
	<-time.After(slow)
	if hold != nil {
		b.held.Add(1)
		<-hold
		b.held.Add(-1)
	}
	if fail == nil {
		return nil, nil, false
	}
	r := req.(*kmsg.ProduceRequest)
	resp := r.ResponseKind().(*kmsg.ProduceResponse)
	failed := false
	for _, topic := range r.Topics {
		rt := kmsg.NewProduceResponseTopic()
		rt.Topic, rt.TopicID = topic.Topic, topic.TopicID
		name := topic.Topic
		if name == "" {
			name = b.TopicIDInfo(topic.TopicID).Topic
		}
		for _, p := range topic.Partitions {
			rp := kmsg.NewProduceResponseTopicPartition()
			rp.Partition = p.Partition
			if err := fail(name); err != nil {
				rp.ErrorCode = err.Code
				failed = true
			}
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	if !failed {
		return nil, nil, false
	}
	return resp, nil, true
}

// block holds the broker's answers back until release.
func (b *broker) block() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hold = make(chan struct{})
}

func (b *broker) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.hold != nil {
		close(b.hold)
		b.hold = nil
	}
}

// failWith makes the broker answer with the error that f has for a topic; nil: none.
func (b *broker) failWith(f func(topic string) *kerr.Error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fail = f
}

func (b *broker) values(t *testing.T, topic string, n int) []string {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.ListenAddrs()...), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var values []string
	for len(values) < n {
		fetches := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			t.Fatalf("only %d of %d records arrived: %v", len(values), n, values)
		}
		fetches.EachRecord(func(r *kgo.Record) { values = append(values, string(r.Value)) })
	}
	return values
}

// gateway is a queue and a pool, as one process has them.
type gateway struct {
	t     *testing.T
	log   *await.Log
	queue *Queue
	pool  *producer.Pool
	close func()
}

func startQueue(t *testing.T, dir string, opts Options) *gateway {
	t.Helper()
	g := &gateway{t: t, log: &await.Log{}}
	logger := logging.New(io.MultiWriter(g.log, t.Output()), slog.LevelInfo)
	opts.Dir, opts.Log = dir, logger.Logger
	g.queue = Open(opts)
	g.pool = producer.NewPool(producer.Options{Log: logger.Logger, Keep: g.queue.Keep, TransactionsDir: dir + "-ids"})
	g.queue.Start(g.pool)
	g.close = sync.OnceFunc(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		g.queue.Stop()
		g.pool.Drain(ctx)
		if _, err := g.queue.Close(); err != nil {
			t.Error(err)
		}
		g.pool.Close(ctx)
		logger.Close(time.Second)
	})
	t.Cleanup(g.close)
	return g
}

// await returns when the queue owns its directory and knows what is in it.
func (g *gateway) await() *gateway {
	g.t.Helper()
	await.True(g.t, "the queue owns the spool", func() bool {
		g.queue.mu.RLock()
		defer g.queue.mu.RUnlock()
		for _, st := range g.queue.streams {
			if !st.loaded.Load() {
				return false
			}
		}
		return g.queue.owner
	})
	return g
}

func connect(t *testing.T, brokers string) *kafkaconf.Connection {
	t.Helper()
	conn, err := kafkaconf.New(kafkaconf.Properties{"bootstrap.servers": brokers}, record.Mode{Delivery: record.Durable})
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func (b *broker) connect(t *testing.T) *kafkaconf.Connection {
	return connect(t, strings.Join(b.ListenAddrs(), ","))
}

func recordOf(topic, value string) *record.Record {
	return &record.Record{Topic: topic, Partition: record.AnyPartition, Value: []byte(value)}
}

// deliver delivers records by a way.
func deliver(w record.Way, timeout time.Duration, recs ...record.Record) *record.Batch {
	b := &record.Batch{Records: recs}
	deliverBatch(w, timeout, b)
	return b
}

func deliverBatch(w record.Way, timeout time.Duration, b *record.Batch) {
	ctx := deadline.New(time.Now().Add(timeout))
	defer ctx.Release()
	b.Outcomes = make([]record.Outcome, len(b.Records))
	w.Deliver(ctx, b)
}

func (g *gateway) deliver(conn *kafkaconf.Connection, policy Policy, timeout time.Duration, recs ...record.Record) *record.Batch {
	return deliver(g.queue.Way(conn, policy), timeout, recs...)
}

// send sends a record and says what became of it: acknowledged, kept, or the error.
func (g *gateway) send(conn *kafkaconf.Connection, topic, value string, timeout time.Duration) string {
	result := g.deliver(conn, DeadLetter, timeout, *recordOf(topic, value)).Outcomes[0]
	switch {
	case result.Err != nil && result.Err.Unconfirmed:
		return "unconfirmed"
	case result.Err != nil:
		return fmt.Sprintf("refused %v", result.Err.Kind)
	case result.Receipt != "":
		return "kept"
	default:
		return "acknowledged"
	}
}

func (g *gateway) want(want string, conn *kafkaconf.Connection, topic, value string, timeout time.Duration) {
	g.t.Helper()
	if got := g.send(conn, topic, value, timeout); got != want {
		g.t.Fatalf("record %s: %s, want %s", value, got, want)
	}
}

func (g *gateway) pending() (n int64) {
	g.queue.mu.RLock()
	defer g.queue.mu.RUnlock()
	for _, st := range g.queue.streams {
		if disk := st.disk.Load(); disk != nil {
			n += disk.Pending()
		}
	}
	return n
}

func (g *gateway) awaitEmpty() {
	g.t.Helper()
	await.True(g.t, "nothing is on disk", func() bool { return g.pending() == 0 })
}

// files lists what is in the streams' directories.
func files(t *testing.T, dir string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func ascending(t *testing.T, got []string) {
	t.Helper()
	for i, v := range got {
		if v != fmt.Sprint(i) {
			t.Fatalf("record %d is %s, all: %v", i, v, got)
		}
	}
}

const (
	patient = 30 * time.Second
	soon    = 300 * time.Millisecond
)

func TestWhileKafkaAnswersNothingIsWrittenToDisk(t *testing.T) {
	b, dir := startBroker(t), t.TempDir()
	g := startQueue(t, dir, Options{}).await()
	conn := b.connect(t)
	for i := range 10 {
		g.want("acknowledged", conn, "t", fmt.Sprint(i), patient)
	}
	if left := files(t, dir); len(left) > 0 {
		t.Errorf("on disk: %v", left)
	}
	ascending(t, b.values(t, "t", 10))
}

func TestALateAcknowledgementRemovesTheRecordAndItIsNotSentTwice(t *testing.T) {
	b, dir := startBroker(t), t.TempDir()
	g := startQueue(t, dir, Options{}).await()
	conn := b.connect(t)
	g.want("acknowledged", conn, "t", "0", patient)
	b.block()
	g.want("kept", conn, "t", "1", soon)
	g.want("kept", conn, "t", "2", soon) // behind the first, without asking Kafka
	b.release()
	g.awaitEmpty()
	g.want("acknowledged", conn, "t", "3", patient)
	ascending(t, b.values(t, "t", 4))
	await.True(t, "the empty stream's files are removed", func() bool { return len(files(t, dir)) == 0 })
}

func TestWhatPassesIsKeptAndWhatDoesNotIsRefused(t *testing.T) {
	cases := []struct {
		name, topic string
		fail        *kerr.Error
		brokers     string
		want        string
	}{
		{"no broker answers", "t", nil, "127.0.0.1:1", "kept"},
		{"too few replicas", "t", kerr.NotEnoughReplicas, "", "kept"},
		{"the leader is moving", "t", kerr.NotLeaderForPartition, "", "kept"},
		{"larger than the topic takes", "t", kerr.MessageTooLarge, "", fmt.Sprintf("refused %v", record.KindTooLarge)},
		{"invalid for the broker", "t", kerr.InvalidRecord, "", fmt.Sprintf("refused %v", record.KindRejected)},
		{"the topic is not the credentials'", "t", kerr.TopicAuthorizationFailed, "", fmt.Sprintf("refused %v", record.KindForbidden)},
		{"there is no such topic", "nowhere", nil, "", fmt.Sprintf("refused %v", record.KindTopicNotFound)},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b, dir := startBroker(t), t.TempDir()
			g := startQueue(t, dir, Options{}).await()
			conn := b.connect(t)
			if c.brokers != "" {
				conn = connect(t, c.brokers)
			}
			if c.fail != nil {
				b.failWith(func(string) *kerr.Error { return c.fail })
			}
			g.want(c.want, conn, c.topic, "0", 2*time.Second)
			if onDisk := len(files(t, dir)) > 0; onDisk != (c.want == "kept") {
				t.Errorf("on disk: %v", files(t, dir))
			}
		})
	}
}

// startAway starts a queue whose broker is to be started later.
func startAway(t *testing.T) (*gateway, *kafkaconf.Connection, func() *broker) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	g := startQueue(t, t.TempDir(), Options{}).await()
	return g, connect(t, fmt.Sprintf("127.0.0.1:%d", port)), func() *broker { return startBroker(t, kfake.Ports(port)) }
}

func TestNothingOvertakesTheRecordsOnDiskWhenTheBrokerComesBack(t *testing.T) {
	g, conn, start := startAway(t)
	n := 0
	for range 20 {
		g.want("kept", conn, "t", fmt.Sprint(n), soon)
		n++
	}
	b := start()
	await.True(t, "records go straight to Kafka again", func() bool {
		n++
		return g.send(conn, "t", fmt.Sprint(n-1), soon) == "acknowledged"
	})
	ascending(t, b.values(t, "t", n))
}

func TestAStreamUnderLoadBecomesEmptyAgainAfterAnOutage(t *testing.T) {
	b, dir := startBroker(t), t.TempDir()
	g := startQueue(t, dir, Options{}).await()
	conn := b.connect(t)
	g.want("acknowledged", conn, "t", "first", patient)
	b.block()
	var acknowledged, sent atomic.Int64
	var timeout atomic.Int64
	timeout.Store(int64(soon))
	done := make(chan struct{})
	var workers sync.WaitGroup
	for range 16 {
		workers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if g.send(conn, "t", "x", time.Duration(timeout.Load())) == "acknowledged" {
					acknowledged.Add(1)
				}
				sent.Add(1)
			}
		})
	}
	await.True(t, "records are kept", func() bool { return g.pending() > 100 })
	b.mu.Lock()
	b.slow = 20 * time.Millisecond // in which new records come
	b.mu.Unlock()
	timeout.Store(int64(patient)) // a busy machine is no outage
	b.release()
	before := acknowledged.Load()
	await.True(t, "records go straight to Kafka again, under load", func() bool { return acknowledged.Load() > before+500 })
	close(done)
	workers.Wait()
	g.awaitEmpty()
	if n := len(b.values(t, "t", int(sent.Load())+1)); n != int(sent.Load())+1 {
		t.Errorf("%d records were taken, %d are in the topic", sent.Load()+1, n)
	}
}

func TestAfterARestartOnlyWhatWasNotAcknowledgedIsSentInOrder(t *testing.T) {
	b, dir := startBroker(t), t.TempDir()
	conn := b.connect(t)
	g := startQueue(t, dir, Options{}).await()
	g.want("acknowledged", conn, "t", "0", patient)
	b.block()
	for i := range 50 {
		g.want("kept", conn, "t", fmt.Sprint(i+1), soon)
	}
	b.release()
	g.awaitEmpty()
	away := connect(t, "127.0.0.1:1")
	for i := range 50 {
		g.want("kept", away, "u", fmt.Sprint(i), soon)
	}
	g.close()

	g = startQueue(t, dir, Options{}).await()
	if n := g.pending(); n != 50 {
		t.Errorf("%d records wait after the restart, want 50", n)
	}
	ascending(t, b.values(t, "t", 51))
}

func TestTheNextProcessServesMeanwhileAndSendsAfterThisOneHasLetGo(t *testing.T) {
	b, dir := startBroker(t), t.TempDir()
	conn := b.connect(t)
	old := startQueue(t, dir, Options{}).await()
	old.want("acknowledged", conn, "t", "0", patient)
	next := startQueue(t, dir, Options{})
	next.want("acknowledged", conn, "t", "1", patient) // nothing is before it
	b.block()
	old.want("kept", conn, "t", "2", soon)
	next.want("kept", conn, "t", "3", patient) // behind the other process's record
	b.release()
	old.awaitEmpty()
	b.values(t, "t", 3)
	next.want("kept", conn, "t", "4", patient) // behind its own
	if n := next.pending(); n != 2 {
		t.Errorf("%d records wait with the process that does not own the spool, want 2", n)
	}
	old.close()
	next.await()
	next.awaitEmpty()
	next.want("acknowledged", conn, "t", "5", patient)
	ascending(t, b.values(t, "t", 6))
}

func TestALateAcknowledgementCountsForAProcessThatDoesNotOwnTheSpoolToo(t *testing.T) {
	b, dir := startBroker(t), t.TempDir()
	conn := b.connect(t)
	old := startQueue(t, dir, Options{}).await()
	next := startQueue(t, dir, Options{})
	next.want("acknowledged", conn, "t", "0", patient)
	b.block()
	next.want("kept", conn, "t", "1", soon)
	b.release()
	next.awaitEmpty()
	old.close()
	next.await()
	next.want("acknowledged", conn, "t", "2", patient)
	ascending(t, b.values(t, "t", 3))
}

func TestARecordHasTheTimeAtWhichItWasTaken(t *testing.T) {
	g := startQueue(t, t.TempDir(), Options{}).await()
	away := connect(t, "127.0.0.1:1")
	begin := time.Now()
	g.want("kept", away, "t", "1", soon)
	g.want("kept", away, "t", "2", soon)
	g.sendAll(away, soon, "3", "4")
	entries, err := g.queue.stream(away, DeadLetter).disk.Load().Next(spool.Position{}, 10, 1000)
	if err != nil || len(entries) != 4 {
		t.Fatal(len(entries), err)
	}
	for i, e := range entries {
		if e.Record.Timestamp.Before(begin) || e.Record.Timestamp.After(time.Now()) {
			t.Errorf("record %d: %v", i+1, e.Record.Timestamp)
		}
	}
}

func TestHurryEndsTheWaitingForKafka(t *testing.T) {
	b, dir := startBroker(t), t.TempDir()
	g := startQueue(t, dir, Options{}).await()
	conn := b.connect(t)
	g.want("acknowledged", conn, "t", "0", patient)
	b.block()
	got := make(chan string)
	go func() { got <- g.send(conn, "t", "1", time.Hour) }()
	await.True(t, "the record is under way", func() bool { return b.waiting() })
	g.queue.Hurry(time.Now())
	if outcome := <-got; outcome != "kept" {
		t.Errorf("the record that was under way: %s", outcome)
	}
	g.want("kept", conn, "t", "2", time.Hour)
	g.close()
	// The second record is under way, too, if the forwarder was quick.
	counted := strings.Contains(g.log.String(), "records=1") || strings.Contains(g.log.String(), "records=2")
	if !strings.Contains(g.log.String(), "the next one sends them again") || !counted {
		t.Errorf("the log does not count what was under way:\n%s", g.log)
	}
}

// waiting reports whether librdkafka has handed a request to the broker.
func (b *broker) waiting() bool { return b.held.Load() > 0 }

func TestARecordThatCannotBeKeptIsRefusedOrUnconfirmed(t *testing.T) {
	cases := []struct {
		name  string
		spoil func(dir string) error
		kind  record.Kind
	}{
		{"the spool is full", func(string) error { return nil }, record.KindSpoolFull},
		{"the directory is gone", func(dir string) error {
			if err := os.RemoveAll(dir); err != nil {
				return err
			}
			return os.WriteFile(dir, nil, 0o600)
		}, record.KindSpoolFailed},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b, dir := startBroker(t), filepath.Join(t.TempDir(), "spool")
			opts := Options{}
			if c.kind == record.KindSpoolFull {
				opts.MaxBytes = 10
			}
			g := startQueue(t, dir, opts).await()
			conn := b.connect(t)
			g.want("acknowledged", conn, "t", "0", patient)
			if err := c.spoil(dir); err != nil {
				t.Fatal(err)
			}
			g.want(fmt.Sprintf("refused %v", c.kind), connect(t, "127.0.0.1:1"), "t", "1", soon)
			b.block()
			g.want("unconfirmed", conn, "t", "2", soon)
			b.release()
			g.want("acknowledged", conn, "t", "3", patient)
		})
	}
}

func TestRecordsStillQueuedAtTheEndAreKeptInOrder(t *testing.T) {
	b, dir := startBroker(t), t.TempDir()
	g := startQueue(t, dir, Options{}).await()
	conn, err := kafkaconf.New(kafkaconf.Properties{"bootstrap.servers": strings.Join(b.ListenAddrs(), ",")}, record.Mode{})
	if err != nil {
		t.Fatal(err)
	}
	if err := deliver(g.pool.Way(conn, true), patient, *recordOf("t", "0")).Outcomes[0].Err; err != nil {
		t.Fatal(err)
	}
	b.block()
	for i := range 2000 {
		if err := deliver(g.pool.Way(conn, false), patient, *recordOf("t", fmt.Sprint(i+1))).Outcomes[0].Err; err != nil {
			t.Fatal(err)
		}
	}
	g.close()
	b.release()
	g = startQueue(t, dir, Options{}).await()
	g.awaitEmpty()
	// The broker had some of them: of a record under way nobody knows, so it is sent again.
	seen := -1
	for _, v := range b.values(t, "t", 2001) {
		var n int
		if _, err := fmt.Sscan(v, &n); err != nil {
			t.Fatal(err)
		}
		if n > seen+1 {
			t.Fatalf("record %d comes after %d", n, seen)
		}
		seen = max(seen, n)
	}
}

// A producer that loses its sequence, or is fenced, is good for nothing more. What it
// had is sent by the next one.
func TestWhatAProducerHadWhenItFailedForGoodIsSentByTheNextOne(t *testing.T) {
	for _, cause := range []*kerr.Error{kerr.OutOfOrderSequenceNumber, kerr.InvalidProducerEpoch, kerr.UnknownProducerID, kerr.ProducerFenced, kerr.InvalidProducerIDMapping} {
		t.Run(cause.Message, func(t *testing.T) {
			b, dir := startBroker(t), t.TempDir()
			g := startQueue(t, dir, Options{}).await()
			conn := b.connect(t)
			g.want("acknowledged", conn, "t", "0", patient)
			var failed atomic.Bool
			b.failWith(func(string) *kerr.Error {
				if failed.Swap(true) {
					return nil
				}
				return cause
			})
			outcome := g.send(conn, "t", "1", patient)
			if outcome != "kept" && outcome != "acknowledged" {
				t.Fatalf("the record that the producer had: %s", outcome)
			}
			g.awaitEmpty()
			g.want("acknowledged", conn, "t", "2", patient)
			ascending(t, b.values(t, "t", 3))
		})
	}
}

// What ends between reading records from disk and looking for their flights has been
// sent all the same.
func TestARecordAcknowledgedWhileItIsReadFromDiskIsNotSentAgain(t *testing.T) {
	b, dir := startBroker(t), t.TempDir()
	g := startQueue(t, dir, Options{}).await()
	conn := b.connect(t)
	g.want("acknowledged", conn, "t", "0", patient)
	b.block()
	st := g.queue.stream(conn, DeadLetter)
	st.turn <- struct{}{} // the forwarder is between two rounds
	g.want("kept", conn, "t", "1", soon)
	disk := st.disk.Load()
	entries, err := disk.Next(spool.Position{}, 10, 1000)
	if err != nil || len(entries) != 1 {
		t.Fatal(entries, err)
	}
	b.release()
	await.True(t, "the acknowledgement comes", func() bool {
		st.mu.Lock()
		defer st.mu.Unlock()
		st.noteOutcomes() // as a request does that has just been kept
		return len(st.acked) == 1
	})
	for i := range entries {
		l := st.laneOf(&spool.Head{Position: entries[i].Position, Topic: []byte("t"), Partition: record.AnyPartition})
		l.take(st, 1)
		st.chosen = append(st.chosen, taken{l, 1})
	}
	if err := st.send(disk, entries); err != nil {
		t.Fatal(err)
	}
	<-st.turn
	g.awaitEmpty()
	g.want("acknowledged", conn, "t", "2", patient)
	ascending(t, b.values(t, "t", 3))
}

func TestARecordThatIsBeingKeptWhenTheProcessEndsIsNotSentAgain(t *testing.T) {
	b, dir := startBroker(t), t.TempDir()
	g := startQueue(t, dir, Options{}).await()
	conn := b.connect(t)
	st := g.queue.stream(conn, DeadLetter)
	b.block()
	d, perr := g.pool.Queue(t.Context(), conn, recordOf("t", "0"))
	if perr != nil {
		t.Fatal(perr)
	}
	// What append does, which is between the write and the note of the flight when its
	// call is cut off and the process ends.
	st.keeping.RLock()
	disk, err := g.queue.open(st)
	if err != nil {
		t.Fatal(err)
	}
	st.disk.Store(disk)
	position, err := disk.Append(&spool.Entry{Record: *recordOf("t", "0")})
	if err != nil {
		t.Fatal(err)
	}
	b.release()
	await.True(t, "the acknowledgement comes", d.Reported)
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		g.close()
	}()
	await.True(t, "the end waits for the record", func() bool {
		select {
		case <-closed:
			t.Fatal("it did not wait")
		default:
		}
		if st.keeping.TryRLock() {
			st.keeping.RUnlock()
			return false
		}
		return true
	})
	st.fly(position, d)
	st.keeping.RUnlock()
	<-closed
	if left := files(t, dir); len(left) > 0 {
		t.Errorf("it is on disk still: %v", left)
	}
}

func TestAGateWhoseTimeIsOverIsFollowedByAnother(t *testing.T) {
	g := startQueue(t, t.TempDir(), Options{}).await()
	st := g.queue.stream(connect(t, "127.0.0.1:1"), DeadLetter)
	st.setGate(true)
	first := st.gate
	st.setGate(true)
	if st.gate != first {
		t.Error("a gate that is good was replaced")
	}
	first.until = time.Now().Add(-time.Millisecond)
	if st.awaitGate(t.Context(), nil) {
		t.Error("a request waits at a gate whose time is over")
	}
	st.setGate(true)
	if st.gate == first || time.Until(st.gate.until) <= 0 {
		t.Error("no request waits any more while the last records are sent")
	}
	select {
	case <-first.closed:
	default:
		t.Error("who waits at the first gate is not let go")
	}
	st.setGate(false)
}
