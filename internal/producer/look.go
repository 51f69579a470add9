package producer

import (
	"context"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

// Reach returns nil when the connection's cluster answers. Where that is not known, it
// waits until ctx ends.
func (p *Pool) Reach(ctx context.Context, conn *kafkaconf.Connection) *record.Error {
	return p.retrying(ctx, conn, "", forKeeper, func(c *client, _ *suspect) *record.Error {
		if err := c.awaitReady(ctx); err != nil {
			return err
		}
		return c.link.await(ctx, c.closing)
	})
}

// Look returns how many partitions a topic has, 0 where that is not known, and what
// there is to say against a record for one of them (AnyPartition: against all). It does
// not wait: the cluster is asked in the background where its last answer is too old, and
// until there is one the error's kind is KindUnavailable. It is to be called when Reach
// has returned nil.
func (p *Pool) Look(conn *kafkaconf.Connection, name string, partition int32) (partitions int32, err *record.Error) {
	c := p.client(conn)
	if c == nil {
		return 0, errShuttingDown
	}
	select {
	case <-c.ready:
	default:
		return 0, errRetired
	}
	if c.broken != nil {
		return 0, c.broken
	}
	return c.topics.Look(name, partition)
}

// Look is [Pool.Look] for the stream's producer. It is to be called when Begun is true.
func (s *Serial) Look(name string, partition int32) (partitions int32, err *record.Error) {
	s.mu.Lock()
	defer s.leave()
	if !s.ready() {
		return 0, errRetired
	}
	return s.t.topics.Look(name, partition)
}
