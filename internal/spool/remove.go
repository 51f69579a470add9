package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// RemoveIfEmpty removes the stream's directory, with the secrets in connection.json,
// when it has no segments, no dead letters, nothing set aside and is not suspended;
// otherwise it does nothing. A later Append makes it again. Only the owner may call
// it.
func (st *Stream) RemoveIfEmpty() error {
	if !st.spool.owner.Load() {
		return ErrNotOwner
	}
	root := st.root()
	for _, each := range []*Stream{root, root.dead} {
		each.io.Lock()
		defer each.io.Unlock()
		each.sweep()
		each.writing.Lock()
		defer each.writing.Unlock()
		if len(each.snapshot()) > 0 {
			return nil
		}
	}
	d, err := root.lockDir(false, syscall.LOCK_EX|syscall.LOCK_NB)
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	if d == nil {
		return nil // not there, or another process makes a segment in it
	}
	defer d.Close()
	if err := root.removeDir(); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	return nil
}

// removeDir removes the directory if it holds nothing that matters. The caller has
// it locked.
func (st *Stream) removeDir() error {
	var remove []string
	for _, dir := range []string{filepath.Join(st.dir, deadName, corruptName), filepath.Join(st.dir, deadName),
		filepath.Join(st.dir, corruptName), st.dir} {
		entries, err := os.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		for _, e := range entries {
			switch {
			case strings.HasPrefix(e.Name(), temporary), dir == st.dir && e.Name() == connectionName:
				remove = append(remove, filepath.Join(dir, e.Name()))
			case e.IsDir() && (e.Name() == corruptName || dir == st.dir && e.Name() == deadName):
			default:
				return nil
			}
		}
		remove = append(remove, dir)
	}
	for _, path := range remove {
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return syncDir(st.spool.dir)
}
