package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kafkaupstream/kafkaupstream/internal/diskfile"
	"github.com/kafkaupstream/kafkaupstream/internal/filelock"
)

const (
	defaultMaxBytes  = 1 << 30
	smallestSegment  = 64 << 10
	largestSegment   = 16 << 20
	recountInterval  = time.Second
	lockName         = "lock"
	connectionName   = "connection.json"
	suspendedName    = "suspended"
	deadName         = "dead"
	corruptName      = "corrupt"
	corruptExtension = ".bin"
)

// Options are a spool's. The zero value is good.
type Options struct {
	// MaxBytes bounds the segment files of all streams; 0: 1 GiB. An eighth of it is for
	// dead letters, the rest for records. What other processes append meanwhile is
	// counted late.
	MaxBytes int64
	// DropLetters drops the oldest dead letters where there is no room for a new one;
	// without it, the new one is refused.
	DropLetters bool
	// SegmentBytes is the size at which a segment is sealed; 0: a sixteenth of
	// MaxBytes, from 64 kB to 16 MB. A larger record has a segment of its own.
	SegmentBytes int64
	// Log gets damage and what was done about it, never a record; nil: nothing.
	Log *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.MaxBytes <= 0 {
		o.MaxBytes = defaultMaxBytes
	}
	if o.SegmentBytes <= 0 {
		o.SegmentBytes = min(max(o.MaxBytes/16, smallestSegment), largestSegment)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Spool is a directory of streams. Its methods may be called from any goroutine.
type Spool struct {
	dir  string
	made os.FileInfo // the directory as it was opened
	opts Options
	log  *slog.Logger
	// intercept is put around each segment file that is opened; nil outside tests.
	intercept func(file) file

	room    room
	dropped atomic.Int64 // dead letters, for want of room
	owner   atomic.Bool
	closed  atomic.Bool
	failed  atomic.Pointer[failure] // of the last append; nil: it succeeded

	mu      sync.Mutex
	lock    *os.File
	streams map[string]*Stream
	// counted are files that are in room and that no stream has taken up.
	counted   map[string]counted
	recounted time.Time
}

// Open makes the directory where there is none and counts what is in it. It takes
// no lock.
func Open(dir string, opts Options) (*Spool, error) {
	opts = opts.withDefaults()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	made, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	s := &Spool{dir: dir, made: made, opts: opts, log: opts.Log, streams: map[string]*Stream{},
		room: room{max: opts.MaxBytes, held: map[any]int64{}}}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.recount(); err != nil {
		return nil, err
	}
	return s, nil
}

// TryLock makes this process the owner, unless another one is. It returns whether
// this process is the owner now.
func (s *Spool) TryLock() (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed.Load() {
		return false, ErrClosed
	}
	if s.owner.Load() {
		return true, nil
	}
	path := filepath.Join(s.dir, lockName)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if errors.Is(err, syscall.EROFS) {
		if there, openErr := os.Open(path); openErr == nil {
			f, err = there, nil
		}
	}
	if err != nil {
		return false, fmt.Errorf("spool: %w", err)
	}
	locked, err := filelock.Try(f, syscall.LOCK_EX|syscall.LOCK_NB)
	if !locked || err != nil {
		return false, errors.Join(err, f.Close())
	}
	s.lock = f
	s.owner.Store(true)
	if err := s.recount(); err != nil {
		s.log.Warn("cannot count the spool's files; its size may be out of date", slog.Any("error", err))
	}
	return true, nil
}

// InPlace returns ErrGone while the directory's path leads nowhere or to another one, or
// the owner's lock is not in it. Nothing new is kept then: another process could own what
// is there now.
func (s *Spool) InPlace() error {
	s.mu.Lock()
	lock := s.lock
	s.mu.Unlock()
	now, err := os.Stat(s.dir) // which may take long, and holds nobody up
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err != nil || !os.SameFile(s.made, now) {
		return &os.PathError{Op: "use", Path: s.dir, Err: ErrGone}
	}
	if path := filepath.Join(s.dir, lockName); lock != nil && !diskfile.Linked(lock, path) {
		return &os.PathError{Op: "use", Path: path, Err: ErrGone}
	}
	return nil
}

// Usable returns why nothing new can be kept in the directory: it is not InPlace, or this process's
// user may not make files there.
func (s *Spool) Usable() error {
	if err := s.InPlace(); err != nil {
		return err
	}
	if err := unix.Faccessat(unix.AT_FDCWD, s.dir, unix.W_OK|unix.X_OK, unix.AT_EACCESS); err != nil {
		return &os.PathError{Op: "write to", Path: s.dir, Err: err}
	}
	return nil
}

// Bytes returns the size of all segment files, as far as this process knows.
func (s *Spool) Bytes() int64 {
	all, _ := s.room.used()
	return all
}

// MaxBytes returns their bound.
func (s *Spool) MaxBytes() int64 { return s.opts.MaxBytes }

// Letters returns the size of the dead letters' files, its bound, and how many were
// dropped for want of room since the spool was opened.
func (s *Spool) Letters() (bytes, maxBytes, dropped int64) {
	_, bytes = s.room.used()
	return bytes, s.room.lettersMax(), s.dropped.Load()
}

// Full is why the record that was refused last for want of room would be refused now, an ErrFull that names sizes and the
// flag; nil: it would not, or none was.
func (s *Spool) Full() error { return s.room.full() }

// Exhausted reports whether no holder (see Entry) of what is kept could add even a record of 4 KiB.
func (s *Spool) Exhausted() bool { return s.room.exhausted() }

// Pending returns how many records wait in the streams that this process has opened, dead letters excepted.
func (s *Spool) Pending() (n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, st := range s.streams {
		n += st.Pending()
	}
	return n
}

// StreamIDs returns the streams that are on disk, in order.
func (s *Spool) StreamIDs() ([]string, error) {
	entries, err := os.ReadDir(s.dir)
	var ids []string
	for _, e := range entries {
		if e.IsDir() && streamID.MatchString(e.Name()) {
			ids = append(ids, e.Name())
		}
	}
	return ids, err
}

// Stream returns the stream with a name, always the same one. The metadata is kept
// in connection.json beside its records; nil means what is there now, and it is an
// error (fs.ErrNotExist) when nothing is. Empty metadata replaces none that is known.
// Nothing is written yet.
func (s *Spool) Stream(id string, metadata []byte) (*Stream, error) {
	if !streamID.MatchString(id) {
		return nil, fmt.Errorf("%w name of a stream", ErrInvalid)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed.Load() {
		return nil, ErrClosed
	}
	if metadata == nil { // read each time: it may not have been readable before
		var err error
		if metadata, err = os.ReadFile(filepath.Join(s.dir, id, connectionName)); err != nil {
			return nil, fmt.Errorf("spool: %w", err)
		}
	}
	st := s.streams[id]
	if st == nil {
		st = newStreams(s, id)
		s.streams[id] = st
	}
	if len(metadata) > 0 {
		st.setMetadata(metadata)
	}
	return st, nil
}

// Close makes everything durable, closes the files and releases the lock. What is
// appended after it fails with ErrClosed.
func (s *Spool) Close() error {
	s.mu.Lock()
	if s.closed.Swap(true) {
		s.mu.Unlock()
		return nil
	}
	streams := s.streams
	s.mu.Unlock()
	var errs []error
	for _, st := range streams {
		errs = append(errs, st.close(), st.dead.close())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lock != nil {
		s.owner.Store(false)
		errs = append(errs, s.lock.Close())
	}
	return errors.Join(errs...)
}

func (s *Spool) recountSometimes() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.recounted) < recountInterval {
		return nil
	}
	return s.recount()
}

// counted is a file's size, and whether it has dead letters.
type counted struct {
	bytes   int64
	letters bool
}

// recount looks at the files of other processes again. Callers hold mu.
func (s *Spool) recount() error {
	s.recounted = time.Now()
	ids, err := s.StreamIDs()
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	now := map[string]counted{}
	for _, id := range ids {
		st := s.streams[id]
		if st == nil {
			st = newStreams(s, id)
		}
		if err := errors.Join(st.countForeign(now), st.dead.countForeign(now)); err != nil {
			return fmt.Errorf("spool: %w", err)
		}
	}
	for _, c := range s.counted {
		s.room.correct(-c.bytes, c.letters)
	}
	for _, c := range now {
		s.room.correct(c.bytes, c.letters)
	}
	s.counted = now
	return nil
}

// open wraps a segment's file as tests want it.
func (s *Spool) open(f *os.File) file {
	if s.intercept != nil {
		return s.intercept(f)
	}
	return f
}
