package durable

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/spool"
)

// byOperator is the reason of a suspension that no record has caused.
const byOperator = "by the operator"

// Suspend stops a stream: what is under way is finished, and nothing more of it is
// sent to Kafka until Resume. Records can still be kept.
func (q *Queue) Suspend(ctx context.Context, stream string) (Done, error) {
	s, err := q.choose(stream)
	if err != nil {
		return Done{}, err
	}
	if s.stream == nil {
		return Done{}, fmt.Errorf("stream %s is not sent anyway: %w", s.id, s.problem)
	}
	if old := s.stream.suspension.Load(); old != nil {
		return Done{}, fmt.Errorf("stream %s is suspended already, since %s: %s", s.id, old.Time.Format(time.RFC3339), old.Reason)
	}
	if err := s.stream.mark(s.disk, &Suspension{Reason: byOperator, Time: time.Now().UTC()}); err != nil {
		return Done{Stream: s.id}, fmt.Errorf("stream %s is suspended until the runner ends, since the mark cannot be written to disk: %w", s.id, err)
	}
	q.log.Warn("a stream is suspended by the operator; `kafkaupstream spool resume` lets it go on", "stream", s.id)
	if resume, err := s.stream.betweenRounds(ctx); err == nil { // the round has ended
		resume()
	}
	return Done{Stream: s.id, Records: s.disk.Pending(), UnderWay: s.stream.underWay()}, nil
}

// mark notes that the stream is suspended: in memory in any case, and on disk.
func (st *stream) mark(disk *spool.Stream, s *Suspension) error {
	st.suspension.Store(s)
	st.disk.CompareAndSwap(nil, disk)
	text, _ := json.Marshal(s) // of strings and a time: cannot fail
	return disk.Suspend(text)
}

// Resume lets a suspended stream go on, with the record at which it stopped.
func (q *Queue) Resume(stream string) (Done, error) {
	s, err := q.choose(stream)
	if err != nil {
		return Done{}, err
	}
	if s.suspension() == nil {
		return Done{}, fmt.Errorf("stream %s is not suspended", s.id)
	}
	if err := s.disk.Resume(); err != nil {
		return Done{Stream: s.id}, fmt.Errorf("stream %s stays suspended: %w", s.id, err)
	}
	if s.stream != nil {
		s.stream.suspension.Store(nil)
		s.stream.start()
	}
	q.log.Warn("a stream goes on", "stream", s.id)
	return Done{Stream: s.id, Records: s.disk.Pending()}, nil
}
