package durable

import (
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/notify"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/internal/spool"
)

// Suspension says why a stream has stopped.
type Suspension struct {
	Receipt string    `json:"receipt,omitempty"` // the record's at which it stopped; "": none has caused it
	Topic   string    `json:"topic,omitempty"`   // and its topic
	Reason  string    `json:"reason"`
	Time    time.Time `json:"time"`
}

// suspend stops the stream at a record.
func (st *stream) suspend(e *spool.Entry, err *record.Error) {
	s := &Suspension{e.Position.Receipt(), e.Record.Topic, err.Reason, time.Now().UTC()}
	if serr := st.mark(st.disk.Load(), s); serr != nil {
		st.q.log.Error("that a stream is suspended cannot be written to disk", "stream", st.id, "error", serr)
	}
	st.q.log.Error("a stream is suspended at a record that Kafka can never take; `kafkaupstream spool resume` lets it go on",
		"stream", st.id, "receipt", s.Receipt, "topic", s.Topic, "error", s.Reason)
	st.q.opts.Notifier.Tell(notify.Event{
		Event: "stream_suspended", Stream: st.id, Topic: s.Topic, Reason: s.Reason, Receipt: s.Receipt, Count: 1, Time: s.Time,
	})
}

// letterInterval is how often dead letters are logged.
const letterInterval = time.Minute

// letters counts a stream's dead letters until they are logged and told.
type letters struct {
	count map[letterCause]int
	last  time.Time
}

type letterCause struct{ topic, reason string }

// maxLetterCauses bounds what is counted apart.
const maxLetterCauses = 100

func (l *letters) add(topic, reason string) {
	if l.count == nil {
		l.count = map[letterCause]int{}
	}
	cause := letterCause{topic, reason}
	if _, ok := l.count[cause]; !ok && len(l.count) >= maxLetterCauses {
		cause = letterCause{"(others)", ""}
	}
	l.count[cause]++
}

// due returns how long it is until tell has something to log.
func (l *letters) due() time.Duration {
	if len(l.count) == 0 {
		return time.Hour
	}
	return max(time.Until(l.last.Add(letterInterval)), 0)
}

func (l *letters) tell(st *stream) {
	if len(l.count) > 0 && l.due() == 0 {
		l.flush(st)
	}
}

func (l *letters) flush(st *stream) {
	for cause, n := range l.count {
		st.q.log.Error("records that Kafka can never take are dead letters now; see `kafkaupstream spool ls`",
			"stream", st.id, "topic", cause.topic, "records", n, "error", cause.reason)
		st.q.opts.Notifier.Tell(notify.Event{
			Event: "dead_letter", Stream: st.id, Topic: cause.topic, Reason: cause.reason, Count: n, Time: time.Now().UTC(),
		})
	}
	l.count, l.last = nil, time.Now()
}
