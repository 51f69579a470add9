package spool

import (
	"errors"
	"io"
	"io/fs"
	"os"
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
