package secrets

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// maxFile is the size of the largest file that is read, in bytes: a chain of
// certificates fits, and a mistaken path costs no memory.
const maxFile = 64 << 10

// readFile returns the content of a regular file below dir. Links may lead
// anywhere below dir, as those of Kubernetes do (name -> ..data/name,
// ..data -> ..2026_01_01), but not out of it.
func readFile(dir, name string) (string, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", fmt.Errorf("the secrets directory cannot be opened: %w", withoutPath(err))
	}
	defer root.Close()
	// Without O_NONBLOCK, to open a FIFO would wait for its writer.
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	// The open file is asked, not its name, which may mean another one by now.
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", errors.New("it is not a regular file")
	}
	return readAtMost(f, maxFile)
}

// readAtMost reads all of f. The size that the system tells is not relied upon: a
// file may grow meanwhile.
func readAtMost(f io.Reader, limit int64) (string, error) {
	content, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return "", err
	}
	if int64(len(content)) > limit {
		return "", fmt.Errorf("the file has more than %d bytes", limit)
	}
	return string(content), nil
}
