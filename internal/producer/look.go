package producer

import (
	"context"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/producer/client"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

// Reach returns nil when the connection's cluster answers. Where that is not known, it
// waits until ctx ends.
func (p *Pool) Reach(ctx context.Context, conn *kafkaconf.Connection) *record.Error {
	return p.retrying(ctx, conn, "", client.ForKeeper, func(c *client.Client, _ *suspect) *record.Error {
		if err := c.AwaitReady(ctx); err != nil {
			return err
		}
		return c.AwaitUp(ctx)
	})
}

// Look returns how many partitions a topic has, 0 where that is not known, and the error of
// a record for one of them (AnyPartition: of any). It does not wait: the cluster is asked in
// the background where its last answer is too old, and until there is one the error's kind is
// KindUnavailable. It is to be called when Reach has returned nil.
func (p *Pool) Look(conn *kafkaconf.Connection, topic string, partition int32) (partitions int32, err *record.Error) {
	c := p.client(conn)
	if c == nil {
		return 0, client.ErrShuttingDown
	}
	return c.Look(topic, partition)
}
