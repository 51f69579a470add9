package complaint

import (
	"testing"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// A broker whose certificate has ended, among others, keeps nobody from the cluster.
func TestHopelessIsWhatNoBrokerIsLeftFor(t *testing.T) {
	var l Log
	for _, c := range []struct {
		code kafka.ErrorCode
		want bool
	}{{kafka.ErrTransport, false}, {kafka.ErrSsl, false}, {kafka.ErrAllBrokersDown, true}} {
		l.Note(kafka.NewError(c.code, "", false))
		if l.Hopeless() != c.want {
			t.Errorf("after %v: %v", c.code, !c.want)
		}
	}
	var away Log // and may come back
	away.Note(kafka.NewError(kafka.ErrTransport, "", false))
	away.Note(kafka.NewError(kafka.ErrAllBrokersDown, "", false))
	if away.Hopeless() {
		t.Error("brokers that are not reached are given up")
	}
}
