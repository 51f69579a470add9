package durable

import (
	"encoding/json"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/spool"
)

// Suspension is why a stream has stopped.
type Suspension struct {
	Receipt string    `json:"receipt,omitempty"` // the record's at which it stopped; "": none has caused it
	Topic   string    `json:"topic,omitempty"`   // and its topic
	Reason  string    `json:"reason"`
	Time    time.Time `json:"time"`
}

// readSuspension reads the suspension on disk; nil: there is none.
func readSuspension(disk *spool.Stream) *Suspension {
	text, ok := disk.Suspended()
	if !ok {
		return nil
	}
	s := &Suspension{}
	if json.Unmarshal(text, s) != nil {
		s = &Suspension{Reason: "the reason on disk is unreadable"}
	}
	return s
}

func (s *Suspension) write(disk *spool.Stream) error {
	text, _ := json.Marshal(s) // of strings and a time: cannot fail
	return disk.Suspend(text)
}
