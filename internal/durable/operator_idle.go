package durable

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"syscall"
)

// ErrHeld is returned by OpenIdle when another process has the directory.
var ErrHeld = errors.New("another process has the spool")

// likeSpool returns an error for a directory that something else is in: a command
// with a wrong path must leave nothing there.
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

// OpenIdle takes a directory over for an operator's command while no runner has it:
// nothing is sent, and the size is not bounded. The queue is to be closed. Besides
// ErrHeld, the error may be fs.ErrNotExist, as the directory is not made.
func OpenIdle(dir string, log *slog.Logger) (*Queue, error) {
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
	q := Open(Options{Dir: dir, MaxBytes: math.MaxInt64, Log: log})
	err = q.openDisk()
	if err == nil {
		var owner bool
		if owner, err = q.own(); err == nil && !owner {
			err = ErrHeld
		}
	}
	if err != nil {
		_, closeErr := q.Close()
		return nil, errors.Join(err, closeErr)
	}
	return q, nil
}
