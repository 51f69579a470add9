package producer

import (
	"context"

	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

// A broker that has nothing yet of a producer in a partition takes whatever sequence
// number comes first (Kafka's ProducerAppendInfo.checkSequence, KAFKA-15591): when it refuses
// the first of several batches under way, as a leader that is just moved does, it takes the
// second. Then librdkafka either sends the first again, which comes behind, or takes it for
// delivered with the second, and it is lost (rd_kafka_dr_implicit_ack). So the first record
// of a partition is alone under way until Kafka has acknowledged it. This costs each producer
// one round trip a partition; while the leader does not answer, others have to wait, too.

// awaitFirst returns when the record may be queued behind the first of its partition, and
// notes when it is that itself. Records for whichever partition librdkafka chooses do not
// wait: that no order is to be kept is known of them, and outcome does not believe librdkafka.
func (c *client) awaitFirst(ctx context.Context, rec *record.Record, d *Delivery) *record.Error {
	d.partition = rec.Partition
	if d.partition == record.AnyPartition {
		if a := d.of.Answer(); a != nil {
			d.partition = c.conn.PartitionOf(rec.Key, a.Partitions)
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
		if c.isClosing() {
			return errRetired
		}
	}
	return nil
}

// answered notes what became of a record, if it was the first of its partition.
func (d *Delivery) answered(took bool) {
	if d.first {
		d.first = false
		d.of.Firsts.Leave(d.partition, took)
	}
}
