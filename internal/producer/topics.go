package producer

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/kafkaupstream/kafkaupstream/internal/librdkafka"
)

const (
	// maxTopics bounds the topics of one producer: librdkafka keeps about 11 kB
	// for each, as long as the producer lives.
	maxTopics = 10000
	// maxUnknownTopics bounds those of them that turned out not to exist: their
	// names are the clients' to make up.
	maxUnknownTopics = 1000
	// topicMaxAge is when a topic's partitions are asked for again, in the background.
	topicMaxAge = 10 * time.Second
	// missingMaxAge is how long a topic is known not to exist.
	missingMaxAge = 2 * time.Second
	// creationWait is how long a topic that was not there is looked for: a broker
	// that creates topics on demand does so now.
	creationWait = time.Second
	// metadataWait bounds one question to the cluster.
	metadataWait = 2 * time.Second
)

// topic is what is known of a topic. It stays in memory as long as its producer.
type topic struct {
	name       string
	handle     atomic.Pointer[librdkafka.Topic] // made with the first record
	partitions atomic.Int32
	asked      atomic.Int64 // Unix nanoseconds of the last answer
	refreshing atomic.Bool

	asking  chan struct{} // capacity 1: held while the cluster is asked
	err     *Error        // the last answer, when partitions is 0
	unknown bool          // takes up one of maxUnknownTopics
}

// topics is a producer's cache of topics.
type topics struct {
	query  metadataQuery
	now    func() time.Time
	closed <-chan struct{}

	mu       sync.RWMutex
	byName   map[string]*topic
	unknowns int

	listing sync.Mutex // held while the cluster is asked for all topics
	list    *kafka.Metadata
	listed  time.Time
}

// metadataQuery asks the cluster for one topic or for all, until the deadline.
type metadataQuery func(name *string, all bool, deadline time.Time) (*kafka.Metadata, error)

func newTopics(query metadataQuery, closed <-chan struct{}) *topics {
	return &topics{query: query, now: time.Now, byName: map[string]*topic{}, closed: closed}
}

// find returns the topic if it exists and has the partition, asking the cluster
// where that is not known.
func (ts *topics) find(name string, partition int32, deadline time.Time) (*topic, *Error) {
	ts.mu.RLock()
	t := ts.byName[name]
	ts.mu.RUnlock()
	if t == nil {
		var err *Error
		if t, err = ts.add(name); err != nil {
			return nil, err
		}
	}
	age := ts.now().UnixNano() - t.asked.Load()
	if n := t.partitions.Load(); n > partition && n > 0 {
		if age > int64(topicMaxAge) && t.refreshing.CompareAndSwap(false, true) {
			go func() {
				defer t.refreshing.Store(false)
				ts.ask(t, ts.now().Add(metadataWait), topicMaxAge)
			}()
		}
		return t, nil
	}
	// Not there, too few partitions, or not asked yet: what is known holds for a
	// moment, so that a stranger's requests do not become the cluster's.
	err := ts.ask(t, deadline, missingMaxAge)
	if err != nil {
		return nil, err
	}
	if t.partitions.Load() <= partition {
		return nil, &Error{Kind: KindPartitionNotFound, Reason: "the topic has fewer partitions"}
	}
	return t, nil
}

func (ts *topics) add(name string) (*topic, *Error) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if t := ts.byName[name]; t != nil {
		return t, nil
	}
	if len(ts.byName) >= maxTopics && !ts.evictMissing() {
		return nil, &Error{Kind: KindUnavailable, Reason: "this producer has reached its limit of topics"}
	}
	t := &topic{name: name, asking: make(chan struct{}, 1)}
	ts.byName[name] = t
	return t, nil
}

// evictMissing forgets the topics that do not exist. ts.mu is held.
func (ts *topics) evictMissing() bool {
	before := len(ts.byName)
	for name, t := range ts.byName {
		if t.partitions.Load() == 0 && t.asked.Load() != 0 {
			delete(ts.byName, name)
		}
	}
	return len(ts.byName) < before
}

// forget makes the next record ask for the topic again: the cluster said of one
// that it does not exist, or said nothing.
func (ts *topics) forget(name string) {
	ts.mu.RLock()
	t := ts.byName[name]
	ts.mu.RUnlock()
	if t != nil {
		t.partitions.Store(0)
		t.asked.Store(0)
	}
}

// ask asks the cluster for the topic, unless the last answer is younger than
// maxAge, and returns what there is to say against the topic.
func (ts *topics) ask(t *topic, deadline time.Time, maxAge time.Duration) *Error {
	if !acquire(t.asking, deadline) {
		return &Error{Kind: KindUnavailable, Reason: "the cluster was not asked for the topic in time"}
	}
	defer func() { <-t.asking }()
	if asked := t.asked.Load(); asked != 0 && ts.now().UnixNano()-asked < int64(maxAge) {
		return t.err
	}
	first := t.asked.Load() == 0
	start := ts.now()
	for wait := 25 * time.Millisecond; ; wait *= 2 {
		n, err, answered := ts.lookup(t, deadline)
		if !answered {
			return err // what was known before still holds
		}
		missing := err != nil && err.Kind == KindTopicNotFound
		if until := ts.now().Add(wait); missing && first && until.Before(start.Add(creationWait)) && until.Before(deadline) {
			if !ts.sleep(wait) {
				return errRetired
			}
			continue
		}
		t.partitions.Store(int32(n))
		t.err = err
		if err == nil {
			ts.exists(t)
		}
		t.asked.Store(ts.now().UnixNano())
		return err
	}
}

// lookup asks once. answered is false when the cluster gave no answer.
func (ts *topics) lookup(t *topic, deadline time.Time) (partitions int, _ *Error, answered bool) {
	var md *kafka.Metadata
	var err error
	if t.partitions.Load() > 0 || ts.mayName(t) {
		md, err = ts.query(&t.name, false, deadline)
	} else {
		// To ask for a topic by name costs memory for ever. Its existence can
		// also be seen in the list of all, which creates none.
		md, err = ts.listAll(deadline)
	}
	if err == errRetired {
		return 0, errRetired, false
	}
	if err != nil {
		e := classify(err)
		return 0, &Error{Kind: e.Kind, Reason: "asking for the topic: " + e.Reason}, false
	}
	found, ok := md.Topics[t.name]
	switch {
	case !ok:
		return 0, &Error{Kind: KindTopicNotFound, Reason: "the cluster has no such topic"}, true
	case found.Error.Code() == kafka.ErrLeaderNotAvailable: // just being created
		return 0, &Error{Kind: KindTopicNotFound, Reason: found.Error.Error()}, true
	case found.Error.Code() != kafka.ErrNoError:
		return 0, classify(found.Error), true
	case len(found.Partitions) == 0:
		return 0, &Error{Kind: KindTopicNotFound, Reason: "the topic has no partitions yet"}, true
	}
	return len(found.Partitions), nil, true
}

// mayName tells whether the topic may be asked for by its name, which takes one of
// maxUnknownTopics until the topic turns out to exist.
func (ts *topics) mayName(t *topic) bool {
	if t.unknown {
		return true
	}
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if ts.unknowns >= maxUnknownTopics {
		return false
	}
	ts.unknowns++
	t.unknown = true
	return true
}

// exists gives back what mayName took.
func (ts *topics) exists(t *topic) {
	if t.unknown {
		ts.mu.Lock()
		ts.unknowns--
		ts.mu.Unlock()
		t.unknown = false
	}
}

// listAll returns all topics of the cluster, as they were missingMaxAge ago at most.
func (ts *topics) listAll(deadline time.Time) (*kafka.Metadata, error) {
	ts.listing.Lock()
	defer ts.listing.Unlock()
	if ts.list != nil && ts.now().Sub(ts.listed) < missingMaxAge {
		return ts.list, nil
	}
	md, err := ts.query(nil, true, deadline)
	if err == nil {
		ts.list, ts.listed = md, ts.now()
	}
	return md, err
}

// acquire takes the semaphore unless the deadline comes first.
func acquire(sem chan struct{}, deadline time.Time) bool {
	select {
	case sem <- struct{}{}:
		return true
	default:
	}
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	select {
	case sem <- struct{}{}:
		return true
	case <-timer.C:
		return false
	}
}

func (ts *topics) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ts.closed:
		return false
	}
}
