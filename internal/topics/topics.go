package topics

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/kafkaupstream/kafkaupstream/internal/deadline"
	"github.com/kafkaupstream/kafkaupstream/internal/librdkafka"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

const (
	// maxTopics bounds the topics of one producer: librdkafka keeps about 11 kB
	// for each, as long as the producer lives.
	maxTopics = 10000
	// maxUnknownTopics bounds those of them that turned out not to exist: their
	// names are the clients' to make up.
	maxUnknownTopics = 1000
	// topicMaxAge is when a topic's partitions are asked for again, in the background. With many
	// topics in use it is longer, so that there is a question in each topicPace at most: librdkafka
	// goes through its topics for each, and at ten thousand of them that takes 15 ms.
	topicMaxAge = 10 * time.Second
	topicPace   = 100 * time.Millisecond
	// unusedAge is when a topic of so many was not used lately: one that is used would have been asked for again.
	unusedAge = 2 * maxTopics * topicPace
	// missingMaxAge is how long a topic is known not to exist.
	missingMaxAge = 2 * time.Second
	// silentAge is when an answer has been asked for again for longer than that may take.
	silentAge = missingMaxAge + 2*metadataWait
	// metadataWait bounds one question to the cluster.
	metadataWait = 2 * time.Second
	// maxNaming is how many questions about one topic each are under way at once. What
	// is asked for beyond them is one question: for all topics.
	maxNaming = 16
	// firstPause and longestPause are between the questions about a topic that a
	// request waits for.
	firstPause   = 25 * time.Millisecond
	longestPause = time.Second
)

// Topic is what is known of a topic. It stays in memory as long as its producer.
type Topic struct {
	Name   string
	Handle atomic.Pointer[librdkafka.Topic] // made with the first record
	answer atomic.Pointer[Answer]           // the cluster's last; nil: none yet, or forgotten
	Firsts Firsts

	// Cache.mu guards these.
	question *question // under way; nil: none
	asked    bool      // there has been one
	named    bool      // it has been asked for by its name
	unknown  bool      // and takes up one of maxUnknownTopics
	missing  time.Time // since when it has been asked for by its name and is not there
}

// Answer is what the cluster said of a topic. It is not changed.
type Answer struct {
	at         time.Time
	Partitions int32
	leaderless map[int32]bool // nil: each partition has a leader
	leaders    []int32        // by partition
	Moved      atomic.Bool    // a partition has another leader since
	err        *record.Error  // why no record can be sent to any partition
	passes     bool           // and that it may be otherwise in a moment
}

// question is one to the cluster about a topic.
type question struct {
	done chan struct{}
	err  *record.Error // why there was no answer; to be read after done
}

// Cache is a producer's cache of topics. Nobody waits for a question about another
// topic than his own.
type Cache struct {
	query  Query
	now    func() time.Time
	closed <-chan struct{}
	auto   autoCreation
	// WornOut is called when there is no room for another topic, and half of them are unused: the
	// producer is to be replaced. Whoever asked gets ErrClosed.
	WornOut func()

	mu       sync.RWMutex
	byName   map[string]*Topic
	unknowns int
	naming   int             // questions about one topic that are under way
	listing  bool            // one for all topics is
	listNext []*Topic        // those that the next one for all is about
	list     *kafka.Metadata // the last answer to that; nil: none
	listed   time.Time       // when it came
}

// Query asks the cluster for one topic or for all, and waits so long for the answer.
type Query func(name *string, all bool, wait time.Duration) (*kafka.Metadata, error)

// New makes an empty cache. creates says whether the cluster creates a topic that is
// asked for by its name; nil: nobody can. Whoever waits is sent away with ErrClosed when
// closed is.
func New(query Query, creates func() (creates, known bool), closed <-chan struct{}) *Cache {
	return &Cache{query: query, now: time.Now, byName: map[string]*Topic{}, closed: closed, auto: autoCreation{look: creates}}
}

// Answer is the cluster's last; nil: there is none yet.
func (t *Topic) Answer() *Answer { return t.answer.Load() }

// Leaderless reports whether a partition has no leader.
func (a *Answer) Leaderless() bool { return a.leaderless != nil }

// Ask has the cluster asked for the topic again, in the background.
func (ts *Cache) Ask(t *Topic) { ts.ask(t, t.answer.Load()) }

// ErrClosed is for who waited when the producer was being closed: the pool has or makes
// another.
var ErrClosed = &record.Error{Kind: record.KindUnavailable, Reason: "the producer is being replaced"}

var (
	errNotAsked = &record.Error{Kind: record.KindUnavailable, Reason: "the cluster was not asked for the topic in time"}
	errNoLeader = &record.Error{Kind: record.KindUnavailable, Reason: "the partition has no leader"}
)

// against returns what there is to say against a record for the partition, and whether
// that may pass by itself.
func (a *Answer) against(partition int32) (err *record.Error, passes bool) {
	switch {
	case a == nil:
		return errNotAsked, true
	case a.err != nil:
		return a.err, a.passes
	case a.Partitions <= partition:
		return &record.Error{Kind: record.KindPartitionNotFound, Reason: "the topic has fewer partitions"}, false
	case a.leaderless[partition]:
		return errNoLeader, true
	}
	return nil, false
}

// Find returns the topic if it exists and has the partition, asking the cluster
// where that is not known. Where it may become so in a moment, it waits, until ctx ends.
func (ts *Cache) Find(ctx context.Context, name string, partition int32) (*Topic, *record.Error) {
	t, err := ts.Get(name)
	if err != nil {
		return nil, err
	}
	for pause, asked := firstPause, false; ; asked = true {
		a := t.answer.Load()
		err, passes := a.against(partition)
		if err == nil {
			ts.refresh(t, a)
			return t, nil
		}
		// What is known holds for a moment, so that a stranger's requests do not become
		// the cluster's.
		age := ts.age(a)
		if !passes && age < missingMaxAge {
			return nil, err
		}
		if asked || age < firstPause {
			if !deadline.Sleep(ctx, pause, ts.closed) {
				return nil, ts.late(err)
			}
			pause = min(2*pause, longestPause)
		}
		q := ts.ask(t, a)
		select {
		case <-q.done:
		case <-ctx.Done():
			return nil, ts.late(err)
		case <-ts.closed:
			return nil, ts.late(err)
		}
		if q.err != nil {
			return nil, q.err
		}
	}
}

// Look returns how many partitions a topic has, and what there is to say against a
// record for one of them, without waiting for the cluster, which is asked where that is
// not known. What a cluster has said that has fallen silent is not known any more.
func (ts *Cache) Look(name string, partition int32) (partitions int32, err *record.Error) {
	t, err := ts.Get(name)
	if err != nil {
		return 0, err
	}
	a := t.answer.Load()
	err, passes := a.against(partition)
	switch {
	case err == nil:
		ts.refresh(t, a)
	case a == nil, passes && ts.age(a) > longestPause/2, ts.age(a) > missingMaxAge:
		if ts.ask(t, a); ts.age(a) > silentAge {
			err = errNotAsked
		}
	}
	if a != nil {
		partitions = a.Partitions
	}
	return partitions, err
}

// age is how old an answer is.
func (ts *Cache) age(a *Answer) time.Duration {
	if a == nil {
		return time.Hour
	}
	return ts.now().Sub(a.at)
}

// refresh asks for a topic that is there again, in the background, when what is known
// of it is old.
func (ts *Cache) refresh(t *Topic, a *Answer) {
	age := ts.age(a)
	if age <= topicMaxAge {
		return
	}
	ts.mu.RLock()
	topics := len(ts.byName)
	ts.mu.RUnlock()
	if age > time.Duration(topics)*topicPace {
		ts.ask(t, a)
	}
}

// late is what is returned for err when there was no time for another answer.
func (ts *Cache) late(err *record.Error) *record.Error {
	select {
	case <-ts.closed:
		return ErrClosed
	default:
		return err
	}
}

// Get returns the topic, known or not.
func (ts *Cache) Get(name string) (*Topic, *record.Error) {
	ts.mu.RLock()
	t := ts.byName[name]
	ts.mu.RUnlock()
	if t != nil {
		return t, nil
	}
	t, err := ts.add(name)
	if err == ErrClosed {
		ts.WornOut()
	}
	return t, err
}

func (ts *Cache) add(name string) (*Topic, *record.Error) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if t := ts.byName[name]; t != nil {
		return t, nil
	}
	if len(ts.byName) >= maxTopics {
		switch evicted, wornOut := ts.evictMissing(); {
		case evicted:
		case wornOut:
			return nil, ErrClosed
		default:
			return nil, &record.Error{Kind: record.KindUnavailable, Reason: "this producer has reached its limit of topics"}
		}
	}
	t := &Topic{Name: name}
	ts.byName[name] = t
	return t, nil
}

// evictMissing forgets the topics that do not exist, and those that nobody has said to exist: no broker has answered.
// Otherwise it reports whether half of the topics were not used lately. To forget these would bound nothing: librdkafka
// has them as long as the producer lives. ts.mu is held.
func (ts *Cache) evictMissing() (evicted, wornOut bool) {
	before, unused, now := len(ts.byName), 0, ts.now()
	for name, t := range ts.byName {
		a := t.answer.Load()
		missing := a != nil && a.Partitions == 0
		unheard := a == nil && t.asked && t.Handle.Load() == nil
		switch {
		case t.question == nil && (missing || unheard):
			delete(ts.byName, name)
		case t.question == nil && a != nil && now.Sub(a.at) > unusedAge:
			unused++
		}
	}
	return len(ts.byName) < before, unused >= before/2
}

// Forget makes the next record ask for the topic again: the cluster said of one
// that it does not exist, or said nothing.
func (ts *Cache) Forget(name string) {
	ts.mu.RLock()
	t := ts.byName[name]
	ts.mu.RUnlock()
	if t != nil {
		t.answer.Store(nil)
	}
}
