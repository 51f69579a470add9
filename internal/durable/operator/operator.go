// Package operator has the commands of `kafkaupstream spool`: what an operator may ask about the
// streams of a queue, and do to them. They work in the process that owns the spool, on the handles
// that internal/durable gives of its streams.
//
// It is not for sending, which internal/durable does, nor for reaching a runner from another process,
// which internal/durable/control does. That package and cmd/kafkaupstream call it.
package operator

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/durable"
)

// Operator does an operator's commands. A queue has one of them. Its methods may be called from any
// goroutine.
type Operator struct {
	q  *durable.Queue
	mu sync.Mutex // held while records are moved or dropped
}

// New returns the operator of a queue.
func New(q *durable.Queue) *Operator { return &Operator{q: q} }

// OpenIdle takes a directory over while no runner has it: nothing is sent, and the size is not
// bounded. Besides durable.ErrHeld, the error may be fs.ErrNotExist, as the directory is not made.
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
		return nil, fmt.Errorf("%s belongs to the user %d, and no runner has it: run this as that user", dir, owner.Uid)
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
	_, err := o.q.Close()
	return err
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

// byOperator is the reason of a suspension that no record has caused.
const byOperator = "by the operator"

// Suspend stops a stream: what is under way is finished, and nothing more of it is sent to Kafka until
// Resume. Records can still be kept.
func (o *Operator) Suspend(ctx context.Context, stream string) (Done, error) {
	s, err := o.choose(stream)
	if err != nil {
		return Done{}, err
	}
	if !s.Sendable() {
		return Done{}, fmt.Errorf("stream %s is not sent anyway: %w", s.ID, s.Problem)
	}
	if old := s.Suspension(); old != nil {
		return Done{}, fmt.Errorf("stream %s is suspended already, since %s: %s", s.ID, old.Time.Format(time.RFC3339), old.Reason)
	}
	if err := s.Suspend(durable.Suspension{Reason: byOperator, Time: time.Now().UTC()}); err != nil {
		return Done{Stream: s.ID}, fmt.Errorf("stream %s is suspended until the runner ends, since the mark cannot be written to disk: %w", s.ID, err)
	}
	if resume, err := s.Pause(ctx); err == nil { // the round has ended
		resume()
	}
	return Done{Stream: s.ID, Records: s.Disk.Pending(), UnderWay: s.UnderWay()}, nil
}

// Resume resumes a suspended stream, from the record at which it stopped.
func (o *Operator) Resume(_ context.Context, stream string) (Done, error) {
	s, err := o.choose(stream)
	if err != nil {
		return Done{}, err
	}
	if s.Suspension() == nil {
		return Done{}, fmt.Errorf("stream %s is not suspended", s.ID)
	}
	if err := s.Resume(); err != nil {
		return Done{Stream: s.ID}, fmt.Errorf("stream %s stays suspended: %w", s.ID, err)
	}
	return Done{Stream: s.ID, Records: s.Disk.Pending()}, nil
}

// interrupted returns why an operation is not to continue, nil if it is.
func (o *Operator) interrupted(ctx context.Context) error {
	if o.q.Stopping() {
		return durable.ErrStopping
	}
	return ctx.Err()
}
