package operator

import (
	"context"
	"fmt"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/durable"
)

// byOperator is the reason of a suspension that no record has caused.
const byOperator = "by the operator"

// Suspend stops a stream: what is under way is finished, and nothing more of it is sent to Kafka until
// Resume. Records can still be kept.
func (o *Operator) Suspend(ctx context.Context, stream string) (Done, error) {
	s, err := o.choose(stream)
	if err != nil {
		return Done{}, err
	}
	if !s.Sendable() {
		return Done{}, fmt.Errorf("stream %s is not sent anyway: %w", s.ID, s.Problem)
	}
	if old := s.Suspension(); old != nil {
		return Done{}, fmt.Errorf("stream %s is suspended already, since %s: %s", s.ID, old.Time.Format(time.RFC3339), old.Reason)
	}
	if err := s.Suspend(durable.Suspension{Reason: byOperator, Time: time.Now().UTC()}); err != nil {
		return Done{Stream: s.ID}, fmt.Errorf("stream %s is suspended until the runner ends, since the mark cannot be written to disk: %w", s.ID, err)
	}
	if resume, err := s.Pause(ctx); err == nil { // the round has ended
		resume()
	}
	return Done{Stream: s.ID, Records: s.Disk.Pending(), UnderWay: s.UnderWay()}, nil
}

// Resume resumes a suspended stream, from the record at which it stopped.
func (o *Operator) Resume(_ context.Context, stream string) (Done, error) {
	s, err := o.choose(stream)
	if err != nil {
		return Done{}, err
	}
	if s.Suspension() == nil {
		return Done{}, fmt.Errorf("stream %s is not suspended", s.ID)
	}
	if err := s.Resume(); err != nil {
		return Done{Stream: s.ID}, fmt.Errorf("stream %s stays suspended: %w", s.ID, err)
	}
	return Done{Stream: s.ID, Records: s.Disk.Pending()}, nil
}
