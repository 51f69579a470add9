package producer

import (
	"context"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

// A broker that has nothing yet of a producer in a partition takes whatever sequence
// number comes first (Kafka's ProducerAppendInfo.checkSequence): when it refuses the first
// of several batches under way, it takes the second, and the records of the first that are
// sent again come behind it. So the first record of a partition is alone under way until
// Kafka has acknowledged it. This costs each producer one round trip a partition; a broker
// that does not answer holds records up for a second, once.

// awaitFirst returns when the record may be queued behind the first of its partition, and
// notes when it is that itself. Only records of one key, or for one partition, have an
// order to keep.
func (c *client) awaitFirst(ctx context.Context, rec *record.Record, d *Delivery) *record.Error {
	d.partition = rec.Partition
	if d.partition == record.AnyPartition {
		if a := d.of.Answer(); a != nil {
			d.partition = c.conn.PartitionOf(rec.Key, a.Partitions)
		}
	}
	var patience <-chan time.Time
	for d.partition != record.AnyPartition {
		first, answered := d.of.Firsts.Enter(d.partition)
		if d.first = first; answered == nil {
			return nil
		}
		if patience == nil {
			patience = time.After(orderWait)
		}
		select {
		case <-answered:
		case <-patience:
			d.of.Firsts.Leave(d.partition, true)
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
