package spool

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// file is what a segment needs of an *os.File. Tests put failures in between.
type file interface {
	io.ReaderAt
	io.WriterAt
	Truncate(size int64) error
	Sync() error
	Close() error
}

// names reports whether the path leads to the file. One that is open keeps its device
// and inode to itself.
func names(path string, file os.FileInfo) bool {
	named, err := os.Lstat(path)
	return err == nil && os.SameFile(file, named)
}

// linked reports whether the path still names the open file.
func linked(f *os.File, path string) bool {
	opened, err := f.Stat()
	return err == nil && names(path, opened)
}

// openExisting opens a file for reading and writing, or for reading where no more
// is possible.
func openExisting(path string) (f *os.File, readOnly bool, err error) {
	f, err = os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, syscall.EROFS) || errors.Is(err, fs.ErrPermission) {
		f, err = os.Open(path)
		return f, true, err
	}
	return f, false, err
}

// syncDir makes what was made or removed in a directory durable.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// makeDir makes one directory durably; it may be there.
func makeDir(path string) error {
	err := os.Mkdir(path, 0o700)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// temporary begins the names of files that are not complete yet.
const temporary = ".new-"

// replace writes a file durably, whole or not at all, with mode 0600.
func replace(path string, content io.Reader) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, temporary)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return err
	}
	return syncDir(dir)
}

// segmentFiles lists the segments in a directory, in order. One that is not there
// has none.
func segmentFiles(dir string) ([]segmentID, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var ids []segmentID
	for _, e := range entries {
		if id, ok := parseSegmentFile(e.Name()); ok && e.Type().IsRegular() {
			ids = append(ids, id)
		}
	}
	return ids, err
}
