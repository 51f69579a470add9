package client

import (
	"log/slog"
	"sync"

	"github.com/kafkaupstream/kafkaupstream/internal/logging"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

// maxLossGroups bounds what is counted apart between two log lines.
const maxLossGroups = 100

// losses counts records that were taken from a client without waiting and then
// not acknowledged, until they are logged: one line for a topic and cause.
type losses struct {
	mu    sync.Mutex
	count map[loss]int
}

type loss struct {
	topic       string
	unconfirmed bool
	reason      string
}

func (l *losses) add(topic string, e *record.Error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := loss{topic, e.Unconfirmed, e.Reason}
	if l.count == nil {
		l.count = map[loss]int{}
	}
	if _, ok := l.count[key]; !ok && len(l.count) >= maxLossGroups {
		key.topic = "(others)"
	}
	l.count[key]++
}

func (l *losses) flush(log *slog.Logger) {
	l.mu.Lock()
	count := l.count
	l.count = nil
	l.mu.Unlock()
	for key, n := range count {
		what := "records were not delivered"
		if key.unconfirmed {
			what = "records were not confirmed; they may or may not be in Kafka"
		}
		log.ErrorContext(logging.Every, what, "topic", key.topic, "records", n, "error", key.reason)
	}
}
