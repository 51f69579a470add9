package producer

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

// A broker that has nothing yet of a producer in a partition takes whatever sequence
// number comes first (Kafka's ProducerAppendInfo.checkSequence): when it refuses the first
// of several batches under way, it takes the second, and the records of the first that are
// sent again come behind it. So the first record of a partition is alone under way until
// Kafka has acknowledged it. This costs each producer one round trip a partition; a broker
// that does not answer holds records up for a second, once.

// firsts are the partitions of a topic that have taken a record of the producer.
type firsts struct {
	taken atomic.Pointer[[]bool] // by partition; replaced, never changed

	mu     sync.Mutex              // guards underWay, and who replaces taken
	asking map[int32]chan struct{} // partitions whose first record is under way; closed at its report
}

// enter reports whether a record is the first of its partition. Otherwise answered is nil,
// or closed when the outcome of the first is known.
func (f *firsts) enter(partition int32) (first bool, answered <-chan struct{}) {
	if f.has(partition) {
		return false, nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.has(partition) {
		return false, nil
	}
	if other := f.asking[partition]; other != nil {
		return false, other
	}
	if f.asking == nil {
		f.asking = map[int32]chan struct{}{}
	}
	f.asking[partition] = make(chan struct{})
	return true, nil
}

func (f *firsts) has(partition int32) bool {
	taken := f.taken.Load()
	return taken != nil && int(partition) < len(*taken) && (*taken)[partition]
}

// leave ends what enter has begun; taken: the records that follow need not wait.
func (f *firsts) leave(partition int32, taken bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if taken {
		var all []bool
		if before := f.taken.Load(); before != nil {
			all = slices.Clone(*before)
		}
		all = append(all, make([]bool, max(0, int(partition)+1-len(all)))...)
		all[partition] = true
		f.taken.Store(&all)
	}
	if answered := f.asking[partition]; answered != nil {
		close(answered)
		delete(f.asking, partition)
	}
}

// awaitFirst returns when the record may be queued behind the first of its partition, and
// notes when it is that itself. Only records of one key, or for one partition, have an
// order to keep.
func (c *client) awaitFirst(rec *record.Record, d *Delivery, deadline time.Time) *record.Error {
	d.partition = rec.Partition
	if d.partition == record.AnyPartition {
		if a := d.of.answer.Load(); a != nil {
			d.partition = c.conn.PartitionOf(rec.Key, a.partitions)
		}
	}
	var patience time.Time // the end of it
	for d.partition != record.AnyPartition {
		first, answered := d.of.firsts.enter(d.partition)
		if d.first = first; answered == nil {
			return nil
		}
		if patience.IsZero() {
			patience = time.Now().Add(orderWait)
		}
		switch {
		case deadline.Before(patience) && !wait(answered, deadline):
			return &record.Error{Kind: record.KindUnavailable, Reason: "Kafka has not answered for the partition's first record yet"}
		case !wait(answered, patience):
			d.of.firsts.leave(d.partition, true)
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
		d.of.firsts.leave(d.partition, took)
	}
}
