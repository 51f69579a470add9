package librdkafka

import (
	"slices"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

// codes is the one table from librdkafka's error codes to kinds. Codes below zero
// are the library's own, others come from the broker. Whether the record can be in Kafka
// all the same, the report's status says and not the code.
var codes = func() map[kafka.ErrorCode]record.Kind {
	groups := map[record.Kind][]kafka.ErrorCode{
		record.KindUnconfirmed: {
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
		record.KindTopicNotFound: {
			kafka.ErrUnknownTopic, kafka.ErrUnknownTopicOrPart, kafka.ErrUnknownTopicID,
			kafka.ErrInconsistentTopicID, kafka.ErrResourceNotFound, kafka.ErrNoent,
		},
		record.KindPartitionNotFound: {kafka.ErrUnknownPartition},
		record.KindTopicInvalid:      {kafka.ErrTopicException},
		record.KindForbidden: {
			kafka.ErrTopicAuthorizationFailed, kafka.ErrClusterAuthorizationFailed,
			kafka.ErrTransactionalIDAuthorizationFailed, kafka.ErrGroupAuthorizationFailed,
			kafka.ErrDelegationTokenAuthorizationFailed,
		},
		record.KindTooLarge: {
			kafka.ErrMsgSizeTooLarge, kafka.ErrRecordListTooLarge, kafka.ErrInvalidMsgSize,
		},
		record.KindRejected: {
			kafka.ErrInvalidRecord, kafka.ErrInvalidTimestamp, kafka.ErrPolicyViolation, kafka.ErrInvalidMsg,
			kafka.ErrUnsupportedForMessageFormat, kafka.ErrInvalidDifferentRecord,
		},
		record.KindConfig: {
			kafka.ErrInvalidArg, kafka.ErrInvalidConfig, kafka.ErrInvalidRequiredAcks, kafka.ErrInvalidRequest,
			kafka.ErrUnsupportedFeature, kafka.ErrUnsupportedVersion, kafka.ErrUnsupportedCompressionType,
			kafka.ErrBadCompression, kafka.ErrNotConfigured, kafka.ErrNotImplemented, kafka.ErrInvalidType,
			kafka.ErrKeySerialization, kafka.ErrValueSerialization, kafka.ErrFs, kafka.ErrUnknownProtocol,
			kafka.ErrSecurityDisabled, kafka.ErrUnsupportedSaslMechanism, kafka.ErrInvalidTransactionTimeout,
			kafka.ErrInvalidTxnState, kafka.ErrInconsistent, kafka.ErrReadOnly,
		},
		record.KindNoBroker: {
			kafka.ErrAllBrokersDown, kafka.ErrResolve, kafka.ErrSsl, kafka.ErrBrokerNotAvailable,
			kafka.ErrUnknownBroker, kafka.ErrListenerNotFound, kafka.ErrRebootstrapRequired,
		},
		record.KindAuthentication: {
			kafka.ErrAuthentication, kafka.ErrSaslAuthenticationFailed, kafka.ErrIllegalSaslState,
			kafka.ErrUnacceptableCredential, kafka.ErrPrincipalDeserializationFailure, kafka.ErrInvalidPrincipalType,
			kafka.ErrDelegationTokenAuthDisabled, kafka.ErrDelegationTokenNotFound,
			kafka.ErrDelegationTokenOwnerMismatch, kafka.ErrDelegationTokenRequestNotAllowed,
			kafka.ErrDelegationTokenExpired,
		},
		record.KindQueueFull:      {kafka.ErrQueueFull},
		record.KindTooFewReplicas: {kafka.ErrNotEnoughReplicas, kafka.ErrIsrInsuff},
		record.KindUnavailable: {
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
		record.KindInternal: {
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
	table := map[kafka.ErrorCode]record.Kind{}
	for kind, group := range groups {
		for _, code := range group {
			table[code] = kind
		}
	}
	return table
}()

// Classify turns an error about a record that was not queued, or about anything else but
// a record, into an Error.
func Classify(err error) *record.Error {
	code, known := codeOf(err)
	if !known {
		return &record.Error{Kind: record.KindInternal, Reason: err.Error()}
	}
	kind := KindOf(code)
	if kind == record.KindUnconfirmed { // of a record that nobody had
		kind = record.KindUnavailable
	}
	return &record.Error{Kind: kind, Reason: err.Error()}
}

// Undelivered turns the report of a record that was not acknowledged into an Error: the
// code says why, the status whether the record can be in Kafka all the same.
func Undelivered(code Code, status Status, reason string) *record.Error {
	e := &record.Error{Kind: KindOf(code), Reason: reason}
	switch {
	case status != NotPersisted:
		e.Kind, e.Unconfirmed = record.KindUnconfirmed, true
	case e.Kind == record.KindUnconfirmed: // it was never sent
		e.Kind = record.KindUnavailable
	}
	return e
}

// KindOf looks a code up. One of a newer librdkafka or broker says nothing.
func KindOf(code Code) record.Kind {
	if kind, ok := codes[code]; ok {
		return kind
	}
	return record.KindUnconfirmed
}

// codeOf returns the code of an error of librdkafka's, or of one in a cluster's metadata.
func codeOf(err error) (Code, bool) {
	switch e := err.(type) {
	case *Error:
		return e.Code, true
	case kafka.Error:
		return e.Code(), true
	}
	return 0, false
}

// HasCode reports whether an error has one of the codes, or any at all when none is named.
func HasCode(err error, codes ...Code) bool {
	code, ok := codeOf(err)
	return ok && (len(codes) == 0 || slices.Contains(codes, code))
}
