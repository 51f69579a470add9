package idempotency

import "errors"

// Outcome is what [Store.Begin] returns for a key.
type Outcome uint8

// The outcomes, with the statuses that suit them. 409 and 422 are the draft's.
const (
	// Unavailable: the store cannot tell, since its directory still is another process's,
	// cannot be written, or the store is closed. The request is not to be done: 503.
	Unavailable Outcome = iota
	// First: the key is new. The request is to be done, and its ticket to be settled.
	First
	// Replay: the request has been done; the ticket has its reply.
	Replay
	// Mismatch: the key belongs to a request with another fingerprint: 422.
	Mismatch
	// InFlight: the first request with the key is still under way: 409.
	InFlight
	// Interrupted: the outcome of the first request is lost: 410.
	Interrupted
	// Full: as much as the key's holder may have is under way: 503.
	Full
)

var (
	// ErrClosed is returned by Finish after Close.
	ErrClosed = errors.New("idempotency: closed")
	// ErrReplyTooLarge is returned by Finish for more than MaxReply bytes. The key is
	// Interrupted then: done, but without a reply.
	ErrReplyTooLarge = errors.New("idempotency: the reply is too large to be kept")
	// ErrSettled is returned by Finish for a ticket that is settled already, or was given
	// with another outcome than First.
	ErrSettled = errors.New("idempotency: the ticket is settled")
)

// MaxReply is the largest reply that is kept, in bytes.
const MaxReply = 64 << 10
