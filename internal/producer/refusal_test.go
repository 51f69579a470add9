package producer

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/producer/client"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/test/await"
)

// refuser is a cluster that refuses a batch for some of its records, as Kafka does.
type refuser struct {
	err   *kerr.Error
	names bool // it says which they are (KIP-467)

	mu      sync.Mutex
	refused int
	sizes   []int // of the batches, in records
}

func (r *refuser) control(c *kfake.Cluster, bad func(value string) bool) {
	c.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		produce := req.(*kmsg.ProduceRequest)
		var named []int32
		n := 0
		for _, value := range valuesIn(produce) {
			if bad(value) {
				named = append(named, int32(n))
			}
			n++
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.sizes = append(r.sizes, n)
		if named == nil {
			return nil, nil, false
		}
		r.refused++
		if !r.names {
			named = nil
		}
		return refusal(produce, r.err, named), nil, true
	})
}

func (r *refuser) largest() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Max(r.sizes)
}

// valuesIn returns the values of a request's records.
func valuesIn(r *kmsg.ProduceRequest) (values []string) {
	for _, topic := range r.Topics {
		for _, partition := range topic.Partitions {
			var batch kmsg.RecordBatch
			if batch.ReadFrom(partition.Records) != nil {
				continue
			}
			b := batch.Records
			for range batch.NumRecords {
				var rec kmsg.Record
				length, n := varint(b)
				if rec.ReadFrom(b[:n+length]) != nil {
					break
				}
				values = append(values, string(rec.Value))
				b = b[n+length:]
			}
		}
	}
	return values
}

// varint reads a zigzag number, and says how long it is.
func varint(b []byte) (v, n int) {
	shift := 0
	for {
		c := b[n]
		v |= int(c&0x7f) << shift
		n++
		if c < 0x80 {
			return v>>1 ^ -(v & 1), n
		}
		shift += 7
	}
}

func isBad(value string) bool { return strings.HasPrefix(value, "bad") }

func TestRefusalOfABatchIsThatOfItsBadRecordsOnly(t *testing.T) {
	cases := []struct {
		name  string
		by    *refuser
		kind  record.Kind
		props []string
	}{
		{"Kafka names the record", &refuser{err: kerr.InvalidRecord, names: true}, record.KindRejected, nil},
		{"Kafka names none", &refuser{err: kerr.InvalidRecord}, record.KindRejected, nil},
		{"a wrong timestamp", &refuser{err: kerr.InvalidTimestamp, names: true}, record.KindRejected, nil},
		{"the batch is larger than the topic takes", &refuser{err: kerr.MessageTooLarge}, record.KindTooLarge, nil},
		{"a policy of the broker's", &refuser{err: kerr.PolicyViolation}, record.KindRejected, nil},
		{"without idempotence", &refuser{err: kerr.InvalidRecord}, record.KindRejected, []string{"acks", "1"}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			c := startFake(t)
			p, _ := startPool(t, 0)
			conn := connect(t, c, true, append(tc.props, "linger.ms", "100")...)
			tc.by.control(c, isBad)
			const records = 40
			var senders sync.WaitGroup
			for i := range records {
				senders.Go(func() {
					value := fmt.Sprint("good", i)
					if i%20 == 7 {
						value = fmt.Sprint("bad", i)
					}
					ack, err := send(p, conn, recordOf("t", value), true, in(10*time.Second))
					switch {
					case !isBad(value) && (err != nil || ack.Offset < 0):
						t.Errorf("%s: %+v %v", value, ack, err)
					case isBad(value) && (err == nil || err.Kind != tc.kind || err.Unconfirmed):
						t.Errorf("%s: %+v", value, err)
					}
				})
			}
			senders.Wait()
			got := valuesOf(t, c, "t", records-2)
			slices.Sort(got)
			if len(slices.Compact(got)) != records-2 {
				t.Errorf("the topic has %v", got)
			}
			for _, at := range timestampsOf(t, c, "t", records-2) {
				if time.Since(at).Abs() > time.Hour {
					t.Errorf("a record is stored with the time %v", at)
				}
			}
			if tc.by.largest() < 2 {
				t.Error("there was no batch")
			}
			await.True(t, "nothing is left", func() bool { return p.Stats().InflightBytes == 0 })
		})
	}
}

// slowReader holds up the reading of reports, at the first, until a batch has been refused
// and librdkafka has had the time to send those behind it.
type slowReader struct {
	*refuser
	first sync.Once
}

func (r *slowReader) Outcome(time.Duration, *record.Error) {
	r.first.Do(func() {
		for r.times() == 0 {
			<-time.After(time.Millisecond)
		}
		<-time.After(200 * time.Millisecond)
	})
}

func (r *refuser) times() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.refused
}

func TestRefusalKeepsTheOrderOfTheOthers(t *testing.T) {
	for _, c := range []struct {
		mode record.Delivery
		bad  int // the first bad record, of 500 each
	}{
		{record.Async, 450},
		{record.Durable, 450},
		// A broker that has nothing of a producer takes whatever sequence number comes first:
		// of several batches under way, the second one when it has refused the first.
		{record.Async, 0},
		{record.Durable, 0},
	} {
		mode, isBadNumber := c.mode, func(i int) bool { return i%500 == c.bad }
		t.Run(fmt.Sprintf("%s, from record %d on", mode, c.bad), func(t *testing.T) {
			c := startFake(t)
			by := &refuser{err: kerr.InvalidRecord}
			by.control(c, isBad)
			p, _ := startPoolWith(t, Options{Observer: &slowReader{refuser: by}})
			props := kafkaconf.Properties{"bootstrap.servers": strings.Join(c.ListenAddrs(), ","), "batch.size": "1000"} // many batches
			conn, err := kafkaconf.New(props, record.Mode{Delivery: mode})
			if err != nil {
				t.Fatal(err)
			}
			const records = 2000
			var want []string
			var sent []*Delivery
			for i := range records {
				value := fmt.Sprint(i)
				if isBadNumber(i) {
					value = "bad" + value
				} else {
					want = append(want, value)
				}
				rec := &record.Record{Topic: "t", Partition: 1, Value: []byte(value)}
				if mode == record.Async {
					if _, err := send(p, conn, rec, false, in(10*time.Second)); err != nil {
						t.Fatal(err)
					}
					continue
				}
				d, err := queueFor(p, conn, rec, in(10*time.Second))
				if err != nil {
					t.Fatal(err)
				}
				sent = append(sent, d)
			}
			got := valuesOf(t, c, "t", len(want))
			if !slices.Equal(got, want) {
				for i := range got {
					if got[i] != want[i] {
						t.Fatalf("from %d on the topic has %v", i, got[i:min(i+20, len(got))])
					}
				}
			}
			for i, d := range sent {
				await.True(t, "each has an outcome", d.Reported)
				if err := d.Outcome().Err; (err != nil) != isBadNumber(i) {
					t.Errorf("record %d: %v", i, err)
				}
				d.End()
			}
		})
	}
}

// The broker answers for what is under way, but takes longer for all of it than new records wait for one answer.
func TestHandoverKeepsTheOrderWhileTheBrokerAnswers(t *testing.T) {
	c := startFake(t)
	p, _ := startPool(t, 0)
	conn := connect(t, c, false, "batch.size", "1", "linger.ms", "0") // each record is a batch
	release := make(chan struct{})
	const underWay = 5 // of one partition: librdkafka sends no more
	behind := 0        // requests behind the first bad one
	c.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		switch produce := req.(*kmsg.ProduceRequest); {
		case valuesIn(produce)[0] == "bad":
			<-release
			behind = 1
			return refusal(produce, kerr.InvalidRecord, nil), nil, true
		case behind > 0 && behind < underWay:
			behind++
			<-time.After(300 * time.Millisecond)
		}
		return nil, nil, false // a broker takes nothing of a producer whose numbers have a gap
	})
	queue := func(value string) {
		if _, err := send(p, conn, &record.Record{Topic: "t", Partition: 1, Value: []byte(value)}, false, in(30*time.Second)); err != nil {
			t.Error(err)
		}
	}
	var want []string
	for i := range 12 {
		want = append(want, fmt.Sprint(i))
		queue(want[i])
		if i == 0 {
			queue("bad")
		}
	}
	close(release)
	await.True(t, "the producer hands over", func() bool { return p.handovers.pending(conn.ID(), nil) != nil })
	queue("new")
	if got := valuesOf(t, c, "t", 13); !slices.Equal(got, append(want, "new")) {
		t.Errorf("the topic has %v", got)
	}
}

func TestCloseDeliversWhatIsBeingHandedOver(t *testing.T) {
	c := startFake(t)
	by := &refuser{err: kerr.InvalidRecord}
	by.control(c, isBad)
	p, log := startPool(t, 0)
	conn := connect(t, c, false, "batch.size", "1000") // many batches
	const records = 2000
	for i := range records {
		value := fmt.Sprint(i)
		if i == records/2 {
			value = "bad"
		}
		if _, err := send(p, conn, &record.Record{Topic: "t", Partition: 1, Value: []byte(value)}, false, in(10*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	await.True(t, "a batch is refused", func() bool { return strings.Contains(log.String(), "Kafka has refused a batch") })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if n := p.Close(ctx); n > 1 {
		t.Errorf("%d records were not delivered", n)
	}
	if got := valuesOf(t, c, "t", records-1); len(got) != records-1 {
		t.Errorf("%d records arrived", len(got))
	}
}

// A record that is slow to find its client goes the way of the earlier ones that were sent alone meanwhile, and not past them.
// The producer that sends alone is a new one. Before it has heard of the topic it can know no leader, and the refusal
// would be taken for that of one leader after another.
func TestRefusalAloneIsBelievedThoughTheProducerWasSlowToStart(t *testing.T) {
	c := startFake(t)
	p, _ := startPool(t, 0)
	conn := connect(t, c, true)
	var refused atomic.Bool
	queued := make(chan struct{})
	answerProduce(c, func(int, *kmsg.ProduceRequest) *kerr.Error {
		refused.Store(true)
		return kerr.InvalidRecord
	})
	c.ControlKey(int16(kmsg.Metadata), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if refused.Load() {
			<-queued
		}
		return nil, nil, false
	})
	outcome := make(chan *record.Error)
	go func() {
		_, err := send(p, conn, recordOf("t", "bad"), true, in(30*time.Second))
		outcome <- err
	}()
	await.True(t, "the batch is refused", func() bool { return p.suspects.has(conn.ID(), "t") })
	await.True(t, "its record is with the producer that sends alone", func() bool { return p.handovers.any() == nil })
	close(queued)
	if err := <-outcome; err == nil || err.Kind != record.KindRejected || err.Unconfirmed {
		t.Errorf("got %+v", err)
	}
}

func TestTopicThatBecomesSuspectWhileARecordFindsItsClient(t *testing.T) {
	c := startFake(t)
	p, _ := startPool(t, 0)
	conn := connect(t, c, true)
	p.mu.Lock()
	found := make(chan *suspect)
	go func() {
		_, s, err := p.lane(context.Background(), conn, "t", client.ForSender)
		if err != nil {
			t.Error(err)
		}
		found <- s
	}()
	await.True(t, "the record looks for its client", func() bool {
		stacks := make([]byte, 1<<20)
		return strings.Contains(string(stacks[:runtime.Stack(stacks, true)]), "producer.(*Pool).client(")
	})
	p.suspects.refused(conn.ID(), "t")
	p.mu.Unlock()
	s := <-found
	if s == nil {
		t.Fatal("it passes the records that are sent alone")
	}
	s.Leave()
}

func TestHandoverOfTheProducerThatSendsAloneHoldsNewRecordsBack(t *testing.T) {
	c := startFake(t)
	p, _ := startPool(t, 0)
	conn := connect(t, c, true)
	p.suspects.refused(conn.ID(), "t")
	h := p.handovers.begin(conn.Alone().ID())
	_, err := send(p, conn, recordOf("t", "early"), true, in(200*time.Millisecond))
	if err == nil || err.Kind != record.KindUnavailable {
		t.Errorf("got %+v", err)
	}
	h.end()
	if _, err := send(p, conn, recordOf("t", "in time"), true, in(30*time.Second)); err != nil {
		t.Error(err)
	}
}

func TestSuspectTopicGoesBackWhenNothingOfItIsSentAlone(t *testing.T) {
	c := startFake(t, kfake.SeedTopics(1, "other"))
	p, _ := startPool(t, 0)
	conn := connect(t, c, true)
	by := refuser{err: kerr.InvalidRecord}
	by.control(c, isBad)
	// send returns the client that had the record, and the record's outcome.
	send := func(topic, value string) (*client.Client, *record.Error) {
		q, err := p.queue(ending(in(10*time.Second)), conn, recordOf(topic, value), client.ForSender)
		if err != nil {
			t.Fatal(err)
		}
		if !q.Wait(ending(in(10 * time.Second))) {
			t.Fatalf("no outcome of %s", value)
		}
		return q.by, q.End().Err
	}
	if _, err := send("t", "bad"); err == nil || err.Kind != record.KindRejected {
		t.Fatalf("%v", err)
	}
	if n := by.times(); n != 2 {
		t.Errorf("refused %d times, want once in its batch and once alone", n)
	}
	main, alone := p.client(conn), p.client(conn.Alone())
	if c, err := send("t", "bad"); err == nil || c != alone || by.times() != 3 {
		t.Errorf("%v, refused %d times: the topic is suspect, and its records are sent alone at once", err, by.times())
	}
	if p.client(conn) != main {
		t.Error("a refusal of a suspect topic's record has replaced the producer")
	}
	if c, err := send("other", "good"); err != nil || c != main {
		t.Errorf("a record of another topic: %v, sent alone: %v", err, c == alone)
	}
	if c, err := send("t", "good"); err != nil || c != alone {
		t.Errorf("a good one of the suspect topic: %v, sent alone: %v", err, c == alone)
	}
	p.suspects.mu.Lock()
	p.suspects.byTopic[suspectKey{conn.ID(), "t"}].until = time.Now()
	p.suspects.mu.Unlock()
	if c, err := send("t", "good"); err != nil || c != main {
		t.Errorf("after its time: %v, sent alone: %v", err, c == alone)
	}
	if n := p.suspects.n.Load(); n != 0 {
		t.Errorf("%d topics are suspect", n)
	}
}

// Each time that a topic becomes suspect, the producer of the connection is replaced, and all its topics wait.
func TestSuspectTopicsAreSoForLongerWhereTheyAreMany(t *testing.T) {
	for _, topics := range []int{1, 100} {
		synctest.Test(t, func(t *testing.T) {
			p := NewPool(Options{Log: slog.New(slog.DiscardHandler)})
			defer p.Close(t.Context())
			anew := 0
			for i := range 1200 { // a bad record each half second, to the topics in turn
				topic := fmt.Sprint("t", i%topics)
				if s, _ := p.suspects.enter(t.Context(), "conn", topic, client.ForSender); s != nil {
					s.Leave()
				} else {
					anew++
				}
				p.suspects.refused("conn", topic)
				time.Sleep(time.Second / 2)
			}
			if anew > topics+topics/10 { // some of the first are suspect no more when their turn comes again
				t.Errorf("%d topics become suspect %d times in ten minutes", topics, anew)
			}
			p.suspects.refused("other", "t")
			time.Sleep(suspectTime)
			if s, _ := p.suspects.enter(t.Context(), "other", "t", client.ForSender); s != nil {
				t.Error("the only one of another connection is so for longer")
			}
			time.Sleep(longestSuspect)
			p.suspects.sweep(time.Now())
			if n := p.suspects.n.Load(); n != 0 || len(p.suspects.byConn) != 0 {
				t.Errorf("%d topics are suspect for ever", n)
			}
		})
	}
}

// A keeper need not wait for a topic's earlier records, and so not keep the records of other topics waiting.
func TestLookSaysThatEarlierRecordsAreStillSentAlone(t *testing.T) {
	c := startFake(t, kfake.SeedTopics(1, "other"))
	p, _ := startPool(t, 0)
	conn := connectDurable(t, c)
	look := func(topic string) *record.Error {
		_, err := p.Look(conn, topic, 0)
		return err
	}
	for _, topic := range []string{"t", "other"} {
		if _, err := send(p, conn, recordOf(topic, "x"), true, in(10*time.Second)); err != nil {
			t.Fatalf("%+v", err)
		}
	}
	p.suspects.refused(conn.ID(), "t")
	s, err := p.suspects.enter(ending(in(time.Second)), conn.ID(), "t", client.ForKeeper)
	if err != nil || s == nil || look("t") != nil {
		t.Errorf("%v, %v: a suspect topic's records are taken", err, look("t"))
	}
	p.suspects.mu.Lock()
	s.until = time.Now()
	p.suspects.mu.Unlock()
	if err := look("t"); err != errStillAlone {
		t.Errorf("got %v", err)
	}
	if err := look("other"); err != nil {
		t.Errorf("another topic: %v", err)
	}
	s.Leave()
	if err := look("t"); err != nil {
		t.Errorf("when nothing is sent alone any more: %v", err)
	}
}

func TestRefusalByAnotherRouteHarmsNoRouteOfTheConnection(t *testing.T) {
	c := startFake(t, kfake.SeedTopics(1, "shared"))
	p, _ := startPool(t, 0)
	by := refuser{err: kerr.InvalidRecord}
	by.control(c, isBad)
	good, bad := connect(t, c, true, "linger.ms", "20"), connect(t, c, true, "linger.ms", "20")
	var senders sync.WaitGroup
	for worker := range 16 {
		senders.Go(func() {
			for i := range 20 {
				if _, err := send(p, good, recordOf("shared", fmt.Sprint("good", worker, i)), true, in(10*time.Second)); err != nil {
					t.Errorf("a good record: %+v", err)
				}
				if worker == 0 {
					if _, err := send(p, bad, recordOf("shared", "bad"), true, in(10*time.Second)); err == nil || err.Kind != record.KindRejected {
						t.Errorf("a bad record: %+v", err)
					}
				}
			}
		})
	}
	senders.Wait()
}

func TestSuspectTopicTakesNoMoreAsyncRecordsThanCanBeSentAlone(t *testing.T) {
	c := startFake(t, kfake.SeedTopics(1, "t"))
	p, _ := startPool(t, 0)
	conn := connect(t, c, false)
	by := refuser{err: kerr.InvalidRecord}
	by.control(c, isBad)
	if _, err := send(p, conn, recordOf("t", "bad"), false, in(10*time.Second)); err != nil {
		t.Fatal(err)
	}
	await.True(t, "the topic is suspect", func() bool { return p.suspects.n.Load() == 1 })
	if _, err := send(p, conn, recordOf("t", "good"), false, in(10*time.Second)); err != nil { // after the handover
		t.Fatal(err)
	}
	release := holdProduce(c)
	taken, refused := 0, (*record.Error)(nil)
	for ; refused == nil && taken <= 2*maxAlone; taken++ {
		_, refused = send(p, conn, recordOf("t", "good"), false, in(time.Second))
	}
	if refused == nil || refused.Kind != record.KindQueueFull || refused.Unconfirmed {
		t.Errorf("after %d records that nobody takes: %+v", taken, refused)
	}
	release()
	if _, err := send(p, conn, recordOf("t", "good"), false, in(10*time.Second)); err != nil {
		t.Errorf("when there is room again: %+v", err)
	}
}

// A backlog that is sent one record after another takes none of the room of other topics.
func TestSuspectTopicsBacklogLeavesOtherTopicsTheirRoom(t *testing.T) {
	c := startFake(t, kfake.SeedTopics(1, "t", "other"))
	p, _ := startPoolWith(t, Options{MaxInflightBytes: 1 << 20})
	conn := connect(t, c, false)
	for _, topic := range []string{"t", "other"} {
		if _, err := send(p, conn, recordOf(topic, "first"), true, in(10*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	queued, alone := make(chan struct{}), make(chan struct{})
	var refused, held atomic.Bool
	c.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		<-queued
		produce := req.(*kmsg.ProduceRequest)
		switch values := valuesIn(produce); {
		case slices.ContainsFunc(values, isBad):
			refused.Store(true)
			return refusal(produce, kerr.InvalidRecord, nil), nil, true
		case refused.Load() && strings.HasPrefix(values[0], "good") && held.CompareAndSwap(false, true):
			c.SleepControl(func() { <-alone }) // those behind it on the connection wait as well
		}
		return nil, nil, false
	})
	defer sync.OnceFunc(func() { close(alone) })()
	value := "bad"
	for _, err := send(p, conn, recordOf("t", value), false, in(10*time.Second)); err == nil; { // until the share is full
		value = "good" + strings.Repeat("x", 10000)
		_, err = send(p, conn, recordOf("t", value), false, in(10*time.Second))
	}
	close(queued)
	await.True(t, "a batch is refused", func() bool { return p.suspects.has(conn.ID(), "t") })
	await.True(t, "the producer has been replaced", func() bool { return p.handovers.any() == nil })
	if _, err := send(p, conn, recordOf("other", value), false, in(10*time.Second)); err != nil {
		t.Errorf("a record of another topic: %+v", err)
	}
}
