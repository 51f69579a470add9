package logging

import (
	"fmt"
	"io"
	"os"
	"slices"
)

// File appends lines to the file that is at a path now: one that was renamed or removed, as log rotation does,
// is made again with the next line. Several processes may have the same path: a line is one write.
// It is used by one goroutine at a time.
type File struct {
	path     string
	file     *os.File
	instead  io.Writer
	troubled bool // the last line could not be written
	cut      bool // the file ends in the middle of a line, for which the disk had no room
}

// NewFile returns the file at a path, which is opened with its first line. What cannot be written to it,
// because the disk is full for example, goes to instead.
func NewFile(path string, instead io.Writer) *File { return &File{path: path, instead: instead} }

// CheckFile says why lines cannot be appended to a file at the path. It makes one where there is none.
func CheckFile(path string) error {
	if there, err := os.Stat(path); err == nil && !there.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", path) // a pipe would block whoever opens it
	}
	f, err := open(path)
	if err != nil {
		return err
	}
	return f.Close()
}

func open(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
}

// Write writes a line. It looks at the path each time: a line after a rotation is never in the file of before,
// which may have been compressed and removed.
func (f *File) Write(line []byte) (int, error) {
	err := f.follow()
	if err == nil {
		err = f.append(line)
	}
	if err != nil && !f.troubled {
		fmt.Fprintf(f.instead, "kafkaupstream: the log cannot be written to its file, and is written here until it can: %v\n", err)
	}
	if f.troubled = err != nil; f.troubled {
		return f.instead.Write(line)
	}
	return len(line), nil
}

// append writes a line to the file that is open, behind the end of one that was cut.
func (f *File) append(line []byte) error {
	if f.cut {
		line = slices.Concat([]byte("\n"), line)
	}
	n, err := f.file.Write(line)
	if n > 0 {
		f.cut = line[n-1] != '\n'
	}
	return err
}

// follow opens what is at the path, unless it is what is open.
func (f *File) follow() error {
	if f.file != nil {
		there, err := os.Stat(f.path)
		if open, e := f.file.Stat(); err == nil && e == nil && os.SameFile(open, there) {
			return nil
		}
	}
	file, err := open(f.path)
	if err != nil {
		return err
	}
	f.Close()
	f.file, f.cut = file, false
	return nil
}

// Close closes the file. A later line opens it again.
func (f *File) Close() {
	if f.file != nil {
		f.file.Close()
		f.file = nil
	}
}
