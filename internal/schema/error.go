package schema

import "fmt"

// Kind says what an error means to whoever asked for a schema.
type Kind int

const (
	// KindConfiguration is an error that stays until somebody changes the schema, the
	// route or the registry: the schema is invalid, its subject does not exist.
	KindConfiguration Kind = iota + 1
	// KindUnavailable is one that may pass: the registry does not answer, answers with
	// what is no answer, or refuses the credentials.
	KindUnavailable
)

// Error is the error of everything in this package that fails.
type Error struct {
	Kind   Kind
	Reason string
	// Key is what a [NewRegistry] or [Name.Check] refuses, by its name in a route's configuration; "" in other errors.
	Key string
}

func (e *Error) Error() string { return e.Reason }

func misconfigured(format string, args ...any) *Error {
	return &Error{Kind: KindConfiguration, Reason: fmt.Sprintf(format, args...)}
}

// refused is of a value that the configuration has.
func refused(key, format string, args ...any) *Error {
	return &Error{KindConfiguration, fmt.Sprintf(format, args...), key}
}

func unavailable(format string, args ...any) *Error {
	return &Error{Kind: KindUnavailable, Reason: fmt.Sprintf(format, args...)}
}
