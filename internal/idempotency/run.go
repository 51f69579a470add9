package idempotency

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/filelock"
)

const (
	// lockInterval is how often another process's directory is asked for: a reload costs
	// at most that much on top of the other's end.
	lockInterval = 10 * time.Millisecond
	// retryInterval is for a directory that cannot be read or written.
	retryInterval = time.Second
	// compactInterval is for a journal that could not be compacted: the attempt may have
	// filled the disk for a moment.
	compactInterval = time.Minute
)

// batch is what is written with one fsync.
type batch struct {
	frames  []byte
	written chan struct{} // closed when err is known
	err     error
}

// wait returns when the batch is durable. There is nothing to wait for without a
// directory.
func (b *batch) wait() error {
	if b == nil {
		return nil
	}
	<-b.written
	return b.err
}

// enqueue has a frame written, in the order of calls. Callers hold mu.
func (s *Store) enqueue(f frame) *batch {
	if s.inMemory {
		return nil
	}
	if s.sealed {
		// The goroutine run may have taken its last batch already.
		refused := &batch{written: make(chan struct{}), err: ErrClosed}
		close(refused.written)
		return refused
	}
	if s.next == nil {
		s.next = &batch{written: make(chan struct{})}
		s.wake <- struct{}{} // empty: it is taken together with next
	}
	s.next.frames = appendFrame(s.next.frames, 0, &f)
	return s.next
}

// run owns the directory from the moment it can to the end of the store.
func (s *Store) run() {
	defer close(s.ended)
	lock := s.takeOver()
	if lock == nil {
		return
	}
	defer lock.Close()
	close(s.ready)
	for {
		select {
		case <-s.wake:
			s.writeNext()
		case <-s.closing:
			s.writeNext()
			s.journal.close()
			return
		}
	}
}

// takeOver waits until the directory is this process's and read. It returns nil when the
// store was closed before.
func (s *Store) takeOver() (lock *os.File) {
	tick := time.NewTicker(lockInterval)
	defer tick.Stop()
	var retry time.Time
	for {
		if time.Now().After(retry) {
			lock, err := s.own()
			if lock != nil {
				return lock
			}
			if err != nil {
				s.log.Warn("the directory of idempotency keys cannot be used; retrying", "error", err)
				retry = time.Now().Add(retryInterval)
			}
		}
		select {
		case <-tick.C:
		case <-s.closing:
			return nil
		}
	}
}

// own locks the directory and reads it. It returns nil and no error when another process
// has the lock.
func (s *Store) own() (*os.File, error) {
	lock, err := os.OpenFile(filepath.Join(s.opts.Dir, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	locked, err := filelock.Try(lock, syscall.LOCK_EX|syscall.LOCK_NB)
	if locked {
		err = s.read(lock)
	}
	if !locked || err != nil {
		lock.Close()
		return nil, err
	}
	return lock, nil
}

// read makes the table of what the directory has, and begins a journal with it.
func (s *Store) read(lock *os.File) error {
	j := &journal{dir: s.opts.Dir, lock: lock, intercept: s.intercept}
	t := newTable(s.opts.MaxBytes)
	if err := j.load(t, s.opts.Now().UnixNano(), s.reportDamage); err != nil {
		return err
	}
	s.mu.Lock()
	s.table, s.journal = t, j
	s.mu.Unlock()
	return s.rewrite()
}

// writeNext writes what is queued, with one fsync.
func (s *Store) writeNext() {
	s.mu.Lock()
	b := s.next
	s.next = nil
	s.mu.Unlock()
	if b == nil {
		return
	}
	if b.err = s.write(b.frames); b.err != nil {
		s.log.Warn("cannot write idempotency keys", "error", b.err)
	}
	close(b.written)
}

// write writes frames to the journal, and that anew before where it was given up or has
// mostly what is out of date, and after where it was taken away. What the frames say is
// in the table already and so in a new journal; to say it once more does no harm.
func (s *Store) write(frames []byte) error {
	if s.journal.f == nil || s.outOfDate() {
		if err := s.rewrite(); err != nil && s.journal.f == nil {
			return err
		} else if err != nil {
			s.compactAfter = s.opts.Now().Add(compactInterval)
			s.log.Warn("cannot compact the journal of idempotency keys", "error", err)
		}
	}
	err := s.journal.write(frames)
	if errors.Is(err, errJournalGone) {
		s.log.Warn("the journal of idempotency keys is written anew", "error", err)
		return s.rewrite()
	}
	return err
}

func (s *Store) outOfDate() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.opts.Now()
	s.table.expire(now.UnixNano())
	current := s.table.bytes - int64(len(s.table.entries))*(keyBytes-frameBytes)
	return !now.Before(s.compactAfter) && s.journal.size > rewriteBytes && s.journal.size > 2*current
}

// rewrite begins a new journal with all that is known.
func (s *Store) rewrite() error {
	s.mu.Lock()
	known := make([]frame, 0, len(s.table.entries))
	for _, e := range s.table.entries {
		known = append(known, e.frame())
	}
	s.mu.Unlock()
	return s.journal.rewrite(known)
}

func (s *Store) reportDamage(name string, d damage) {
	if d.skipped > 0 {
		s.log.LogAttrs(context.Background(), slog.LevelError, "a journal of idempotency keys is damaged; some requests may be done twice",
			slog.String("file", name), slog.Int64("bytes", d.skipped))
	}
}
