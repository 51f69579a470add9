package producer

import (
	"context"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/producer/client"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

// A durable connection has one batch under way to each broker, because librdkafka makes duplicates of more
// (librdkafka#4953). A request to a broker has the records of one partition, so a broker that is a round trip away and
// leads many partitions would serve them one after another. Such a connection is therefore striped: its partitions are
// divided among several producers, each of them with one batch under way.
//
// A partition's records all have the same producer, so their order is that of one. For that it is decided here, by
// what the connection's own producer knows of the topic, to which partition a key belongs: what another producer knows
// may be older. For everything else, as suspect topics, handovers and idle producers, a stripe is a connection like
// others. Records without a partition or key have no order; they stay with the connection's own producer, in whose
// batches they meet.

// partition returns the partition of a record for a striped connection, AnyPartition where that is left to librdkafka;
// for other connections the one that the record has.
func (p *Pool) partition(ctx context.Context, conn *kafkaconf.Connection, rec *record.Record) (int32, *record.Error) {
	if !conn.Striped() || rec.Partition == record.AnyPartition && rec.Key == nil {
		return rec.Partition, nil
	}
	partitions, err := p.partitions(ctx, conn, rec)
	if err != nil || rec.Partition != record.AnyPartition {
		return rec.Partition, err
	}
	return conn.PartitionOf(rec.Key, partitions), nil
}

// partitions returns how many partitions a record's topic has, when the record can be queued now.
func (p *Pool) partitions(ctx context.Context, conn *kafkaconf.Connection, rec *record.Record) (int32, *record.Error) {
	for {
		c := p.client(conn)
		if c == nil {
			return 0, client.ErrShuttingDown
		}
		t, err := c.Admit(ctx, rec)
		switch {
		case err == client.ErrRetired && ctx.Err() == nil: // the pool has another
		case err != nil:
			return 0, err
		default:
			if a := t.Answer(); a != nil && a.Partitions > 0 { // otherwise it was forgotten meanwhile
				return a.Partitions, nil
			}
		}
	}
}

// learn makes a stripe's client ask for the record's topic if it does not know of a partition of which the connection's
// own knows already.
func learn(c *client.Client, rec *record.Record) {
	if _, err := c.Look(rec.Topic, rec.Partition); err != nil && err.Kind == record.KindPartitionNotFound {
		c.Forget(rec.Topic)
	}
}
