// Package filelock locks open files between processes (flock): one way to try, for
// everything that has an owner on disk. internal/spool, internal/idempotency and
// internal/producer call it; nothing here waits.
package filelock

import (
	"errors"
	"os"
	"syscall"
)

// Try locks an open file as how says (syscall.LOCK_EX, LOCK_SH, with LOCK_NB where it
// is not to wait). It returns false when another one has it. The lock ends when the
// file is closed, or with the process.
func Try(f *os.File, how int) (bool, error) {
	for {
		err := syscall.Flock(int(f.Fd()), how)
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, syscall.EWOULDBLOCK):
			return false, nil
		case !errors.Is(err, syscall.EINTR):
			return false, &os.PathError{Op: "flock", Path: f.Name(), Err: err}
		}
	}
}
