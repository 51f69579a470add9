package gateway

import (
	"errors"
	"fmt"
)

// RunnerError is an error frame of the runner: the code of A6.Err.Resp (ext-plugin.fbs). The connection is closed
// after it.
type RunnerError byte

// The codes that the protocol defines; compare with errors.Is.
const (
	// ErrBadRequest says that the runner did not understand the frame.
	ErrBadRequest RunnerError = iota
	// ErrServiceUnavailable says that the runner failed.
	ErrServiceUnavailable
	// ErrConfTokenNotFound says that the runner does not know the token: PrepareConf again, then repeat the call.
	ErrConfTokenNotFound
)

// Error gives the text that APISIX logs for the code.
func (e RunnerError) Error() string {
	switch e {
	case ErrBadRequest:
		return "runner: bad request"
	case ErrServiceUnavailable:
		return "runner: service unavailable"
	case ErrConfTokenNotFound:
		return "runner: conf token not found"
	}
	return fmt.Sprintf("runner: unknown err %d", byte(e))
}

var (
	// ErrFrameTooLarge is returned for a request or a body that does not fit into one frame (2^24-1 bytes). Nothing
	// of that frame was sent; where a call was under way its connection is closed, as APISIX does.
	ErrFrameTooLarge = errors.New("the message does not fit into one ext-plugin frame")
	// ErrProtocol is returned for an answer that is not what the protocol allows: a frame of another type, or a
	// FlatBuffer that cannot be read.
	ErrProtocol = errors.New("ext-plugin protocol violated by the runner")
	// ErrMethod is returned for an HTTP method that the protocol's enum of fifteen cannot express.
	ErrMethod = errors.New("HTTP method unknown to the ext-plugin protocol")
	// ErrClosed is returned for a call on a closed client.
	ErrClosed = errors.New("ext-plugin client is closed")
	// ErrAbort, returned by a Body callback (alone or wrapped), ends the call: the connection is closed and the call
	// returns the callback's error. Any other error of a Body callback gives the runner an empty result.
	ErrAbort = errors.New("call abandoned")
)

// errClientBody marks a body that the HTTP client did not deliver.
var errClientBody = errors.New("request body could not be read")
