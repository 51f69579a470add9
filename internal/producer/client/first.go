package client

import (
	"context"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

// A broker that has no record yet of a producer in a partition takes whatever sequence
// number comes first (Kafka's ProducerAppendInfo.checkSequence, KAFKA-15591): when it refuses
// the first of several batches in flight, as a leader that has just moved does, it takes the
// second. librdkafka then either sends the first again, which ends up behind the second, or
// takes it for delivered with the second, and it is lost (rd_kafka_dr_implicit_ack). So nothing
// else of a partition is in flight until Kafka has acknowledged its first record. This costs each
// producer one round trip per partition; while the leader does not answer, other records wait.

// awaitFirst returns when the record may be queued behind the first of its partition, and
// notes when it is the first itself; ErrRetired once closing is closed. Records for whichever
// partition librdkafka chooses do not wait: they have no order to keep, and Client.outcome
// does not believe what librdkafka concludes about them.
func (d *Delivery) awaitFirst(ctx context.Context, rec *record.Record, conn *kafkaconf.Connection, closing <-chan struct{}) *record.Error {
	d.partition = rec.Partition
	if d.partition == record.AnyPartition {
		if a := d.of.Answer(); a != nil {
			d.partition = conn.PartitionOf(rec.Key, a.Partitions)
		}
	}
	for d.partition != record.AnyPartition {
		first, answered := d.of.Firsts.Enter(d.partition)
		if d.first = first; answered == nil {
			return nil
		}
		select {
		case <-answered:
		case <-ctx.Done():
			return &record.Error{Kind: record.KindUnavailable, Reason: "Kafka has not answered for the partition's first record yet"}
		}
		if isClosed(closing) {
			return ErrRetired
		}
	}
	return nil
}
