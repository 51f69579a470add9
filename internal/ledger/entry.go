package ledger

import (
	"fmt"
	"time"
)

// Delivered is what a reply says of its record.
type Delivered uint8

const (
	Unsaid   Delivered = iota // nothing: the reply has no such member
	Yes                       // "yes": in Kafka
	No                        // "no": not in Kafka, and never will be
	Perhaps                   // "unknown"
	Pending                   // "pending": on disk
	Mistaken                  // something else
	Failure                   // the reply is a success for HTTP, and names an error for the record
)

var deliveredTexts = [...]string{"", "yes", "no", "unknown", "pending", "mistaken", "error"}

func (d Delivered) String() string { return deliveredTexts[d] }

// DeliveredOf is what a reply means whose member `delivered` is the text.
func DeliveredOf(text string) Delivered {
	for d := Unsaid; d < Mistaken; d++ {
		if deliveredTexts[d] == text {
			return d
		}
	}
	return Mistaken
}

// Entry is one record and what its client was told of it. There are millions of them: it
// is small.
type Entry struct {
	ID
	Content

	Status    int16 // 0: there is no reply
	Delivered Delivered
	// Partition and Offset are where the reply says that the record is; -1: it does not.
	Partition int32
	Offset    int64
	Receipt   string // of a record that is kept on disk

	sent time.Duration // after began
	Wait time.Duration // from there to the reply
}

// began is where the clock of the entries begins.
var began = time.Now()

// Send notes that the record is about to be sent.
func (e *Entry) Send() { e.sent, e.Partition, e.Offset = time.Since(began), -1, -1 }

// Sent is when the record was sent.
func (e *Entry) Sent() time.Time { return began.Add(e.sent) }

// Answered notes that there is a reply, or will be none.
func (e *Entry) Answered() { e.Wait = time.Since(began) - e.sent }

func (e *Entry) String() string {
	return fmt.Sprintf("%v: %d %s after %v", e.ID, e.Status, e.Delivered, e.Wait.Round(time.Millisecond))
}

// Outcome is what a reply promises.
type Outcome int

const (
	NoReply       Outcome = iota // nothing: the record may be anywhere
	Acknowledged                 // in Kafka
	Kept                         // on disk, and in Kafka in the end
	Queued                       // in memory: in Kafka or in the log
	Accepted                     // 2xx of a gateway that says nothing of delivery: in Kafka in the end
	Unknown                      // nothing
	Failed                       // nothing: an error of a gateway that says nothing of delivery
	Refused                      // not in Kafka, and never will be
	Contradictory                // a status and a delivered that do not go together
)

// Outcome is what the record's reply promises.
func (e *Entry) Outcome() Outcome {
	switch {
	case e.Status == 0:
		return NoReply
	case e.Delivered == Unsaid && e.Status >= 200 && e.Status < 300:
		return Accepted
	case e.Delivered == Unsaid || e.Delivered == Failure:
		return Failed
	case e.Status == 200 && e.Delivered == Yes:
		return Acknowledged
	case e.Status == 202 && e.Delivered == Pending && e.Receipt != "":
		return Kept
	case e.Status == 200 && e.Delivered == Perhaps:
		return Queued
	case e.Status >= 400 && e.Delivered == Perhaps:
		return Unknown
	case e.Status >= 400 && e.Delivered == No:
		return Refused
	}
	return Contradictory
}

// Promised reports whether the reply obliges: the record is to be in Kafka.
func (o Outcome) Promised() bool {
	return o == Acknowledged || o == Kept || o == Queued || o == Accepted
}

// byItself reports whether the client was told that something is wrong with its
// record, and not with Kafka.
func (e *Entry) byItself() bool { return e.Outcome() == Refused && e.Status < 500 }

// names reports whether the reply is to say where the record is, or does.
func (e *Entry) names() bool {
	o := e.Outcome()
	return o == Acknowledged || o == Accepted && e.Partition >= 0 && e.Offset >= 0
}
