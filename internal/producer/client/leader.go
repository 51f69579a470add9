package client

import "github.com/kafkaupstream/kafkaupstream/internal/librdkafka"

// A leader that gives its partition up answers NOT_LEADER_OR_FOLLOWER to what it has
// appended and the replicas have not confirmed; its successor may have the records all the
// same. librdkafka takes that for "not persisted". When the successor then refuses the
// next attempt, say for too few replicas as in a rolling restart, the report says that no
// broker has the record. So a refusal is believed only where the partition is not known to
// have had another leader since the record was queued. A client that takes over from another
// may have no answer about the topic yet when it queues the record; what the first one knew
// counts then, or each refusal of a new client would be doubted.

// movedLeader reports whether another broker answered for the partition than the one that was
// known to lead it, and nobody has noticed yet: the first sign of a change.
func (d *Delivery) movedLeader(r *librdkafka.Report) bool {
	led, ok := d.known.Leader(r.Partition)
	return ok && r.Broker >= 0 && led != r.Broker && d.known.Moved.CompareAndSwap(false, true)
}

// oneLeader reports whether all attempts to send the record were answered by one broker,
// as far as is known.
func (d *Delivery) oneLeader(r *librdkafka.Report) bool {
	if r.Partition < 0 {
		return true // it was never sent
	}
	led, ok := d.known.Leader(r.Partition)
	if !ok || d.known.Moved.Load() || r.Broker >= 0 && led != r.Broker {
		return false
	}
	now, ok := d.of.Answer().Leader(r.Partition)
	return !ok || now == led
}
