package topics

import (
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
	"github.com/kafkaupstream/kafkaupstream/internal/librdkafka"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

// ask asks the cluster for the topic in the background, unless it is being asked, and
// returns the question: for the topic by its name or, where many are asked for, for all
// topics at once. known is the answer that the caller has seen: a newer one is not asked for.
func (ts *Cache) ask(t *Topic, known *Answer) *question {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if t.question != nil {
		return t.question
	}
	if t.answer.Load() != known { // it has come meanwhile
		return answered
	}
	t.question, t.asked = &question{done: make(chan struct{})}, true
	if ts.mayName(t) {
		ts.naming++
		go ts.askByName(t)
		return t.question
	}
	ts.listNext = append(ts.listNext, t)
	if !ts.listing {
		ts.listing = true
		go ts.askForAll()
	}
	return t.question
}

// mayName reports whether the topic is asked for by its name. A broker that creates
// topics on demand does so for a name only, but a name costs memory for ever, of which
// maxUnknownTopics have a share until they turn out to exist. ts.mu is held.
func (ts *Cache) mayName(t *Topic) bool {
	if t.named {
		return ts.naming < maxNaming
	}
	if ts.unknowns >= maxUnknownTopics {
		return false
	}
	ts.unknowns++
	t.named, t.unknown = true, true
	return true
}

func (ts *Cache) askByName(t *Topic) {
	md, err := ts.query(&t.Name, false, metadataWait)
	ts.mu.Lock()
	defer ts.mu.Unlock()
	ts.naming--
	ts.answered(t, md, ts.now(), err)
}

// askForAll asks for all topics, again until no one waits for that. What was said
// missingMaxAge ago still holds: a stranger's requests do not become the cluster's.
func (ts *Cache) askForAll() {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	for len(ts.listNext) > 0 {
		list := ts.listNext
		ts.listNext = nil
		var err error
		if ts.list == nil || ts.now().Sub(ts.listed) >= missingMaxAge {
			ts.mu.Unlock()
			var md *kafka.Metadata
			md, err = ts.query(nil, true, metadataWait)
			ts.mu.Lock()
			if err == nil {
				ts.list, ts.listed = md, ts.now()
			}
		}
		for _, t := range list {
			ts.answered(t, ts.list, ts.listed, err)
		}
	}
	ts.listing = false
}

// answered ends a topic's question. ts.mu is held.
func (ts *Cache) answered(t *Topic, md *kafka.Metadata, at time.Time, err error) {
	q := t.question
	t.question = nil
	defer close(q.done)
	if err == ErrClosed {
		q.err = ErrClosed
		return
	}
	if err != nil {
		e := librdkafka.Classify(err)
		q.err = &record.Error{Kind: e.Kind, Reason: "asking for the topic: " + e.Reason}
		return
	}
	a := ts.read(t, md)
	a.at = at
	t.answer.Store(a)
}

// read is what the cluster's answer says of a topic. ts.mu is held.
func (ts *Cache) read(t *Topic, md *kafka.Metadata) *Answer {
	a := &Answer{}
	found, ok := md.Topics[t.Name]
	switch code := found.Error.Code(); {
	case !ok, code == kafka.ErrUnknownTopicOrPart:
		a.err, a.passes = ts.absent(t)
		return a
	case code == kafka.ErrLeaderNotAvailable, code == kafka.ErrNoError && len(found.Partitions) == 0:
		a.err, a.passes = errCreating, true
	case code != kafka.ErrNoError:
		a.err = librdkafka.Classify(found.Error)
		return a
	default:
		a.lead(found.Partitions)
	}
	t.missing = time.Time{}
	if t.unknown {
		ts.unknowns--
		t.unknown = false
	}
	return a
}

// lead notes the partitions, and which of them have no leader.
func (a *Answer) lead(partitions []kafka.PartitionMetadata) {
	a.Partitions = int32(len(partitions))
	a.leaders = make([]int32, len(partitions))
	for _, p := range partitions {
		if p.ID >= 0 && p.ID < a.Partitions {
			a.leaders[p.ID] = p.Leader
		}
		if p.Leader < 0 || p.Error.Code() == kafka.ErrLeaderNotAvailable {
			if a.leaderless == nil {
				a.leaderless = map[int32]bool{}
			}
			a.leaderless[p.ID] = true
		}
	}
	if len(a.leaderless) == len(partitions) {
		a.err, a.passes = &record.Error{Kind: record.KindUnavailable, Reason: "no partition of the topic has a leader"}, true
	}
}

// answered is a question to which there is an answer.
var answered = func() *question {
	q := &question{done: make(chan struct{})}
	close(q.done)
	return q
}()
