package spool

import "errors"

var (
	// ErrFull is returned when a record would exceed Options.MaxBytes.
	ErrFull = errors.New("the spool is full")
	// ErrUncertain is returned when a record could neither be made durable nor
	// surely be taken away again: it may be found by the next Load.
	ErrUncertain = errors.New("it is uncertain whether the record was kept")
	// ErrGone is returned when somebody else has removed or renamed the segment that is
	// written, or has put something else in the place of the spool's directory or its lock.
	ErrGone = errors.New("somebody else has removed, renamed or replaced it")
	// ErrClosed is returned after Close.
	ErrClosed = errors.New("the spool is closed")
	// ErrNotOwner is returned by what only the owner of the spool may do.
	ErrNotOwner = errors.New("another process owns the spool")
	// ErrInvalid is returned for a stream's name, a receipt, a state or a record
	// that cannot be one.
	ErrInvalid = errors.New("invalid")
)
