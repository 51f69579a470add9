package kafkaupstream

import (
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

// Observer is called for requests and records, on the goroutine that serves them: it must
// neither wait nor panic. internal/metrics has one.
type Observer interface {
	// Began is called before a request is looked at; Ended follows.
	Began()
	// Ended is called with the reply's status. body is the length of the request's body
	// as the gateway handed it over, 0 where it was not asked for.
	Ended(mode record.Mode, status int, took time.Duration, body int)
	// Refused is called instead of both for a request to a route that cannot be used.
	Refused(status int)
	// Record is called for each record with what the reply says of it. A request that is
	// refused before a record is made of it has none.
	Record(mode record.Mode, delivered Delivered)
	// Failed is called with the reason for each record that was not acknowledged, nor kept
	// on disk, and once for a request that panicked.
	Failed(kind record.Kind)
}

// unobserved is the observer where there is none.
type unobserved struct{}

func (unobserved) Began()                                     {}
func (unobserved) Ended(record.Mode, int, time.Duration, int) {}
func (unobserved) Refused(int)                                {}
func (unobserved) Record(record.Mode, Delivered)              {}
func (unobserved) Failed(record.Kind)                         {}
