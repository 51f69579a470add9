package record

import "context"

// Delivery is when a route answers its requests.
type Delivery int

const (
	// Async: when the record is queued. Nobody waits for Kafka.
	Async Delivery = iota
	// Sync: when Kafka has acknowledged it.
	Sync
	// Durable: when Kafka has acknowledged it or it is on this machine's disk.
	Durable
)

// deliveryNames are the deliveries as configurations have them.
var deliveryNames = [...]string{Async: "async", Sync: "sync", Durable: "durable"}

// Deliveries is how many there are: they are the numbers below it.
const Deliveries = Delivery(len(deliveryNames))

// String returns the delivery's name, in lower case.
func (d Delivery) String() string { return deliveryNames[d] }

// Mode is how a route's records are delivered.
type Mode struct {
	Delivery      Delivery
	Transactional bool // all records of a request in one transaction
}

// String returns the mode as metrics and traces call it.
func (m Mode) String() string {
	if m.Transactional {
		return "transactional"
	}
	return m.Delivery.String()
}

// Batch is the records of one request, and then what became of them.
type Batch struct {
	Records []Record

	// Unit is the identity of a durable transaction that may have to be asked for again;
	// zero: it gets one of its own. Again: one with this identity may have been sent before.
	Unit  [16]byte
	Again bool
	// Follow asks for Late where an outcome is not known in time.
	Follow bool
	// Gone is closed when nobody waits for the outcomes any more: a record that was handed over then is not
	// waited for, and delivered all the same. nil: somebody waits until the end. Records on their way to the disk are
	// waited for in any case.
	Gone <-chan struct{}

	// Outcomes has one for each record, which Deliver sets: who makes the batch makes room for
	// them. Of a transaction it is nil where nothing is known
	// of single records: Err says why or, where it is nil too, all were committed earlier.
	Outcomes []Outcome
	// Err says why a transaction as a whole was not committed.
	Err *Error
	// Replied, if it is not nil, is to be called when the reply about the unit has been noted.
	Replied func()
	// Late, if it is not nil, is to be called once: it calls then, on another goroutine,
	// with the outcomes of all records when the last one's has come.
	Late func(then func([]Outcome))
}

// Way delivers batches of one route.
type Way interface {
	// Deliver returns when it has set the batch's outcomes: when ctx ends, or a little later,
	// at the latest. The memory of the records may be used again afterwards.
	Deliver(ctx context.Context, b *Batch)
}

// Unknown is the outcome of a record that was not acknowledged in time.
var Unknown = &Error{Kind: KindUnconfirmed, Unconfirmed: true, Reason: "no acknowledgement in time"}

// Unwaited is the outcome of a record whose acknowledgement nobody waits for any more.
var Unwaited = &Error{Kind: KindUnconfirmed, Unconfirmed: true, Reason: "the client has gone before the acknowledgement"}
