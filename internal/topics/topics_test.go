package topics

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/kafkaupstream/kafkaupstream/internal/deadline"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/test/await"
)

// cluster answers questions about topics: there is none but those in topics.
type cluster struct {
	topics      map[string]kafka.TopicMetadata
	named, list atomic.Int32
	silent      map[string]chan struct{} // names for which the answer comes when it is closed
}

func (c *cluster) ask(name *string, all bool, _ time.Duration) (*kafka.Metadata, error) {
	if all {
		c.list.Add(1)
		return &kafka.Metadata{Topics: c.topics}, nil
	}
	c.named.Add(1)
	if wait := c.silent[*name]; wait != nil {
		<-wait
	}
	return &kafka.Metadata{Topics: c.topics}, nil
}

func withPartitions(leaders ...int32) kafka.TopicMetadata {
	t := kafka.TopicMetadata{}
	for id, leader := range leaders {
		t.Partitions = append(t.Partitions, kafka.PartitionMetadata{ID: int32(id), Leader: leader})
	}
	return t
}

func TestTopicsStateDecidesHowLongARecordWaits(t *testing.T) {
	leaderless := kafka.NewError(kafka.ErrLeaderNotAvailable, "", false)
	cases := []struct {
		name      string
		topic     kafka.TopicMetadata
		partition int32
		creates   bool        // topics on demand
		want      record.Kind // -1: none
		waits     bool        // until the deadline
	}{
		{"it is there", withPartitions(1, 2), record.AnyPartition, false, -1, false},
		{"it is missing, and none is created", kafka.TopicMetadata{Error: kafka.NewError(kafka.ErrUnknownTopicOrPart, "", false)}, record.AnyPartition, false, record.KindTopicNotFound, false},
		{"it is missing, and being created", kafka.TopicMetadata{Error: kafka.NewError(kafka.ErrUnknownTopicOrPart, "", false)}, record.AnyPartition, true, record.KindUnavailable, true},
		{"it has no leader yet", kafka.TopicMetadata{Error: leaderless}, record.AnyPartition, false, record.KindUnavailable, true},
		{"it has no partition yet", kafka.TopicMetadata{}, record.AnyPartition, false, record.KindUnavailable, true},
		{"no partition has a leader", withPartitions(-1, -1), record.AnyPartition, false, record.KindUnavailable, true},
		{"one has", withPartitions(-1, 2), record.AnyPartition, false, -1, false},
		{"the one has that is wanted", withPartitions(-1, 2), 1, false, -1, false},
		{"the one has none that is wanted", withPartitions(-1, 2), 0, false, record.KindUnavailable, true},
		{"it has fewer partitions", withPartitions(1, 2), 2, false, record.KindPartitionNotFound, false},
		{"it is forbidden", kafka.TopicMetadata{Error: kafka.NewError(kafka.ErrTopicAuthorizationFailed, "", false)}, record.AnyPartition, true, record.KindForbidden, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			k := &cluster{topics: map[string]kafka.TopicMetadata{"t": c.topic}}
			ts := New(k.ask, nil, make(chan struct{}))
			ts.auto.known, ts.auto.creates, ts.auto.until = true, c.creates, within(time.Hour)
			end := within(300 * time.Millisecond)
			_, err := ts.Find(ending(end), "t", c.partition)
			if (c.want < 0) != (err == nil) || err != nil && err.Kind != c.want {
				t.Errorf("got %+v", err)
			}
			if late := !time.Now().Before(end); c.waits && !late {
				t.Error("it did not wait")
			}
			if n := k.named.Load(); !c.waits && n != 1 {
				t.Errorf("%d questions", n)
			}
		})
	}
}

func TestTopicIsUsedAsSoonAsItIsThere(t *testing.T) {
	k := &cluster{topics: map[string]kafka.TopicMetadata{}}
	var there atomic.Bool
	ts := New(func(name *string, all bool, wait time.Duration) (*kafka.Metadata, error) {
		if there.Load() {
			return &kafka.Metadata{Topics: map[string]kafka.TopicMetadata{"t": withPartitions(1)}}, nil
		}
		return k.ask(name, all, wait)
	}, nil, make(chan struct{}))
	ts.auto.known, ts.auto.creates, ts.auto.until = true, true, within(time.Hour)
	done := make(chan *record.Error)
	go func() {
		_, err := ts.Find(ending(within(time.Minute)), "t", record.AnyPartition)
		done <- err
	}()
	await.True(t, "it is asked for again", func() bool { return k.named.Load() > 2 })
	there.Store(true)
	if err := <-done; err != nil {
		t.Errorf("got %+v", err)
	}
}

func TestQuestionAboutOneTopicHoldsNoOtherUp(t *testing.T) {
	answer := make(chan struct{})
	defer close(answer)
	k := &cluster{topics: map[string]kafka.TopicMetadata{"t": withPartitions(1)}, silent: map[string]chan struct{}{}}
	for i := range 2 * maxNaming {
		k.silent[fmt.Sprint("silent", i)] = answer
	}
	ts := New(k.ask, nil, make(chan struct{}))
	for name := range k.silent {
		if _, err := ts.Look(name, record.AnyPartition); err != errNotAsked {
			t.Fatalf("%s: %+v", name, err)
		}
	}
	await.True(t, "they are asked for", func() bool { return int(k.named.Load()) == len(k.silent) })
	if _, err := ts.Find(ending(within(time.Minute)), "t", record.AnyPartition); err != nil {
		t.Errorf("another topic: %+v", err)
	}
}

// Records on disk are given up for what is said of their topic: not for what a silent cluster said long ago.
func TestTopicOfASilentClusterIsNotKnownToBeMissing(t *testing.T) {
	silent := make(chan struct{})
	defer close(silent)
	k := &cluster{}
	ts := New(k.ask, nil, make(chan struct{}))
	ts.auto.known, ts.auto.until = true, within(time.Hour)
	now := time.Now()
	ts.now = func() time.Time { return now }
	if _, err := ts.Find(ending(within(time.Minute)), "t", 0); err.Kind != record.KindTopicNotFound {
		t.Fatalf("%+v", err)
	}
	k.silent = map[string]chan struct{}{"t": silent}
	said := now
	for _, c := range []struct {
		age  time.Duration
		want record.Kind
	}{{silentAge, record.KindTopicNotFound}, {silentAge + 1, record.KindUnavailable}} {
		now = said.Add(c.age)
		if _, err := ts.Look("t", 0); err == nil || err.Kind != c.want {
			t.Errorf("after %v: %+v", c.age, err)
		}
	}
}

func TestTopicsAreAskedForAtOnce(t *testing.T) {
	k := &cluster{topics: map[string]kafka.TopicMetadata{}}
	ts := New(k.ask, nil, make(chan struct{}))
	ts.auto.known, ts.auto.until = true, within(100*time.Hour)
	var hours atomic.Int64
	start := time.Now()
	ts.now = func() time.Time { return start.Add(time.Duration(hours.Load()) * time.Hour) }
	const n = 150
	lookAll := func() (missing int) {
		for i := range n {
			if _, err := ts.Look(fmt.Sprint("t", i), record.AnyPartition); err.Kind == record.KindTopicNotFound {
				missing++
			}
		}
		return missing
	}
	await.True(t, "each is missing", func() bool { return lookAll() == n })
	if got := k.named.Load(); got != n { // a cluster that creates topics does so for a name only
		t.Errorf("%d questions about a topic, want %d", got, n)
	}
	silent := make(chan struct{})
	k.silent = map[string]chan struct{}{}
	for i := range n {
		k.silent[fmt.Sprint("t", i)] = silent
	}
	hours.Add(1) // what was said is too old
	lookAll()
	await.True(t, "most are asked for at once", func() bool {
		ts.mu.RLock()
		defer ts.mu.RUnlock()
		return ts.naming == maxNaming && !ts.listing
	})
	close(silent)
	if named, list := k.named.Load()-n, k.list.Load(); named > maxNaming || list > 2 {
		t.Errorf("%d questions about a topic and %d about all", named, list)
	}
}

func TestWhetherAClusterCreatesTopicsIsFoundOutOnce(t *testing.T) {
	for _, c := range []struct {
		name           string
		creates, known bool
		want           time.Duration
	}{
		{"it does", true, true, longCreationWait},
		{"it does not", false, true, 0},
		{"it does not say", false, false, creationWait},
	} {
		t.Run(c.name, func(t *testing.T) {
			var asked atomic.Int32
			answer := make(chan struct{})
			a := autoCreation{look: func() (bool, bool) {
				asked.Add(1)
				<-answer
				return c.creates, c.known
			}}
			now := time.Now()
			if got := a.wait(now); got != longCreationWait {
				t.Errorf("while it is asked: %v", got)
			}
			close(answer)
			await.True(t, "it has answered", func() bool {
				a.mu.Lock()
				defer a.mu.Unlock()
				return !a.looking
			})
			for range 10 {
				if got := a.wait(now); got != c.want {
					t.Errorf("%v, want %v", got, c.want)
				}
			}
			if n := asked.Load(); n != 1 {
				t.Errorf("asked %d times", n)
			}
		})
	}
}

func TestStrangersTopicNamesCostBoundedMemory(t *testing.T) {
	var byName, all atomic.Int32
	ts := New(func(name *string, list bool, _ time.Duration) (*kafka.Metadata, error) {
		if list {
			all.Add(1)
			return &kafka.Metadata{Topics: map[string]kafka.TopicMetadata{
				"real": {Topic: "real", Partitions: make([]kafka.PartitionMetadata, 2)},
			}}, nil
		}
		byName.Add(1)
		return &kafka.Metadata{}, nil
	}, nil, make(chan struct{}))
	ts.auto.known, ts.auto.until = true, within(time.Hour) // the cluster creates none
	for i := range 3 * maxTopics {
		if _, err := ts.Find(ending(within(time.Minute)), fmt.Sprint("junk", i), record.AnyPartition); err == nil || err.Kind != record.KindTopicNotFound {
			t.Fatalf("got %+v", err)
		}
	}
	if n := byName.Load(); n > maxUnknownTopics {
		t.Errorf("%d names reached librdkafka, which keeps each for ever", n)
	}
	if n := all.Load(); n > 20 {
		t.Errorf("the list of all topics was asked for %d times", n)
	}
	if len(ts.byName) > maxTopics {
		t.Errorf("%d names are kept", len(ts.byName))
	}
	if _, err := ts.Find(ending(within(time.Second)), "real", 1); err != nil {
		t.Errorf("a real topic is not found among them: %+v", err)
	}
}

// Names that were asked for while no broker answered are strangers', too.
func TestTopicsOfWhichNothingIsKnownMakeRoom(t *testing.T) {
	k := &cluster{topics: map[string]kafka.TopicMetadata{"known": withPartitions(1), "new": withPartitions(1)}}
	away := atomic.Bool{}
	ts := New(func(name *string, all bool, wait time.Duration) (*kafka.Metadata, error) {
		if away.Load() {
			return nil, kafka.NewError(kafka.ErrTransport, "", false)
		}
		return k.ask(name, all, wait)
	}, nil, make(chan struct{}))
	if _, err := ts.Find(ending(within(time.Minute)), "known", 0); err != nil {
		t.Fatal(err)
	}
	away.Store(true)
	for i := range maxTopics - 1 {
		if _, err := ts.Find(ending(within(time.Minute)), fmt.Sprint("t", i), 0); err == nil {
			t.Fatal("the cluster has answered")
		}
	}
	away.Store(false)
	if _, err := ts.Find(ending(within(time.Minute)), "new", 0); err != nil {
		t.Errorf("a topic that exists: %+v", err)
	}
	if n := len(ts.byName); n != 2 {
		t.Errorf("%d topics", n)
	}
}

// A producer's memory is given back with the producer only.
func TestProducerIsReplacedForANewTopicWhenHalfOfItsTopicsAreUnused(t *testing.T) {
	k := &cluster{topics: map[string]kafka.TopicMetadata{"new": withPartitions(1)}}
	for i := range maxTopics {
		k.topics[fmt.Sprint("t", i)] = withPartitions(1)
	}
	ts := New(k.ask, nil, make(chan struct{}))
	later, replaced := time.Duration(0), false
	ts.now = func() time.Time { return time.Now().Add(later) }
	ts.WornOut = func() { replaced = true }
	find := func(name string) *record.Error {
		_, err := ts.Find(ending(within(time.Minute)), name, 0)
		return err
	}
	for i := range maxTopics {
		if _, err := ts.Get(fmt.Sprint("t", i)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := ts.Get("new"); err == nil || err == ErrClosed || replaced {
		t.Errorf("before anything is known of them: %+v, replaced: %v", err, replaced)
	}
	for i := range maxTopics {
		if err := find(fmt.Sprint("t", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := find("new"); err == nil || err == ErrClosed || err.Kind != record.KindUnavailable || replaced {
		t.Errorf("while all are in use: %+v, replaced: %v", err, replaced)
	}
	later = unusedAge + time.Minute
	if err := find("new"); err != ErrClosed || !replaced {
		t.Errorf("when none is: %+v, replaced: %v", err, replaced)
	}
}

func within(d time.Duration) time.Time { return time.Now().Add(d) }

// ending is a context that ends at that time, and is not released.
func ending(at time.Time) context.Context { return deadline.New(at) }

// A clock that is set back must not freeze what is known: the age is by the monotonic clock.
func TestAnswersAgeIsNotByTheWallClock(t *testing.T) {
	ts := New(func(*string, bool, time.Duration) (*kafka.Metadata, error) {
		return &kafka.Metadata{Topics: map[string]kafka.TopicMetadata{"t": {Topic: "t", Partitions: make([]kafka.PartitionMetadata, 1)}}}, nil
	}, nil, make(chan struct{}))
	topic, err := ts.Find(ending(within(time.Minute)), "t", record.AnyPartition)
	if err != nil {
		t.Fatalf("%+v", err)
	}
	if at := topic.Answer().at.String(); !strings.Contains(at, " m=") {
		t.Errorf("the answer is of %s", at)
	}
}

func TestTopicsInUseAreAskedForAgainAtABoundedPace(t *testing.T) {
	for _, c := range []struct {
		topics int
		age    time.Duration
		asks   bool
	}{
		{1, 9 * time.Second, false}, {1, 11 * time.Second, true}, {100, 11 * time.Second, true},
		{1000, 99 * time.Second, false}, {1000, 101 * time.Second, true},
	} {
		t.Run(fmt.Sprint(c.topics, " after ", c.age), func(t *testing.T) {
			k := &cluster{topics: map[string]kafka.TopicMetadata{"t": withPartitions(1)}}
			ts := New(k.ask, nil, make(chan struct{}))
			now := time.Now()
			ts.now = func() time.Time { return now }
			find := func() {
				if _, err := ts.Find(context.Background(), "t", record.AnyPartition); err != nil {
					t.Fatal(err)
				}
			}
			find()
			for i := range c.topics - 1 {
				if _, err := ts.Get(fmt.Sprint(i)); err != nil {
					t.Fatal(err)
				}
			}
			now = now.Add(c.age)
			find()
			topic, _ := ts.Get("t")
			ts.mu.RLock()
			asked := topic.question != nil || k.named.Load() > 1
			ts.mu.RUnlock()
			if asked != c.asks {
				t.Errorf("asked: %t", asked)
			}
		})
	}
}
