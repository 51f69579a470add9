package producer

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
	"github.com/kafkaupstream/kafkaupstream/internal/deadline"
	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/librdkafka"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

// Serial sends the transactions of one stream, one after another, each with a mark by
// which whoever comes later can tell that it was committed.
//
// Its producer has a transactional.id of the stream's own. A new producer with it, in
// this process or in the next one, first ends what the one before has left: from then
// on a transaction whose commit was not answered is committed or aborted, and cannot
// change any more. Which of the two, its mark says: an offset of a consumer group with
// the id's name, committed together with the records, whose metadata is the mark. The
// offset is of partition 0 of the records' topic, and is 0; nobody consumes with the
// group.
//
// There must be one Serial of a stream at a time, on all machines. Its methods are
// called by one goroutine at a time.
type Serial struct {
	pool   *Pool
	conn   *kafkaconf.Connection
	stream string

	mu    sync.Mutex // held by what uses t
	t     *transactional
	begun bool // with t: earlier marks have been read
	// unstable is since when Kafka does not say what the marks are; zero: it does.
	unstable time.Time
}

// unstableWait is how long Kafka may say that marks are about to change.
const unstableWait = 2 * time.Second

// NewSerial returns the sender of a stream. conn is of the mode Transactional.
func (p *Pool) NewSerial(conn *kafkaconf.Connection, stream string) *Serial {
	s := &Serial{pool: p, conn: conn, stream: stream}
	ts := p.transactions
	ts.mu.Lock()
	defer ts.mu.Unlock()
	ts.serials[s] = struct{}{}
	return s
}

var errShuttingDown = &record.Error{Kind: record.KindUnavailable, Reason: "shutting down"}

// Begun reports whether Send is possible. It is not after an outcome that is not known,
// among others.
func (s *Serial) Begun() bool {
	s.mu.Lock()
	defer s.leave()
	return s.ready()
}

func (s *Serial) ready() bool { return s.begun && !s.t.dead.Load() }

// Begin ends what earlier producers of the stream have left, and returns the marks of
// the last transaction of each topic that was committed. topic is one that exists. It
// returns when that is done, or when ctx ends.
func (s *Serial) Begin(ctx context.Context, topic string) (marks []string, err *record.Error) {
	s.mu.Lock()
	defer s.leave()
	if s.begun = false; s.t != nil && s.t.dead.Load() {
		s.end()
	}
	name, err := s.name()
	if err != nil {
		return nil, err
	}
	if s.t == nil {
		if s.pool.transactions.hasEnded() {
			return nil, errShuttingDown
		}
		s.t = s.pool.transactions.producer(s.conn, name)
	}
	if err := s.t.init(ctx); err != nil {
		if err.Kind == record.KindForbidden {
			return nil, &record.Error{Kind: record.KindConfig, Reason: fmt.Sprintf("the credentials need the right to WRITE with the transactional id %s: %s", name, err.Reason)}
		}
		return nil, err
	}
	return s.readMarks(ctx, &mark{group: name, topic: topic})
}

// readMarks reads the marks of what was committed before. Nothing is pending any more,
// since transactions have been initialized. Where Kafka says otherwise for long it has
// lost track of a transaction (as a broker may that was killed), and the end of the next
// one is what puts that right.
func (s *Serial) readMarks(ctx context.Context, m *mark) ([]string, *record.Error) {
	insist := s.unstable.IsZero() || time.Since(s.unstable) < unstableWait
	marks, err := m.read(ctx, s.t, insist)
	switch {
	case err == nil:
		s.begun = true
	case err == errUnstable && s.unstable.IsZero():
		s.unstable = time.Now()
	}
	if err == nil && !insist {
		s.t.log.Warn("Kafka does not end a transaction of the stream that it says has ended; its mark is not waited for", "transactional_id", m.group)
	}
	if err != errUnstable {
		s.unstable = time.Time{}
	}
	return marks, err
}

// errUnstable: a transaction that has the group's offsets in it has not ended.
var errUnstable = &record.Error{Kind: record.KindUnavailable, Reason: "the stream's mark: a transaction has not ended yet"}

// Send sends the records in one transaction. They have one topic. An error that is
// Unconfirmed means that the transaction may be committed; Begin finds out.
func (s *Serial) Send(ctx context.Context, recs []record.Record, text string) ([]record.Outcome, *record.Error) {
	s.mu.Lock()
	defer s.leave()
	if !s.ready() {
		return nil, errRetired
	}
	name, err := s.name()
	if err != nil {
		return nil, err
	}
	m := &mark{name, recs[0].Topic, text}
	out, err := s.t.send(ctx, recs, m)
	if !refusedTogether(recs, err) {
		return out, err
	}
	// Nothing of it was committed, and the next producer with the id ends it for good.
	s.end()
	s.t = s.pool.transactions.producer(s.conn.Alone(), name)
	if err := s.t.init(ctx); err != nil {
		return nil, err
	}
	s.begun = true
	return s.t.send(ctx, recs, m)
}

// name is that of the transactional.id and of the group.
func (s *Serial) name() (string, *record.Error) {
	if !s.pool.Transactions() {
		return "", errNoTransactions
	}
	instance, err := s.pool.transactions.instance()
	if err != nil {
		return "", &record.Error{Kind: record.KindUnavailable, Reason: "the directory of transactional ids: " + err.Error()}
	}
	return fmt.Sprintf("kafkaupstream-%s-%s", instance, s.stream), nil
}

// end closes the producer in the background.
func (s *Serial) end() {
	t, ts := s.t, s.pool.transactions
	s.t, s.begun = nil, false
	ts.endings.Go(func() { ts.end(t) })
}

// leave ends the use of the producer, and the producer if the pool has been drained
// meanwhile.
func (s *Serial) leave() {
	s.mu.Unlock()
	if s.pool.transactions.hasEnded() {
		s.endIfIdle()
	}
}

// endIfIdle ends the producer unless it is in use; then leave does.
func (s *Serial) endIfIdle() {
	if s.mu.TryLock() {
		if s.t != nil {
			s.end()
		}
		s.mu.Unlock()
	}
}

func (ts *transactions) hasEnded() bool {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	return ts.ended
}

// mark is what a transaction leaves beside its records.
type mark struct{ group, topic, text string }

// read returns the texts of the group's marks, one for each topic.
func (m *mark) read(ctx context.Context, t *transactional, insist bool) ([]string, *record.Error) {
	admin, end, err := m.admin(t.resolved)
	if err != nil {
		return nil, m.explain(err, t.redact)
	}
	defer end()
	// The client library does not tell of an error that is about the group as a whole. So
	// it is first asked for a partition that must be in the answer.
	asked, e := m.list(ctx, admin, []kafka.TopicPartition{{Topic: &m.topic, Partition: 0}}, insist, t)
	if e != nil {
		return nil, e
	}
	if len(asked) == 0 {
		return nil, m.explain(kafka.NewError(kafka.ErrGroupAuthorizationFailed, "the group's offsets cannot be read", false), t.redact)
	}
	all, e := m.list(ctx, admin, nil, insist, t)
	if e != nil {
		return nil, e
	}
	var texts []string
	for _, p := range all {
		if p.Metadata != nil {
			texts = append(texts, *p.Metadata)
		}
	}
	return texts, nil
}

// list asks for the group's offsets: of these partitions, or all for nil.
func (m *mark) list(ctx context.Context, admin *kafka.AdminClient, of []kafka.TopicPartition, insist bool, t *transactional) ([]kafka.TopicPartition, *record.Error) {
	question := []kafka.ConsumerGroupTopicPartitions{{Group: m.group, Partitions: of}}
	result, err := admin.ListConsumerGroupOffsets(ctx, question, kafka.SetAdminRequireStableOffsets(insist))
	for coordinatorComes(err) && deadline.Sleep(ctx, callPause, nil) { // as when a cluster is asked for a group for the first time
		result, err = admin.ListConsumerGroupOffsets(ctx, question, kafka.SetAdminRequireStableOffsets(insist))
	}
	var found []kafka.TopicPartition
	for _, g := range result.ConsumerGroupsTopicPartitions {
		found = append(found, g.Partitions...)
	}
	for i := range found { // that a topic is gone says that its group may be looked at
		if e := found[i].Error; e != nil && err == nil && librdkafka.Classify(e).Kind != record.KindTopicNotFound {
			err = e
		}
	}
	if librdkafka.HasCode(err, kafka.ErrGroupIDNotFound) {
		return of, nil // it has never committed anything
	}
	if librdkafka.HasCode(err, kafka.ErrUnstableOffsetCommit) {
		return nil, errUnstable
	}
	if err != nil {
		return nil, m.explain(err, t.redact)
	}
	return found, nil
}

// admin returns a client with which the group's offsets can be read. It is made of a
// consumer, which consumes nothing: asked for offsets, librdkafka 2.15 uses the consumer's
// group where the coordinator is just moving or loading, and ends the process where there
// is none (rd_kafka_cgrp_op with a null pointer, in rd_kafka_handle_OffsetFetch).
func (m *mark) admin(props kafkaconf.Properties) (_ *kafka.AdminClient, end func(), _ error) {
	conf := besideConfig(props)
	conf["group.id"] = m.group
	consumer, err := kafka.NewConsumer(&conf)
	if err != nil {
		return nil, nil, err
	}
	admin, err := kafka.NewAdminClientFromConsumer(consumer)
	if err != nil {
		_ = consumer.Close()
		return nil, nil, err
	}
	return admin, func() {
		admin.Close()
		_ = consumer.Close() // it has no subscription that could fail to end
	}, nil
}

// coordinatorComes reports whether an error is that the group has no coordinator yet.
func coordinatorComes(err error) bool {
	return librdkafka.HasCode(err, kafka.ErrCoordinatorLoadInProgress, kafka.ErrCoordinatorNotAvailable, kafka.ErrNotCoordinator)
}

// explain says what an error about the mark means. A missing right is the route's
// fault, and never that of a record.
func (m *mark) explain(err error, redact func(string) string) *record.Error {
	reason := redact(err.Error())
	if !librdkafka.HasCode(err) { // of a context
		return &record.Error{Kind: record.KindUnavailable, Reason: "the stream's mark: " + reason}
	}
	e := librdkafka.Classify(err)
	switch {
	case e.Kind == record.KindForbidden:
		return &record.Error{Kind: record.KindConfig, Reason: fmt.Sprintf("durable transactions need the right to READ the consumer group %s and the topic %s, where they mark what was committed: %s", m.group, m.topic, reason)}
	case e.Kind == record.KindConfig:
		return &record.Error{Kind: record.KindConfig, Reason: "the stream's mark: " + reason}
	}
	return &record.Error{Kind: record.KindUnavailable, Reason: "the stream's mark: " + reason}
}
