package librdkafka

import (
	"errors"
	"strings"
	"testing"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

func TestErrorCodesOfLibrdkafkaAreAllClassified(t *testing.T) {
	known := 0
	for code := kafka.ErrorCode(-250); code < 250; code++ {
		name := code.String()
		if strings.HasPrefix(name, "Err-") || strings.Contains(name, "?") || strings.HasPrefix(name, "Unknown error") {
			continue
		}
		known++
		if _, ok := codes[code]; !ok {
			t.Errorf("%d (%s) is in no group", code, name)
		}
	}
	if known < 180 {
		t.Errorf("only %d codes were looked at", known)
	}
}

func TestErrorSaysWhatBecameOfTheRecord(t *testing.T) {
	const no, maybe, yes = NotPersisted, PossiblyPersisted, Persisted
	cases := []struct {
		says        string
		code        Code
		status      Status
		kind        record.Kind
		unconfirmed bool
	}{
		{"a timeout under way leaves it open", kafka.ErrMsgTimedOut, maybe, record.KindUnconfirmed, true},
		{"a timeout in the queue does not", kafka.ErrMsgTimedOut, no, record.KindUnavailable, false},
		{"neither does a purge of what was not sent", kafka.ErrPurgeQueue, no, record.KindUnavailable, false},
		{"a purge of what waits for a second attempt does", kafka.ErrPurgeQueue, maybe, record.KindUnconfirmed, true},
		{"so does an append that was not replicated", kafka.ErrNotEnoughReplicasAfterAppend, maybe, record.KindUnconfirmed, true},
		{"a refusal by the broker is certain", kafka.ErrNotEnoughReplicas, no, record.KindTooFewReplicas, false},
		{"but not of what an earlier attempt may have written", kafka.ErrNotEnoughReplicas, maybe, record.KindUnconfirmed, true},
		{"whatever the refusal", kafka.ErrMsgSizeTooLarge, maybe, record.KindUnconfirmed, true},
		{"an error about a record that is there leaves it open", kafka.ErrMsgSizeTooLarge, yes, record.KindUnconfirmed, true},
		{"an unknown topic is certain", kafka.ErrUnknownTopicOrPart, no, record.KindTopicNotFound, false},
		{"a code of the future says nothing beside the status", kafka.ErrorCode(4711), no, record.KindUnavailable, false},
		{"an operation that produces nothing is a bug", kafka.ErrRebalanceInProgress, no, record.KindInternal, false},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			e := Undelivered(c.code, c.status, "")
			if e.Kind != c.kind || e.Unconfirmed != c.unconfirmed {
				t.Errorf("got %s, unconfirmed %v", e.Kind, e.Unconfirmed)
			}
		})
	}
}

func TestErrorOfWhatWasNotQueuedLeavesNothingOpen(t *testing.T) {
	for err, kind := range map[error]record.Kind{
		&Error{Code: kafka.ErrTransport}:                   record.KindUnavailable,
		kafka.NewError(kafka.ErrUnknownTopic, "", false):   record.KindTopicNotFound,
		&Error{Code: kafka.ErrQueueFull}:                   record.KindQueueFull,
		errors.New("an error that is not of librdkafka's"): record.KindInternal,
	} {
		if e := Classify(err); e.Kind != kind || e.Unconfirmed {
			t.Errorf("%v: %s, unconfirmed %v", err, e.Kind, e.Unconfirmed)
		}
	}
}
