// Package operator has the commands of `kafkaupstream spool`: what an operator may ask about the
// streams of a queue, and do to them. They work in the process that owns the spool, on the handles
// that internal/durable gives of its streams.
//
// It is not for sending, which internal/durable does, nor for reaching a runner from another process,
// which internal/durable/control does. That package and cmd/kafkaupstream call it.
package operator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"sync"
	"syscall"

	"github.com/kafkaupstream/kafkaupstream/internal/durable"
)

// Operator does an operator's commands. A queue has one of them. Its methods may be called from any
// goroutine.
type Operator struct {
	q  *durable.Queue
	mu sync.Mutex // held while records are moved or dropped
}

func New(q *durable.Queue) *Operator { return &Operator{q: q} }

// ErrOtherUser is that of a directory which is another user's.
var ErrOtherUser = errors.New("run this as that user")

// OpenIdle takes a directory over while no runner has it: nothing is sent, and the size is not
// bounded. Besides durable.ErrHeld and ErrOtherUser, the error may be fs.ErrNotExist, as the directory is not made.
func OpenIdle(dir string, log *slog.Logger) (*Operator, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, &os.PathError{Op: "open", Path: dir, Err: syscall.ENOTDIR}
	}
	// Files that another user makes here are files that the runner cannot read.
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && int(owner.Uid) != os.Geteuid() {
		return nil, fmt.Errorf("%s belongs to the user %d, and no runner answers there: %w", dir, owner.Uid, ErrOtherUser)
	}
	if err := likeSpool(dir); err != nil {
		return nil, err
	}
	q, err := durable.OpenIdle(durable.Options{Dir: dir, MaxBytes: math.MaxInt64, Log: log})
	if err != nil {
		return nil, err
	}
	return New(q), nil
}

// likeSpool returns an error for a directory that something else is in: a command with a wrong path
// must leave nothing there.
func likeSpool(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) == 0 {
		return err
	}
	for _, e := range entries {
		if e.Name() == "lock" { // of internal/spool, made by the first runner
			return nil
		}
	}
	return fmt.Errorf("%s is no spool: no runner has ever used it", dir)
}

// Close closes the queue.
func (o *Operator) Close() error {
	return o.q.Close()
}

// Streams returns the streams, by name: those on disk, and those that requests have used since this
// process began.
func (o *Operator) Streams(context.Context) ([]durable.StreamInfo, error) {
	all, err := o.q.Streams()
	if err != nil {
		return nil, err
	}
	infos := make([]durable.StreamInfo, 0, len(all))
	for _, s := range all {
		infos = append(infos, s.Info())
	}
	return infos, nil
}

// Room returns what the spool takes of what it may take. Only a process that serves bounds it: without one there is nothing that
// it may take, and the error is nil all the same.
func (o *Operator) Room(context.Context) (durable.Room, error) {
	r := o.q.Room()
	if r.MaxBytes == math.MaxInt64 { // of OpenIdle
		r.MaxBytes, r.DeadLetterMaxBytes = 0, 0
	}
	return r, nil
}

// interrupted returns why an operation is not to continue, nil if it is.
func (o *Operator) interrupted(ctx context.Context) error {
	if o.q.Stopping() {
		return durable.ErrStopping
	}
	return ctx.Err()
}
