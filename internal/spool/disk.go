package spool

import (
	"math"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// failedFor is how long one append that failed says that the disk takes no record. It is not until the next one succeeds:
// a process that is not ready gets no request that would try.
const failedFor = time.Minute

type failure struct {
	err error
	at  time.Time
}

// noteAppend notes what became of an append. What the directory itself has against it, Usable says, and as long as it is so.
func (s *Spool) noteAppend(err error) {
	if err == nil {
		if s.failed.Load() != nil {
			s.failed.Store(nil)
		}
	} else if s.Usable() == nil {
		s.failed.Store(&failure{err, time.Now()})
	}
}

// Failing returns why the disk takes no record, though the directory is Usable: the last append failed, less than a minute
// ago, or the disk has no room for a record of 4 KiB.
func (s *Spool) Failing() error {
	if f := s.failed.Load(); f != nil && time.Since(f.at) < failedFor {
		return f.err
	}
	free, err := s.DiskFree()
	if err == nil && free < smallRecord {
		err = &os.PathError{Op: "write to", Path: s.dir, Err: syscall.ENOSPC}
	}
	return err
}

// DiskFree returns how many bytes the directory's file system has for this process's user.
func (s *Spool) DiskFree() (int64, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(s.dir, &fs); err != nil {
		return 0, &os.PathError{Op: "look at the disk of", Path: s.dir, Err: err}
	}
	if fs.Blocks == 0 { // a tmpfs without a bound, for one
		return math.MaxInt64, nil
	}
	blocks := uint64(fs.Bavail)
	if os.Geteuid() == 0 {
		blocks = uint64(fs.Bfree) // with those that only root may have
	}
	return int64(blocks * uint64(fs.Bsize)), nil
}
