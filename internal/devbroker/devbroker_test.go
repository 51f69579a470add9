package devbroker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"
)

func startBroker(t *testing.T) *Broker {
	t.Helper()
	b, err := Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// startClient makes a client of another library than the plugin's.
func startClient(t *testing.T, brokers string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(brokers), kgo.AllowAutoTopicCreation(), kgo.MetadataMinAge(10 * time.Millisecond),
		// The simulated broker answers newer versions of Produce and ApiVersions in
		// a way that librdkafka alone can read.
		kgo.MaxVersions(kversion.V0_11_0()),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

func patience(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func produce(t *testing.T, cl *kgo.Client, records ...*kgo.Record) {
	t.Helper()
	if err := cl.ProduceSync(patience(t), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// screen keeps the records that a tail shows, as topic/value.
type screen struct {
	mu   sync.Mutex
	seen []string
}

func (s *screen) show(m *kafka.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, fmt.Sprintf("%s/%s", *m.TopicPartition.Topic, m.Value))
}

func (s *screen) shown() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.seen)
}

func (s *screen) waitFor(t *testing.T, record string) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !slices.Contains(s.shown(), record) {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s is not shown; shown are %q", record, s.shown())
		}
	}
}

func startTail(t *testing.T, brokers string, all bool) (*Tail, *screen) {
	t.Helper()
	s := &screen{}
	tail, err := NewTail(brokers, nil, all, s.show)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tail.Close)
	return tail, s
}

func TestBrokerIsOneOfKafka(t *testing.T) {
	b := startBroker(t)
	cl := startClient(t, b.Address(), kgo.ConsumeTopics("t"), kgo.FetchMaxWait(100*time.Millisecond), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	sent := &kgo.Record{Topic: "t", Key: []byte("k"), Value: []byte("v"), Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("1")}}}
	produce(t, cl, sent)
	got := cl.PollFetches(patience(t)).Records()
	if len(got) != 1 {
		t.Fatalf("%d records came back", len(got))
	}
	if r := got[0]; string(r.Key) != "k" || string(r.Value) != "v" || len(r.Headers) != 1 || r.Offset != sent.Offset || r.Partition != sent.Partition {
		t.Errorf("sent %+v, got %+v", sent, r)
	}
}

func TestBrokersAreApartAndLocal(t *testing.T) {
	a, b := startBroker(t), startBroker(t)
	if a.Address() == b.Address() {
		t.Errorf("both are at %s", a.Address())
	}
	host, _, err := net.SplitHostPort(a.Address())
	if err != nil || !net.ParseIP(host).IsLoopback() {
		t.Errorf("it is at %s", a.Address())
	}
}

func TestClosedBrokerIsGone(t *testing.T) {
	b := startBroker(t)
	b.Close()
	if c, err := net.Dial("tcp", b.Address()); err == nil {
		c.Close()
		t.Error("it still listens")
	}
	b.Close() // is allowed
}

func TestBrokerComesBackWithItsRecords(t *testing.T) {
	b := startBroker(t)
	address := b.Address()
	_, screen := startTail(t, address, true)
	produceTo(t, b, "t", 0, "before")
	screen.waitFor(t, "t/before")
	for round := range 3 {
		if err := b.SetAway(true); err != nil || !b.Away() {
			t.Fatalf("%v, away: %v", err, b.Away())
		}
		if c, err := net.Dial("tcp", address); err == nil { // and is hung up on, where a broker would wait for a request
			if err := c.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("a client reaches it while it is away")
			}
			c.Close()
		}
		if err := b.SetAway(false); err != nil || b.Away() || b.Address() != address {
			t.Fatalf("%v, away: %v at %s", err, b.Away(), b.Address())
		}
		value := fmt.Sprintf("after-%d", round)
		sent := &kgo.Record{Topic: "t", Partition: 0, Value: []byte(value)}
		produce(t, startClient(t, address, kgo.RecordPartitioner(kgo.ManualPartitioner())), sent)
		if want := int64(round + 1); sent.Offset != want {
			t.Errorf("its record has offset %d, want %d", sent.Offset, want)
		}
		screen.waitFor(t, "t/"+value)
	}
	b.Close()
	if err := b.SetAway(true); err == nil {
		t.Error("a broker that is closed is taken away")
	}
}

func TestTailKnowsHowManyPartitionsTopicsHave(t *testing.T) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, "two"), kfake.SeedTopics(5, "five", "__internal"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	tail, _ := startTail(t, c.ListenAddrs()[0], false)
	got, err := tail.Partitions()
	if err != nil || !maps.Equal(got, map[string]int{"two": 2, "five": 5}) {
		t.Errorf("%v, %v", got, err)
	}
	nobody, _ := startTail(t, "127.0.0.1:1", false)
	if got, err := nobody.Partitions(); err == nil {
		t.Errorf("of a cluster that is not there: %v", got)
	}
}

func TestTailShowsEveryRecordOnce(t *testing.T) {
	b := startBroker(t)
	cl := startClient(t, b.Address())
	produce(t, cl, &kgo.Record{Topic: "before", Value: []byte("0")})
	_, screen := startTail(t, b.Address(), true)

	// In each round there is one topic more, while those before go on.
	const rounds = 8
	want := []string{"before/0"}
	for round := range rounds {
		var records []*kgo.Record
		for topic := range round + 1 {
			for i := range 10 {
				r := &kgo.Record{Topic: fmt.Sprintf("t%d", topic), Value: fmt.Appendf(nil, "%d-%d", round, i)}
				want = append(want, r.Topic+"/"+string(r.Value))
				records = append(records, r)
			}
		}
		produce(t, cl, records...)
		screen.waitFor(t, fmt.Sprintf("t%d/%d-9", round, round)) // the new topic has been found
	}
	// What comes last to each topic's partitions comes after all that is shown of it.
	for topic := range rounds {
		for p := range int32(4) {
			produceTo(t, b, fmt.Sprintf("t%d", topic), p, fmt.Sprintf("last-%d", p))
			want = append(want, fmt.Sprintf("t%d/last-%d", topic, p))
		}
	}
	for _, record := range want {
		screen.waitFor(t, record)
	}
	got := screen.shown()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%d records were sent, %d shown:\n%s", len(want), len(got), strings.Join(got, " "))
	}
}

func produceTo(t *testing.T, b *Broker, topic string, partition int32, value string) {
	t.Helper()
	cl := startClient(t, b.Address(), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	produce(t, cl, &kgo.Record{Topic: topic, Partition: partition, Value: []byte(value)})
	cl.Close()
}

// A cluster that is not dev's own has records and topics that are nobody's business.
func TestTailOfAClusterShowsWhatIsNewOfWatchedTopics(t *testing.T) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, "watched", "other"), kfake.AllowAutoTopicCreation())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	brokers := c.ListenAddrs()[0]
	cl := startClient(t, brokers, kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
	// A record's time is in milliseconds: one of the millisecond in which watching begins counts as new.
	before := time.Now().Add(-time.Millisecond)
	for i := range 4 {
		produce(t, cl, &kgo.Record{Topic: "watched", Timestamp: before, Value: fmt.Appendf(nil, "old-%d", i)})
	}
	tail, screen := startTail(t, brokers, false)
	tail.Watch("watched")
	tail.Watch("watched")
	tail.Watch("later") // is not there yet
	for round := range 2 {
		for i := range 4 {
			value := fmt.Appendf(nil, "%d-%d", round, i)
			for _, topic := range []string{"watched", "other", "later"} {
				produce(t, cl, &kgo.Record{Topic: topic, Value: value})
			}
		}
		for i := range 4 {
			screen.waitFor(t, fmt.Sprintf("watched/%d-%d", round, i))
			screen.waitFor(t, fmt.Sprintf("later/%d-%d", round, i))
		}
	}
	seen := map[string]int{}
	for _, record := range screen.shown() {
		if seen[record]++; seen[record] > 1 || strings.Contains(record, "old") || strings.HasPrefix(record, "other/") {
			t.Errorf("shown, %d times: %s", seen[record], record)
		}
	}
}

func TestClosingATailIsPrompt(t *testing.T) {
	cases := []struct {
		name string
		// brokers says where the cluster is, and ready returns when it has been asked.
		cluster func(t *testing.T) (brokers string, ready func())
	}{
		{"with a broker", func(t *testing.T) (string, func()) { return startBroker(t).Address(), func() {} }},
		{"with a broker that is not there", func(*testing.T) (string, func()) { return "127.0.0.1:1", func() {} }},
		{"with a broker that says nothing", func(t *testing.T) (string, func()) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { l.Close() })
			return l.Addr().String(), func() {
				c, err := l.Accept()
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { c.Close() })
				if _, err := c.Read(make([]byte, 1)); err != nil {
					t.Fatal(err)
				}
			}
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			brokers, ready := c.cluster(t)
			tail, err := NewTail(brokers, nil, true, func(*kafka.Message) {})
			if err != nil {
				t.Fatal(err)
			}
			ready()
			start := time.Now()
			tail.Close()
			if took := time.Since(start); took > 3*closeWait {
				t.Errorf("it took %v", took)
			}
		})
	}
}
