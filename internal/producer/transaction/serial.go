package transaction

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/producer/client"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

// Serial sends the transactions of one stream, one after another, each with a mark that shows a
// later producer that it was committed.
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
	producers *Producers
	conn      *kafkaconf.Connection
	stream    string

	mu    sync.Mutex // held by what uses t, and guards what follows
	t     *transactional
	begun bool // with t: earlier marks have been read
	// unstable is since when Kafka does not say what the marks are; zero: it does.
	unstable time.Time
}

// unstableWait is how long Kafka may say that marks are about to change.
const unstableWait = 2 * time.Second

// NewSerial returns the sender of a stream. conn is of the mode Transactional.
func (ps *Producers) NewSerial(conn *kafkaconf.Connection, stream string) *Serial {
	s := &Serial{producers: ps, conn: conn, stream: stream}
	ps.mu.Lock()
	defer ps.mu.Unlock()
	ps.serials = append(ps.serials, s)
	return s
}

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
		if s.producers.hasEnded() {
			return nil, client.ErrShuttingDown
		}
		s.t = s.producers.make(s.conn, name, nil)
	}
	if err := s.init(ctx, name); err != nil {
		return nil, err
	}
	return s.readMarks(ctx, &mark{group: name, topic: topic})
}

// init readies the producer. A missing right to its id is the route's fault, and never that of a record.
func (s *Serial) init(ctx context.Context, name string) *record.Error {
	err := s.t.init(ctx)
	if err != nil && err.Kind == record.KindForbidden {
		return &record.Error{Kind: record.KindConfig, Reason: fmt.Sprintf("the credentials need the right to WRITE with the transactional id %s: %s", name, err.Reason)}
	}
	return err
}

// readMarks reads the marks of what was committed before. Nothing is pending any more,
// since transactions have been initialized. Where Kafka says otherwise for long it has
// lost track of a transaction (as a broker may that was killed), and the end of the next
// one is what puts that right.
func (s *Serial) readMarks(ctx context.Context, m *mark) ([]string, *record.Error) {
	insist := s.unstable.IsZero() || time.Since(s.unstable) < unstableWait
	marks, err := m.read(ctx, s.t.Client, insist)
	switch {
	case err != errUnstable:
		s.unstable = time.Time{}
	case s.unstable.IsZero():
		s.unstable = time.Now()
	}
	if s.begun = err == nil; s.begun && !insist {
		s.t.Log.Warn("Kafka still reports an open transaction of the stream after it was ended; reading the mark without it", "transactional_id", m.group)
	}
	return marks, err
}

// Send sends the records in one transaction. They have one topic. An error that is
// Unconfirmed means that the transaction may be committed; Begin finds out.
func (s *Serial) Send(ctx context.Context, recs []record.Record, text string) ([]record.Outcome, *record.Error) {
	s.mu.Lock()
	defer s.leave()
	if !s.ready() {
		return nil, client.ErrRetired
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
	s.t = s.producers.make(s.conn.Alone(), name, nil)
	if err := s.init(ctx, name); err != nil {
		return nil, err
	}
	s.begun = true
	return s.t.send(ctx, recs, m)
}

// name returns that of the transactional.id and of the group.
func (s *Serial) name() (string, *record.Error) { return s.producers.ids.ofStream(s.stream) }

// end closes the producer in the background.
func (s *Serial) end() {
	s.producers.end(s.t)
	s.t, s.begun = nil, false
}

// leave ends the use of the producer, and the producer if the pool has been drained
// meanwhile.
func (s *Serial) leave() {
	s.mu.Unlock()
	if s.producers.hasEnded() {
		s.endUnused(all)
	}
}

// endUnused ends the producer if over is true of it, unless it is in use; leave may do it then.
func (s *Serial) endUnused(over func(*transactional) bool) {
	if !s.mu.TryLock() {
		return
	}
	if s.t != nil && over(s.t) {
		s.end()
	}
	s.mu.Unlock()
}

// Look is that of the stream's producer: see [client.Client.Look]. It is to be called when
// Begun is true.
func (s *Serial) Look(topic string, partition int32) (partitions int32, err *record.Error) {
	s.mu.Lock()
	defer s.leave()
	if !s.ready() {
		return 0, client.ErrRetired
	}
	return s.t.Look(topic, partition)
}
