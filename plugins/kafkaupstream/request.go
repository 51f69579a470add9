package kafkaupstream

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Request is what the core sees of an HTTP request.
type Request interface {
	// Method returns the HTTP method in upper case.
	Method() string
	// Path returns the path, without the query string.
	Path() string
	// SourceIP returns the client's address, "" when it is not known.
	SourceIP() string
	// Argument returns the first value of an argument of the query string, "" when
	// there is none.
	Argument(name string) string
	// Arguments calls f for each argument of the query string and each of its values.
	Arguments(f func(name, value string))
	// Header returns the first value of a header, "" when there is none. The name
	// is in lower case.
	Header(name string) string
	// Values returns all values of a header, in the order in which they were sent; the
	// gateway may have joined them by commas. The name is in lower case.
	Values(name string) []string
	// Headers calls f for each header and each of its values. Names are in lower case.
	Headers(f func(name, value string))
	// HeadersMissing reports whether Headers may leave some out, since the gateway has
	// handed over only the first lines of them. Header and Values find those too.
	HeadersMissing() bool
	// Var returns the value of a variable of the gateway's, "" when there is none.
	Var(name string) string
	// Body returns the body, which stays valid until the request has been answered, and nil where
	// it has none. It is asked for at most once. Room is asked for memory before it is taken, and its error returned. Other errors are [*BodyTooLarge],
	// [ErrBodySlow], [ErrBodyCutOff], [ErrBodyLost], and any where the gateway has failed. What was read comes
	// with them.
	Body(limit int, room Room) ([]byte, error)
	// Failed returns why something could not be had that the gateway was asked for, nil where everything could. What is taken for
	// absent then may be there, so that the request may be another than it looks.
	Failed() error
	// Gone returns a channel that is closed when the client has gone and nobody reads the reply; nil: the front does not
	// learn of it.
	Gone() <-chan struct{}
	// Route returns the route's id for the log, "" when it is not known.
	Route() string
}

// Each calls f for each name and each of its values, in the order of names.
func Each(values map[string][]string, f func(name, value string)) {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		for _, value := range values[name] {
			f(name, value)
		}
	}
}

// Room is asked before memory is taken: for so many bytes in all, what it has given
// before included. An error says that there is no room.
type Room = interface{ Hold(bytes int) error }

// BodyTooLarge is the error of a body that is larger than the limit.
type BodyTooLarge struct {
	Size  int64 // bytes, as far as that is known: more than the limit
	Limit int   // bytes
}

func (e *BodyTooLarge) Error() string {
	return fmt.Sprintf("the body has %d bytes, the limit is %d", e.Size, e.Limit)
}

var (
	// ErrBodyLost is the error of a body that the gateway had and could not read.
	ErrBodyLost = errors.New("the gateway could not read the body")
	// ErrBodySlow is the error of a body that did not come to its end in time.
	ErrBodySlow = errors.New("the body did not come to its end in time")
	// ErrBodyCutOff is the error of a body that ended before its end, or is framed wrongly.
	ErrBodyCutOff = errors.New("the body did not come to its end")
)
