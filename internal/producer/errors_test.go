package producer

import (
	"errors"
	"strings"
	"testing"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

func TestEveryErrorCodeOfLibrdkafkaIsClassified(t *testing.T) {
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

func TestWhatAnErrorSaysOfTheRecord(t *testing.T) {
	cases := []struct {
		says        string
		code        kafka.ErrorCode
		handedOver  bool
		kind        Kind
		unconfirmed bool
	}{
		{"a timeout leaves it open", kafka.ErrMsgTimedOut, true, KindUnconfirmed, true},
		{"so does a purge", kafka.ErrPurgeQueue, true, KindUnconfirmed, true},
		{"so does an append that was not replicated", kafka.ErrNotEnoughReplicasAfterAppend, true, KindUnconfirmed, true},
		{"a refusal by the broker is certain", kafka.ErrNotEnoughReplicas, true, KindTooFewReplicas, false},
		{"so is one for its size", kafka.ErrMsgSizeTooLarge, true, KindTooLarge, false},
		{"an unknown topic is certain", kafka.ErrUnknownTopicOrPart, true, KindTopicNotFound, false},
		{"before it is handed over nothing is open", kafka.ErrTransport, false, KindUnavailable, false},
		{"a code of the future leaves it open", kafka.ErrorCode(4711), true, KindUnconfirmed, true},
		{"one of an operation that produces nothing too", kafka.ErrRebalanceInProgress, true, KindInternal, true},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			e := classify(kafka.NewError(c.code, "", false), c.handedOver)
			if e.Kind != c.kind || e.Unconfirmed != c.unconfirmed {
				t.Errorf("got kind %d, unconfirmed %v", e.Kind, e.Unconfirmed)
			}
		})
	}
	if e := classify(errors.New("x"), true); e.Kind != KindInternal || !e.Unconfirmed {
		t.Errorf("an error that is not librdkafka's: %+v", e)
	}
}
