package producer

import (
	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/kafkaupstream/kafkaupstream/internal/librdkafka"
)

// Kind says why a record was not acknowledged.
type Kind int

const (
	// KindUnconfirmed: handed over, and nobody knows what became of it.
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

// codes is the one table from librdkafka's error codes to kinds. Codes below zero
// are the library's own, others come from the broker. Whether the record can be in Kafka
// all the same, the report's status says and not the code.
var codes = func() map[kafka.ErrorCode]Kind {
	groups := map[Kind][]kafka.ErrorCode{
		KindUnconfirmed: {
			// Time ran out, or the connection broke with the record under way.
			kafka.ErrMsgTimedOut, kafka.ErrTimedOut, kafka.ErrTimedOutQueue, kafka.ErrTransport,
			kafka.ErrRequestTimedOut, kafka.ErrNetworkException, kafka.ErrDestroyBroker,
			// Purged while the producer went away. A record that waited for a retry
			// is purged from the queue too, and may have been written before.
			kafka.ErrPurgeInflight, kafka.ErrPurgeQueue, kafka.ErrDestroy,
			// Written by the leader, and then the replicas were too few.
			kafka.ErrNotEnoughReplicasAfterAppend,
			// Lost track of, by an idempotent producer.
			kafka.ErrFatal, kafka.ErrGaplessGuarantee, kafka.ErrOutOfOrderSequenceNumber,
			kafka.ErrDuplicateSequenceNumber, kafka.ErrUnknownProducerID, kafka.ErrInvalidProducerIDMapping,
			kafka.ErrInvalidProducerEpoch, kafka.ErrProducerFenced, kafka.ErrFenced,
			// Not understood.
			kafka.ErrUnknown, kafka.ErrFail, kafka.ErrBadMsg, kafka.ErrUnderflow,
			kafka.ErrIntr, kafka.ErrRetry, kafka.ErrInProgress, kafka.ErrPartial, kafka.ErrOutdated,
		},
		KindTopicNotFound: {
			kafka.ErrUnknownTopic, kafka.ErrUnknownTopicOrPart, kafka.ErrUnknownTopicID,
			kafka.ErrInconsistentTopicID, kafka.ErrResourceNotFound, kafka.ErrNoent,
		},
		KindPartitionNotFound: {kafka.ErrUnknownPartition},
		KindTopicInvalid:      {kafka.ErrTopicException},
		KindForbidden: {
			kafka.ErrTopicAuthorizationFailed, kafka.ErrClusterAuthorizationFailed,
			kafka.ErrTransactionalIDAuthorizationFailed, kafka.ErrGroupAuthorizationFailed,
			kafka.ErrDelegationTokenAuthorizationFailed,
		},
		KindTooLarge: {
			kafka.ErrMsgSizeTooLarge, kafka.ErrRecordListTooLarge, kafka.ErrInvalidMsgSize,
		},
		KindRejected: {
			kafka.ErrInvalidRecord, kafka.ErrInvalidTimestamp, kafka.ErrPolicyViolation, kafka.ErrInvalidMsg,
			kafka.ErrUnsupportedForMessageFormat, kafka.ErrInvalidDifferentRecord,
		},
		KindConfig: {
			kafka.ErrInvalidArg, kafka.ErrInvalidConfig, kafka.ErrInvalidRequiredAcks, kafka.ErrInvalidRequest,
			kafka.ErrUnsupportedFeature, kafka.ErrUnsupportedVersion, kafka.ErrUnsupportedCompressionType,
			kafka.ErrBadCompression, kafka.ErrNotConfigured, kafka.ErrNotImplemented, kafka.ErrInvalidType,
			kafka.ErrKeySerialization, kafka.ErrValueSerialization, kafka.ErrFs, kafka.ErrUnknownProtocol,
			kafka.ErrSecurityDisabled, kafka.ErrUnsupportedSaslMechanism, kafka.ErrInvalidTransactionTimeout,
			kafka.ErrInvalidTxnState, kafka.ErrInconsistent, kafka.ErrReadOnly,
		},
		KindNoBroker: {
			kafka.ErrAllBrokersDown, kafka.ErrResolve, kafka.ErrSsl, kafka.ErrBrokerNotAvailable,
			kafka.ErrUnknownBroker, kafka.ErrListenerNotFound, kafka.ErrRebootstrapRequired,
		},
		KindAuthentication: {
			kafka.ErrAuthentication, kafka.ErrSaslAuthenticationFailed, kafka.ErrIllegalSaslState,
			kafka.ErrUnacceptableCredential, kafka.ErrPrincipalDeserializationFailure, kafka.ErrInvalidPrincipalType,
			kafka.ErrDelegationTokenAuthDisabled, kafka.ErrDelegationTokenNotFound,
			kafka.ErrDelegationTokenOwnerMismatch, kafka.ErrDelegationTokenRequestNotAllowed,
			kafka.ErrDelegationTokenExpired,
		},
		KindQueueFull:      {kafka.ErrQueueFull},
		KindTooFewReplicas: {kafka.ErrNotEnoughReplicas, kafka.ErrIsrInsuff},
		KindUnavailable: {
			kafka.ErrLeaderNotAvailable, kafka.ErrNotLeaderForPartition, kafka.ErrReplicaNotAvailable,
			kafka.ErrKafkaStorageError, kafka.ErrLogDirNotFound, kafka.ErrThrottlingQuotaExceeded,
			kafka.ErrFencedLeaderEpoch, kafka.ErrUnknownLeaderEpoch, kafka.ErrStaleCtrlEpoch,
			kafka.ErrStaleBrokerEpoch, kafka.ErrNotController, kafka.ErrOperationNotAttempted,
			kafka.ErrReassignmentInProgress, kafka.ErrPreferredLeaderNotAvailable,
			kafka.ErrEligibleLeadersNotAvailable, kafka.ErrElectionNotNeeded, kafka.ErrNoReassignmentInProgress,
			kafka.ErrCoordinatorLoadInProgress, kafka.ErrCoordinatorNotAvailable, kafka.ErrNotCoordinator,
			kafka.ErrConcurrentTransactions, kafka.ErrTransactionCoordinatorFenced, kafka.ErrTransactionAbortable,
			kafka.ErrWaitCoord, kafka.ErrWaitCache, kafka.ErrNodeUpdate, kafka.ErrState,
			kafka.ErrPrevInProgress, kafka.ErrConflict, kafka.ErrCritSysResource, kafka.ErrNoop,
		},
		// Codes of consumers, groups, shares, administration and the controllers' quorum.
		KindInternal: {
			kafka.ErrNoError, kafka.ErrPartitionEOF, kafka.ErrUnknownGroup, kafka.ErrExistingSubscription,
			kafka.ErrAssignPartitions, kafka.ErrRevokePartitions, kafka.ErrNoOffset, kafka.ErrKeyDeserialization,
			kafka.ErrValueDeserialization, kafka.ErrMaxPollExceeded, kafka.ErrApplication, kafka.ErrAssignmentLost,
			kafka.ErrAutoOffsetReset, kafka.ErrLogTruncation, kafka.ErrOffsetOutOfRange,
			kafka.ErrOffsetMetadataTooLarge, kafka.ErrIllegalGeneration, kafka.ErrInconsistentGroupProtocol,
			kafka.ErrInvalidGroupID, kafka.ErrUnknownMemberID, kafka.ErrInvalidSessionTimeout,
			kafka.ErrRebalanceInProgress, kafka.ErrInvalidCommitOffsetSize, kafka.ErrTopicAlreadyExists,
			kafka.ErrInvalidPartitions, kafka.ErrInvalidReplicationFactor, kafka.ErrInvalidReplicaAssignment,
			kafka.ErrNonEmptyGroup, kafka.ErrGroupIDNotFound, kafka.ErrFetchSessionIDNotFound,
			kafka.ErrInvalidFetchSessionEpoch, kafka.ErrTopicDeletionDisabled, kafka.ErrOffsetNotAvailable,
			kafka.ErrMemberIDRequired, kafka.ErrGroupMaxSizeReached, kafka.ErrFencedInstanceID,
			kafka.ErrGroupSubscribedToTopic, kafka.ErrUnstableOffsetCommit, kafka.ErrDuplicateResource,
			kafka.ErrInconsistentVoterSet, kafka.ErrInvalidUpdateVersion, kafka.ErrFeatureUpdateFailed,
			kafka.ErrFencedMemberEpoch, kafka.ErrUnreleasedInstanceID, kafka.ErrUnsupportedAssignor,
			kafka.ErrStaleMemberEpoch, kafka.ErrMismatchedEndpointType, kafka.ErrUnsupportedEndpointType,
			kafka.ErrUnknownControllerID, kafka.ErrUnknownSubscriptionID, kafka.ErrTelemetryTooLarge,
			kafka.ErrInvalidRegistration, kafka.ErrInvalidRecordState, kafka.ErrShareSessionNotFound,
			kafka.ErrInvalidShareSessionEpoch, kafka.ErrFencedStateEpoch, kafka.ErrInvalidVoterKey,
			kafka.ErrDuplicateVoter, kafka.ErrVoterNotFound, kafka.ErrInvalidRegularExpression,
			kafka.ErrStreamsInvalidTopology, kafka.ErrStreamsInvalidTopologyEpoch,
			kafka.ErrStreamsTopologyFenced, kafka.ErrShareSessionLimitReached,
		},
	}
	table := map[kafka.ErrorCode]Kind{}
	for kind, group := range groups {
		for _, code := range group {
			table[code] = kind
		}
	}
	return table
}()

// classify turns an error about a record that was not queued, or about anything else but
// a record, into an Error.
func classify(err error) *Error {
	code, known := codeOf(err)
	if !known {
		return &Error{Kind: KindInternal, Reason: err.Error()}
	}
	kind := kindOf(code)
	if kind == KindUnconfirmed { // of a record that nobody had
		kind = KindUnavailable
	}
	return &Error{Kind: kind, Reason: err.Error()}
}

// undelivered turns the report of a record that was not acknowledged into an Error: the
// code says why, the status whether the record can be in Kafka all the same.
func undelivered(code librdkafka.Code, status librdkafka.Status, reason string) *Error {
	e := &Error{Kind: kindOf(code), Reason: reason}
	switch {
	case status != librdkafka.NotPersisted:
		e.Kind, e.Unconfirmed = KindUnconfirmed, true
	case e.Kind == KindUnconfirmed: // it was never sent
		e.Kind = KindUnavailable
	}
	return e
}

// kindOf looks a code up. One of a newer librdkafka or broker says nothing.
func kindOf(code librdkafka.Code) Kind {
	if kind, ok := codes[code]; ok {
		return kind
	}
	return KindUnconfirmed
}

// codeOf returns the code of an error of librdkafka's, or of one in a cluster's metadata.
func codeOf(err error) (librdkafka.Code, bool) {
	switch e := err.(type) {
	case *librdkafka.Error:
		return e.Code, true
	case kafka.Error:
		return e.Code(), true
	}
	return 0, false
}

func hasCode(err error, code librdkafka.Code) bool {
	c, ok := codeOf(err)
	return ok && c == code
}
