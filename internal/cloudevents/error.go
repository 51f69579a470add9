package cloudevents

import "fmt"

// Error says what is wrong with an event and where. It holds nothing of the event but
// the names of attributes.
type Error struct {
	// Where is "header ce-id" for a header, and a JSON pointer (RFC 6901) for a body:
	// "/id", "/3/id" for the fourth event of a batch, "" for the whole body.
	Where string
	// What is a phrase: "required", "expected a string".
	What string
}

// Error joins where and what.
func (e *Error) Error() string {
	if e.Where == "" {
		return "the event: " + e.What
	}
	return e.Where + ": " + e.What
}

func wrong(where, format string, args ...any) *Error {
	return &Error{Where: where, What: fmt.Sprintf(format, args...)}
}
