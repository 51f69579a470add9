package notify

import (
	"strconv"
	"strings"
	"time"
	"unicode"
)

// maxText bounds each text of an event, in bytes, so that events that wait are
// small and fit into a process's environment.
const maxText = 1000

// Event is something that needs a person. It never has a key, payload or property.
type Event struct {
	Event   string    `json:"event"`   // what happened: "stream_suspended", "dead_letter"; "others", see Tell
	Stream  string    `json:"stream"`  // where
	Topic   string    `json:"topic"`   // the topic of the records, may be empty
	Reason  string    `json:"reason"`  // why, for a person to read
	Receipt string    `json:"receipt"` // by which the records are found, may be empty
	Count   int       `json:"count"`   // how many times, at least 1
	Time    time.Time `json:"time"`    // when, the last time
}

// normal returns the event as it is sent. Topics and reasons can come from clients
// and brokers: control characters would break a variable or a mail's header.
func (e Event) normal(now time.Time) Event {
	for _, text := range []*string{&e.Event, &e.Stream, &e.Topic, &e.Reason, &e.Receipt} {
		*text = printable(*text)
	}
	e.Count = max(e.Count, 1)
	if e.Time.IsZero() {
		e.Time = now
	}
	e.Time = e.Time.UTC()
	return e
}

// printable returns a copy, so that a short text does not keep a long one in memory.
func printable(s string) string {
	s = strings.ToValidUTF8(s[:min(len(s), maxText)], "\uFFFD")
	return strings.Clone(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s))
}

// environment returns the event as a command's variables.
func (e Event) environment() []string {
	return []string{
		"KAFKAUPSTREAM_EVENT=" + e.Event,
		"KAFKAUPSTREAM_STREAM=" + e.Stream,
		"KAFKAUPSTREAM_TOPIC=" + e.Topic,
		"KAFKAUPSTREAM_REASON=" + e.Reason,
		"KAFKAUPSTREAM_RECEIPT=" + e.Receipt,
		"KAFKAUPSTREAM_COUNT=" + strconv.Itoa(e.Count),
		"KAFKAUPSTREAM_TIME=" + e.Time.Format(time.RFC3339Nano),
	}
}
