package envelope

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"

	"github.com/kafkaupstream/kafkaupstream/internal/schema"
)

// Envelope is a neighbour's wire form.
type Envelope struct {
	// Suffixes are what the topic may have behind the route's, such as ".info"; nil:
	// the topic is the route's.
	Suffixes []string
	// Codecs are the compressions that its readers know; nil: all of Kafka's.
	Codecs []string
	// Why says what becomes of a reader that gets another compression.
	Why string
	// Whole: the envelope is of the whole request, with a body of any kind. Its records are made by WrapRequest.
	Whole bool

	accepts func() *schema.Schema
	// wrap is given what accepts accepts: a JSON object, compact, without a name twice
	// in an object, in UTF-8. Its problems are those that a schema cannot tell. It
	// gives up with errTooLarge when the value becomes longer than limit bytes.
	wrap func(value []byte, limit int) (Wrapped, []schema.Problem, error)
}

// Wrapped is what an envelope makes of a value.
type Wrapped struct {
	Value []byte
	// Suffix is one of the envelope's, "" where it has none.
	Suffix string
}

// table has the envelopes by the name that a route's configuration has for them.
var table = map[string]*Envelope{
	"http": {Whole: true},
	"opal": {Codecs: []string{"none", "gzip"}, Why: opalCodecs, accepts: opalSchema, wrap: wrapOPAL},
	"oslo": {Suffixes: osloSuffixes(), accepts: osloSchema, wrap: wrapOslo},
}

// Named returns the envelopes by their names.
func Named() map[string]*Envelope { return table }

// Refused is the error for what the neighbour would not take.
type Refused struct {
	Problems []schema.Problem // at least one, at most ten
	More     int
}

func (r *Refused) Error() string { return r.Problems[0].String() }

// ErrTooLarge is the error for a value that is larger than it may be, once it is in its
// envelope.
var ErrTooLarge = errors.New("too large in its envelope")

// Wrap puts a value, which is valid and compact JSON or nil for Kafka's null, into the
// envelope. It takes no more than a few times limit bytes of memory, however much a value
// may grow by it.
//
// The error is a [*Refused], ErrTooLarge, or a [*schema.Error] where ctx ends before there is room to validate the value.
func (e *Envelope) Wrap(ctx context.Context, value []byte, limit int) (Wrapped, error) {
	if value == nil {
		return Wrapped{}, refusedNull()
	}
	found, more, err := e.accepts().Validate(ctx, value)
	switch {
	case err != nil:
		return Wrapped{}, err
	case len(found) > 0:
		return Wrapped{}, &Refused{found, more}
	}
	w, found, err := e.wrap(value, limit)
	switch {
	case err != nil:
		return Wrapped{}, err
	case len(found) > 0:
		return Wrapped{}, &Refused{found, 0}
	case len(w.Value) > limit:
		return Wrapped{}, ErrTooLarge
	}
	return w, nil
}

func refusedNull() *Refused {
	return &Refused{[]schema.Problem{{Message: "is null, which its readers cannot take"}}, 0}
}

// compiled compiles a schema of this package's when it is needed first.
func compiled(text []byte) func() *schema.Schema {
	return sync.OnceValue(func() *schema.Schema {
		s, err := schema.Compile(text)
		if err != nil {
			panic(err) // a test compiles each
		}
		return s
	})
}

// newUUID returns a random UUID (RFC 9562, version 4).
func newUUID() (id [16]byte) {
	rand.Read(id[:])
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return id
}
