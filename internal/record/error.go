package record

// Kind says why a record was not acknowledged.
type Kind int

const (
	// KindUnconfirmed: handed to Kafka, and the outcome is not known.
	KindUnconfirmed Kind = iota
	// KindTopicNotFound: the cluster has no such topic and creates none.
	KindTopicNotFound
	// KindPartitionNotFound: the topic has fewer partitions.
	KindPartitionNotFound
	// KindTopicInvalid: the cluster refuses the topic's name.
	KindTopicInvalid
	// KindForbidden: the credentials may not write to the topic.
	KindForbidden
	// KindTooLarge: larger than the producer, the topic or the broker takes.
	KindTooLarge
	// KindRejected: the broker refuses the record as invalid.
	KindRejected
	// KindConfig: librdkafka or the broker refuses the configuration.
	KindConfig
	// KindNoBroker: no broker of the cluster can be reached.
	KindNoBroker
	// KindAuthentication: the cluster refuses the credentials.
	KindAuthentication
	// KindQueueFull: the producer's queue is at its limit.
	KindQueueFull
	// KindTooFewReplicas: fewer replicas in sync than the topic demands.
	KindTooFewReplicas
	// KindUnavailable: the cluster cannot take it now, for another reason.
	KindUnavailable
	// KindSpoolFull and KindSpoolFailed: Kafka did not take it, and this machine's
	// disk is full or fails (durable delivery).
	KindSpoolFull
	KindSpoolFailed
	// KindAborted: another record of its transaction was refused.
	KindAborted
	// KindInternal: an error that producing should never see.
	KindInternal
)

// kindNames are the kinds as metrics and traces call them.
var kindNames = [...]string{
	KindUnconfirmed: "unconfirmed", KindTopicNotFound: "topic_not_found", KindPartitionNotFound: "partition_not_found",
	KindTopicInvalid: "topic_invalid", KindForbidden: "forbidden", KindTooLarge: "too_large", KindRejected: "rejected",
	KindConfig: "config", KindNoBroker: "no_broker", KindAuthentication: "authentication", KindQueueFull: "queue_full",
	KindTooFewReplicas: "too_few_replicas", KindUnavailable: "unavailable", KindSpoolFull: "spool_full",
	KindSpoolFailed: "spool_failed", KindAborted: "aborted", KindInternal: "internal",
}

// Kinds is how many kinds there are: they are the numbers below it.
const Kinds = Kind(len(kindNames))

// String returns the kind's name: lower case, with underscores.
func (k Kind) String() string { return kindNames[k] }

// Error is the outcome of a record that was not acknowledged.
type Error struct {
	Kind Kind
	// Unconfirmed: the record may be in Kafka all the same, or get there yet. Otherwise
	// it is not and never will be.
	Unconfirmed bool
	// Reason is for the log. It can name brokers: no client gets it.
	Reason string
}

func (e *Error) Error() string { return e.Reason }

// Missing reports whether the topic or the partition is not there.
func (e *Error) Missing() bool {
	return e.Kind == KindTopicNotFound || e.Kind == KindPartitionNotFound
}

// Permanent reports whether no later attempt changes the outcome, as long as the cluster
// and the route's configuration stay as they are.
func (e *Error) Permanent() bool {
	if e.Unconfirmed {
		return false
	}
	switch e.Kind {
	case KindTopicNotFound, KindPartitionNotFound, KindTopicInvalid, KindForbidden,
		KindTooLarge, KindRejected, KindConfig, KindInternal:
		return true
	}
	return false
}

// Refused reports whether it is the record that Kafka refuses: no later attempt changes
// the outcome, also when a topic has been created or a configuration mended.
func (e *Error) Refused() bool {
	return e.Permanent() && !e.Missing() && e.Kind != KindConfig && e.Kind != KindInternal
}
