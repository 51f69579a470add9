package spool

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
)

// suspension is what is known of the file "suspended".
type suspension struct {
	info []byte
	ok   bool
}

// Suspend keeps a mark on disk that the stream is not to be sent, and why.
func (st *Stream) Suspend(info []byte) error {
	root := st.root()
	release, err := root.hold()
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	defer release()
	if err := replace(root.suspendedPath(), bytes.NewReader(info)); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	root.setSuspended(suspension{bytes.Clone(info), true})
	return nil
}

// Resume takes the mark away.
func (st *Stream) Resume() error {
	root := st.root()
	err := os.Remove(root.suspendedPath())
	if err == nil {
		err = syncDir(root.dir)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("spool: %w", err)
	}
	root.setSuspended(suspension{})
	return nil
}

// Suspended returns what Suspend was given and whether the mark is there. Only the
// first call reads the disk, so it does not see what another process does.
func (st *Stream) Suspended() (info []byte, ok bool) {
	root := st.root()
	root.mu.Lock()
	defer root.mu.Unlock()
	if root.suspended == nil {
		info, err := os.ReadFile(root.suspendedPath())
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			st.spool.warn("the mark of a suspended stream cannot be read",
				slog.String("stream", st.id), slog.Any("error", err))
			return nil, true
		}
		root.suspended = &suspension{info, err == nil}
	}
	return root.suspended.info, root.suspended.ok
}

func (st *Stream) suspendedPath() string { return filepath.Join(st.dir, suspendedName) }

func (st *Stream) setSuspended(s suspension) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.suspended = &s
}
