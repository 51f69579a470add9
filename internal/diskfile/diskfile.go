// Package diskfile makes files that outlive a loss of power, says whether a path still leads
// to a file that is open, and bounds the time of looks at a disk. It is not for what is written
// into a file after it was made. internal/spool, internal/idempotency and
// internal/producer/transaction call it, and for looks internal/core and internal/metrics.
package diskfile

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Temporary begins the names of files that are not complete yet.
const Temporary = ".new-"

// Replace writes a file durably, whole or not at all, with mode 0600, in the place of what is there.
func Replace(path string, content io.Reader) error { return write(path, content, os.Rename) }

// Create is Replace where nothing is there yet; fs.ErrExist: something is.
func Create(path string, content io.Reader) error {
	return write(path, content, func(from, to string) error {
		err := os.Link(from, to)
		os.Remove(from)
		return err
	})
}

// write writes a file under another name and then gives it its own. Without the fsync before
// that, a file system may keep the name and lose the content.
func write(path string, content io.Reader, name func(from, to string) error) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, Temporary)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = name(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return err
	}
	return SyncDir(dir)
}

// SyncDir makes what was made or removed in a directory durable.
func SyncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// MakeDir makes one directory durably, with mode 0700; it may be there.
func MakeDir(path string) error {
	err := os.Mkdir(path, 0o700)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// Names reports whether the path leads to the file. One that is open keeps its device
// and inode to itself.
func Names(path string, file os.FileInfo) bool {
	named, err := os.Lstat(path)
	return err == nil && os.SameFile(file, named)
}

// Linked reports whether the path still names the open file.
func Linked(f *os.File, path string) bool {
	opened, err := f.Stat()
	return err == nil && Names(path, opened)
}
