package durable

import (
	"log/slog"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/notify"
)

const (
	// letterInterval is how often dead letters are logged.
	letterInterval = time.Minute
	// maxLetterCauses bounds what is counted apart.
	maxLetterCauses = 100
)

// letters counts a stream's dead letters until they are logged and an operator is notified of them.
// The forwarder alone uses it.
type letters struct {
	log      *slog.Logger
	notifier *notify.Notifier
	stream   string // its ID
	count    map[letterCause]*letterCount
	last     time.Time
}

type letterCause struct{ topic, reason string }

// letterCount is how many there are, and the receipt that the last one's client has.
type letterCount struct {
	n       int
	receipt string
}

func (l *letters) add(topic, reason, receipt string) {
	if l.count == nil {
		l.count = map[letterCause]*letterCount{}
	}
	cause := letterCause{topic, reason}
	if _, ok := l.count[cause]; !ok && len(l.count) >= maxLetterCauses {
		cause = letterCause{"(others)", ""}
	}
	c := l.count[cause]
	if c == nil {
		c = &letterCount{}
		l.count[cause] = c
	}
	c.n, c.receipt = c.n+1, receipt
}

// due returns how long it is until report has something to log.
func (l *letters) due() time.Duration {
	if len(l.count) == 0 {
		return time.Hour
	}
	return max(time.Until(l.last.Add(letterInterval)), 0)
}

// report flushes what is due.
func (l *letters) report() {
	if len(l.count) > 0 && l.due() == 0 {
		l.flush()
	}
}

func (l *letters) flush() {
	for cause, c := range l.count {
		l.log.Error("records that Kafka can never take are dead letters now; see `kafkaupstream spool ls`",
			"stream", l.stream, "topic", cause.topic, "records", c.n, "error", cause.reason)
		l.notifier.Tell(notify.Event{
			Event: "dead_letter", Stream: l.stream, Topic: cause.topic, Reason: cause.reason, Receipt: c.receipt, Count: c.n, Time: time.Now().UTC(),
		})
	}
	l.count, l.last = nil, time.Now()
}
