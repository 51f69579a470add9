package devbroker

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

const (
	// lookInterval is how often new topics and partitions are looked for.
	lookInterval = 100 * time.Millisecond
	// pollMillis is also how long Close may have to wait.
	pollMillis = 20
	askMillis  = 1000
	// closeWait bounds Close when the cluster does not answer a question.
	closeWait = 200 * time.Millisecond
)

// Tail reads the records that reach a cluster from now on.
type Tail struct {
	consumer *kafka.Consumer
	all      bool
	show     func(*kafka.Message)
	stop     chan struct{}
	done     chan struct{}

	mu     sync.Mutex
	topics map[string]time.Time // to be read, and since when

	asked  sync.RWMutex // write-locked by the consumer's end: nobody asks it then
	closed bool

	next map[partition]kafka.Offset // where to go on
}

type partition struct {
	topic string
	id    int32
}

// NewTail calls show for each record of the cluster at brokers, one after another.
// With all it reads every topic, from the beginning; otherwise those that Watch
// names, the records since that time.
func NewTail(brokers string, props map[string]string, all bool, show func(*kafka.Message)) (*Tail, error) {
	conf := kafka.ConfigMap{}
	for name, value := range props {
		conf[name] = value
	}
	conf["bootstrap.servers"] = brokers
	conf["group.id"] = "kafkaupstream-dev" // required, and not used
	conf["enable.auto.commit"] = false
	conf["enable.auto.offset.store"] = false
	conf["fetch.wait.max.ms"] = 50
	conf["log_level"] = 2 // the plugin's producers log the same about the brokers
	if all {              // the cluster is dev's own, which comes back soon when it was taken away
		conf["reconnect.backoff.max.ms"] = 500
	}
	c, err := kafka.NewConsumer(&conf)
	if err != nil {
		return nil, fmt.Errorf("read records back: %w", err)
	}
	t := &Tail{
		consumer: c, all: all, show: show,
		stop: make(chan struct{}), done: make(chan struct{}),
		topics: map[string]time.Time{}, next: map[partition]kafka.Offset{},
	}
	go t.run()
	return t, nil
}

// Watch adds a topic to those that are read.
func (t *Tail) Watch(topic string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.topics[topic]; !ok {
		t.topics[topic] = time.Now()
	}
}

// Close stops reading. After closeWait it lets what is left end by itself.
func (t *Tail) Close() {
	close(t.stop)
	select {
	case <-t.done:
	case <-time.After(closeWait):
	}
}

func (t *Tail) run() {
	defer close(t.done)
	defer t.end()
	var looked time.Time
	for {
		select {
		case <-t.stop:
			return
		default:
		}
		if time.Since(looked) >= lookInterval {
			t.look()
			looked = time.Now()
		}
		if m, ok := t.consumer.Poll(pollMillis).(*kafka.Message); ok && m.TopicPartition.Error == nil {
			p := partition{*m.TopicPartition.Topic, m.TopicPartition.Partition}
			t.next[p] = m.TopicPartition.Offset + 1
			t.show(m)
		}
	}
}

func (t *Tail) end() {
	t.asked.Lock()
	defer t.asked.Unlock()
	t.closed = true
	t.consumer.Close()
}

// Partitions returns the topics of the cluster, but for Kafka's own, with how many partitions each has. The error is
// librdkafka's when the cluster does not answer within a second.
func (t *Tail) Partitions() (map[string]int, error) {
	t.asked.RLock()
	defer t.asked.RUnlock()
	if t.closed {
		return nil, errors.New("the reader of records is closed")
	}
	md, err := t.consumer.GetMetadata(nil, true, askMillis)
	if err != nil {
		return nil, err
	}
	counts := map[string]int{}
	for name, topic := range md.Topics {
		if !strings.HasPrefix(name, "__") && len(topic.Partitions) > 0 {
			counts[name] = len(topic.Partitions)
		}
	}
	return counts, nil
}

// look assigns partitions that are new.
func (t *Tail) look() {
	t.mu.Lock()
	wanted := maps.Clone(t.topics)
	t.mu.Unlock()
	found := map[string]kafka.TopicMetadata{}
	if t.all {
		md, err := t.consumer.GetMetadata(nil, true, askMillis)
		if err != nil {
			return
		}
		found = md.Topics
	} else {
		for name := range wanted {
			md, err := t.consumer.GetMetadata(&name, false, askMillis)
			if err != nil {
				return
			}
			if m := md.Topics[name]; len(m.Partitions) > 0 {
				found[name] = m
			} else {
				t.beginning(name)
			}
		}
	}
	isNew := false
	var undecided []kafka.TopicPartition
	for _, name := range slices.Sorted(maps.Keys(found)) {
		for _, p := range found[name].Partitions {
			at := partition{name, p.ID}
			if _, ok := t.next[at]; ok {
				continue
			}
			if since := wanted[name]; !t.all && !since.IsZero() {
				undecided = append(undecided, kafka.TopicPartition{Topic: &name, Partition: p.ID, Offset: kafka.Offset(since.UnixMilli())})
				continue
			}
			t.next[at] = kafka.OffsetBeginning
			isNew = true
		}
	}
	if t.decide(undecided) || isNew {
		t.assign()
	}
}

// decide finds the first record of each partition since the time that stands for
// its offset. It reports whether there is one; partitions without are asked again.
// Their ends would not do as a beginning: records come while one asks.
func (t *Tail) decide(undecided []kafka.TopicPartition) (found bool) {
	if len(undecided) == 0 {
		return false
	}
	first, err := t.consumer.OffsetsForTimes(undecided, askMillis)
	if err != nil {
		return false
	}
	for _, p := range first {
		if p.Error == nil && p.Offset >= 0 {
			t.next[partition{*p.Topic, p.Partition}] = p.Offset
			found = true
		}
	}
	return found
}

// beginning notes that a topic does not exist yet: all its records will be new.
func (t *Tail) beginning(topic string) {
	t.mu.Lock()
	t.topics[topic] = time.Time{}
	t.mu.Unlock()
}

func (t *Tail) assign() {
	var list []kafka.TopicPartition
	for p, offset := range t.next {
		list = append(list, kafka.TopicPartition{Topic: &p.topic, Partition: p.id, Offset: offset})
	}
	_ = t.consumer.Assign(list) // fails only for a consumer that is closed
}
