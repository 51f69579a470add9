package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/kafkaupstream/kafkaupstream/internal/check/complaint"
	"github.com/kafkaupstream/kafkaupstream/internal/check/port"
	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/ledger"
)

const (
	// pollMillis is how long one wait for librdkafka takes at most.
	pollMillis = 100
	// askMillis is how long the cluster may take to answer one question.
	askMillis = 2000
	// reachTimeout is how long a cluster may take to answer at all.
	reachTimeout = 15 * time.Second
	// greetTimeout is how long one port may take to show that it speaks Kafka.
	greetTimeout = 5 * time.Second
	// readStall is how long nothing may come of a topic that is known to have more.
	readStall = 60 * time.Second
)

// group is the consumer group's name, which librdkafka wants and asks the coordinator of;
// nobody joins it.
const group = "kafkaupstream-verify"

// topic reads a topic from where it ended when it was opened.
type topic struct {
	name       string
	consumer   *kafka.Consumer
	complaints complaint.Log
	mechanism  string
	next       map[int32]int64 // by partition, the offset to go on with
	partitions int
	brokers    []kafka.BrokerMetadata
}

// openTopic connects to the cluster, and returns when it is known that the topic can be
// read. The error says what keeps it from that, in a line.
func openTopic(ctx context.Context, props map[string]string, name string) (*topic, error) {
	t := &topic{name: name, mechanism: props["sasl.mechanisms"], next: map[int32]int64{}}
	conf := kafka.ConfigMap{}
	for property, value := range props {
		conf[property] = value
	}
	logs := make(chan kafka.LogEvent, 100)
	for property, value := range map[string]kafka.ConfigValue{
		"group.id": group, "enable.auto.commit": false, "enable.auto.offset.store": false,
		"auto.offset.reset": "error", "allow.auto.create.topics": false,
		"isolation.level": "read_committed", "enable.partition.eof": true,
		"queued.max.messages.kbytes": 16384, "fetch.wait.max.ms": pollMillis,
		"go.logs.channel.enable": true, "go.logs.channel": logs,
	} {
		conf[property] = value
	}
	go func() {
		for range logs { // they say what the errors say
		}
	}()
	var err error
	if t.consumer, err = kafka.NewConsumer(&conf); err != nil {
		return nil, fmt.Errorf("librdkafka refuses the configuration: %s", complaint.Text(err))
	}
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	if err = t.reach(ctx, props); err == nil {
		err = t.keepsAll(ctx)
	}
	if err == nil {
		err = t.canBeRead(ctx)
	}
	if err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

// greet looks for a broker that speaks Kafka, all at a time: of a port where nothing or something else listens, librdkafka
// says only that it does not answer. The error is a [port.Stranger] only if all of them are.
func greet(ctx context.Context, props kafkaconf.Properties) error {
	ports, err := port.New(ctx, props)
	if err != nil {
		return nil // it is OpenSSL's to read, and librdkafka has taken it
	}
	ctx, cancel := context.WithTimeout(ctx, greetTimeout)
	defer cancel()
	brokers := kafkaconf.Brokers(props["bootstrap.servers"], props.Protocol())
	found := make(chan error, len(brokers))
	for _, b := range brokers {
		go func() {
			a := port.Address{Host: b.Host, Port: b.Port}
			err := ports.Speaks(ctx, a)
			if err != nil {
				err = fmt.Errorf("no broker answers: %s: %w", a, err)
			}
			found <- err
		}()
	}
	for range brokers {
		one := <-found
		if one == nil {
			return nil
		}
		if err == nil || isStranger(err) {
			err = one
		}
	}
	return err
}

func isStranger(err error) bool {
	_, is := errors.AsType[port.Stranger](err)
	return is
}

// close ends the consumer in the background: that can take a second.
func (t *topic) close() { go t.consumer.Close() }

// reach asks for the topic's partitions and their ends. librdkafka decides whether it can: what was found on the ports, it may
// not need. That is why it cannot, and ends the asking only where all of them are of something else.
func (t *topic) reach(ctx context.Context, props kafkaconf.Properties) error {
	asking, giveUp := context.WithCancel(ctx)
	defer giveUp()
	greeted := make(chan error, 1)
	go func() {
		err := greet(asking, props)
		greeted <- err
		if isStranger(err) {
			giveUp()
		}
	}()
	// Short at first, to see soon what librdkafka complains of. An answer that comes later than that is lost.
	for millis := pollMillis; ; millis = min(2*millis, askMillis) {
		err := t.find(millis)
		var missing *noTopicError
		switch {
		case err == nil:
			return t.ends(ctx, t.next)
		case errors.As(err, &missing):
			return err
		}
		for { // all that librdkafka has to say
			e, err := t.poll(0)
			if err != nil {
				return err
			}
			if e == nil {
				break
			}
		}
		why := errors.New(t.complaints.Why(t.mechanism))
		switch {
		case t.complaints.Hopeless():
			return why
		case asking.Err() != nil:
			return cmp.Or(<-greeted, why)
		}
	}
}

// keepsAll asks whether the topic is compacted. Where the credentials may not know, or the
// cluster does not answer that, it is not taken for one.
func (t *topic) keepsAll(ctx context.Context) error {
	admin, err := kafka.NewAdminClientFromConsumer(t.consumer)
	if err != nil {
		return nil
	}
	defer admin.Close()
	ctx, cancel := context.WithTimeout(ctx, askMillis*time.Millisecond)
	defer cancel()
	// librdkafka would wait for a controller that is none of the brokers, as dev's is.
	controller, err := admin.ControllerID(ctx)
	if err != nil || !slices.ContainsFunc(t.brokers, func(b kafka.BrokerMetadata) bool { return b.ID == controller }) {
		return nil
	}
	results, err := admin.DescribeConfigs(ctx, []kafka.ConfigResource{{Type: kafka.ResourceTopic, Name: t.name}})
	if err == nil && len(results) == 1 && strings.Contains(results[0].Config["cleanup.policy"].Value, "compact") {
		return fmt.Errorf("the topic %q is compacted: Kafka itself removes records of it; verify a topic with cleanup.policy=delete", t.name)
	}
	return nil
}

// noTopicError is an answer of the cluster's that no patience mends.
type noTopicError struct{ text string }

func (e *noTopicError) Error() string { return e.text }

// find asks how many partitions the topic has. The answer may take so many milliseconds.
func (t *topic) find(millis int) error {
	m, err := t.consumer.GetMetadata(&t.name, false, millis)
	if err != nil {
		return err
	}
	found, ok := m.Topics[t.name]
	switch code := found.Error.Code(); {
	case !ok, code == kafka.ErrUnknownTopicOrPart, code == kafka.ErrUnknownTopic:
		return &noTopicError{fmt.Sprintf("there is no topic %q, and verify creates none", t.name)}
	case code == kafka.ErrTopicAuthorizationFailed:
		return &noTopicError{fmt.Sprintf("the credentials may not see the topic %q, or there is none of this name; verify needs READ on it", t.name)}
	case code == kafka.ErrTopicException:
		return &noTopicError{fmt.Sprintf("the cluster refuses %q as a topic's name", t.name)}
	case code != kafka.ErrNoError:
		return found.Error
	case len(found.Partitions) == 0:
		return errors.New("the topic has no partitions yet")
	}
	t.partitions, t.brokers = len(found.Partitions), m.Brokers
	return nil
}

// ends asks where each partition ends, and again as long as ctx allows where its leader
// does not answer.
func (t *topic) ends(ctx context.Context, ends map[int32]int64) error {
	for p := range int32(t.partitions) {
		for {
			_, end, err := t.consumer.QueryWatermarkOffsets(t.name, p, askMillis)
			if err == nil {
				ends[p] = end
				break
			}
			if _, err := t.poll(pollMillis); err != nil {
				return err
			}
			if ctx.Err() != nil {
				return fmt.Errorf("the end of partition %d cannot be asked for: %s", p, complaint.Text(err))
			}
		}
	}
	return nil
}

// assign begins to read where the reading stands.
func (t *topic) assign() error {
	var at []kafka.TopicPartition
	for p, offset := range t.next {
		at = append(at, kafka.TopicPartition{Topic: &t.name, Partition: p, Offset: kafka.Offset(offset)})
	}
	return t.consumer.Assign(at)
}

// canBeRead reads until something comes of each partition, be it that this is its end.
func (t *topic) canBeRead(ctx context.Context) error {
	if err := t.assign(); err != nil {
		return err
	}
	answered := map[int32]bool{}
	for len(answered) < t.partitions {
		if ctx.Err() != nil {
			return fmt.Errorf("the topic %q cannot be read: %s", t.name, t.complaints.Why(t.mechanism))
		}
		e, err := t.poll(pollMillis)
		if err != nil {
			return err
		}
		switch e := e.(type) {
		case *kafka.Message:
			answered[e.TopicPartition.Partition] = true
		case kafka.PartitionEOF:
			answered[e.Partition] = true
		}
	}
	return t.consumer.Unassign()
}

// poll waits for an event for so many milliseconds. The error says why the topic cannot be
// read any more; others pass, and librdkafka goes on by itself.
func (t *topic) poll(millis int) (kafka.Event, error) {
	e := t.consumer.Poll(millis)
	var failed kafka.Error
	switch e := e.(type) {
	case kafka.Error:
		failed = e
	case *kafka.Message:
		if e.TopicPartition.Error == nil {
			return e, nil
		}
		failed, _ = e.TopicPartition.Error.(kafka.Error)
	default:
		return e, nil
	}
	t.complaints.Note(failed)
	switch code := failed.Code(); {
	case code == kafka.ErrTopicAuthorizationFailed:
		return nil, fmt.Errorf("the credentials may not read the topic %q; verify needs READ on it", t.name)
	case code == kafka.ErrAutoOffsetReset, code == kafka.ErrOffsetOutOfRange:
		return nil, fmt.Errorf("the topic %q no longer has the offsets at which the run began: it was made anew, or its retention is shorter than the run", t.name)
	case code == kafka.ErrUnknownTopicOrPart, failed.IsFatal():
		return nil, fmt.Errorf("the topic %q cannot be read: %s", t.name, failed.String())
	}
	return failed, nil
}

// settle shows the settlement all that the topic has by now, and then, for the wait at
// most, what comes of the records that are not there, promised or not. It calls look now
// and then.
func (t *topic) settle(ctx context.Context, s *ledger.Settlement, wait time.Duration, look func()) error {
	until := time.Now().Add(wait)
	found := func() bool { return s.Absent() == 0 }
	err := t.readOn(ctx, s, max(wait, readStall), look, func() bool { return found() || time.Now().After(until) })
	if err == nil && !found() {
		// What has come since the ends were asked for, which a long reading leaves unread,
		// and what is in partitions that are new.
		err = t.readOn(ctx, s, readStall, look, func() bool { return true })
	}
	if err != nil {
		return err
	}
	return t.open(s)
}

// readOn reads to where the partitions end now, and further until it is enough. The cluster
// may take as long as the patience to say where that is.
func (t *topic) readOn(ctx context.Context, s *ledger.Settlement, patience time.Duration, look func(), enough func() bool) error {
	known := map[int32]int64{}
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := t.grow(limited, known); err != nil {
		return err
	}
	if err := t.assign(); err != nil {
		return err
	}
	for last := time.Now(); ; {
		e, err := t.poll(pollMillis)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return err
		}
		if t.read(e, s) {
			last = time.Now()
		}
		look()
		behind := t.behind(known)
		if behind >= 0 && time.Since(last) > readStall {
			return fmt.Errorf("partition %d of the topic %q cannot be read to its end: nothing has come for %v at offset %d of %d; %s",
				behind, t.name, readStall, t.next[behind], known[behind], t.complaints.Why(t.mechanism))
		}
		if behind < 0 && enough() {
			return nil
		}
	}
}

// grow asks for the partitions' ends, also of partitions that are new.
func (t *topic) grow(ctx context.Context, known map[int32]int64) error {
	for t.find(askMillis) != nil && ctx.Err() == nil {
		if _, err := t.poll(pollMillis); err != nil {
			return err
		}
	}
	for p := range int32(t.partitions) {
		if _, old := t.next[p]; !old {
			t.next[p] = 0
		}
	}
	return t.ends(ctx, known)
}

// read takes an event in and reports whether it was one of the topic's.
func (t *topic) read(e kafka.Event, s *ledger.Settlement) bool {
	switch e := e.(type) {
	case kafka.PartitionEOF:
		t.next[e.Partition] = max(t.next[e.Partition], int64(e.Offset))
		return true
	case *kafka.Message:
		p, offset := e.TopicPartition.Partition, int64(e.TopicPartition.Offset)
		if offset >= t.next[p] { // librdkafka does not begin again; if it did, it would look like a duplicate
			t.next[p] = offset + 1
			s.Read(ledger.Record{Place: ledger.Place{Partition: p, Offset: offset, Producer: -1}, Key: e.Key, Value: e.Value})
		}
		return true
	}
	return false
}

// behind is a partition that has not been read to its end, -1: none.
func (t *topic) behind(known map[int32]int64) int32 {
	for p, end := range known {
		if t.next[p] < end {
			return p
		}
	}
	return -1
}

// open says which partition hides records behind a transaction that is still open, if
// any are missing.
func (t *topic) open(s *ledger.Settlement) error {
	if s.Missing() == 0 {
		return nil
	}
	for p, next := range t.next {
		_, end, err := t.consumer.GetWatermarkOffsets(t.name, p)
		if err != nil || end <= next {
			continue
		}
		// It may have come just now. Where it has, it can also be read.
		if _, stable, err := t.consumer.QueryWatermarkOffsets(t.name, p, askMillis); err == nil && stable <= next {
			return fmt.Errorf("%d promised records are missing, and partition %d of the topic %q shows nothing behind offset %d, where a producer's transaction is open; see again when it has ended, or with a longer --wait",
				s.Missing(), p, t.name, next)
		}
	}
	return nil
}
