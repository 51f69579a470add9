package client

import (
	"context"

	"github.com/kafkaupstream/kafkaupstream/internal/librdkafka"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

// made is the librdkafka producer, or the reason why there is none. One of them is set before
// ready is closed; both are read afterwards, and do not change.
type made struct {
	ready  chan struct{}
	kafka  *librdkafka.Producer
	broken *record.Error
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// AwaitReady waits until there is a librdkafka producer, or the reason why there is none.
func (m *made) AwaitReady(ctx context.Context) *record.Error {
	if isClosed(m.ready) {
		return m.broken
	}
	select {
	case <-m.ready:
		return m.broken
	case <-ctx.Done():
		return &record.Error{Kind: record.KindUnavailable, Reason: "the producer was not made in time"}
	}
}

// Broken returns the reason why there is no librdkafka producer; nil where there is one, and
// while it is being made.
func (m *made) Broken() *record.Error {
	if !isClosed(m.ready) {
		return nil
	}
	return m.broken
}

// Kafka returns the librdkafka producer. It is to be called when AwaitReady has returned nil.
func (m *made) Kafka() *librdkafka.Producer { return m.kafka }
