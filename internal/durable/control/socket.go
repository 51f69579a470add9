package control

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
)

const (
	socketName = "control.sock"
	// newName is the socket's name until it has taken the place of a dead one.
	newName = ".new-control.sock"
	// maxPath is the longest path that can be a Unix socket's address
	// everywhere, in bytes.
	maxPath = 100
)

// socket is a listening DIR/control.sock.
type socket struct {
	dir      *os.File
	listener *net.UnixListener
	made     os.FileInfo
}

// address returns a path of a file in the directory that is short enough for
// a socket's address. dir is the open directory.
func address(dir *os.File, name string) string {
	path := dir.Name() + string(os.PathSeparator) + name
	if len(path) <= maxPath {
		return path
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), name)
}

// listen makes the socket. The caller owns the directory, so what is at its
// path is of a process that has died.
func listen(path string) (*socket, error) {
	dir, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	s := &socket{dir: dir}
	if err := s.listen(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *socket) listen() error {
	final, temporary := s.path(socketName), s.path(newName)
	for _, path := range []string{final, temporary} {
		if info, err := os.Lstat(path); err == nil && info.Mode().Type() != fs.ModeSocket {
			return fmt.Errorf("%s is in the way: it is no socket", path)
		}
	}
	_ = os.Remove(temporary) // what is still there makes the next step fail
	l, err := private.Listen(context.Background(), "unix", address(s.dir, newName))
	if err != nil {
		return err
	}
	s.listener = l.(*net.UnixListener)
	s.listener.SetUnlinkOnClose(false) // by then the name may be another's
	if s.made, err = os.Lstat(temporary); err != nil {
		return err
	}
	return os.Rename(temporary, final)
}

// private makes sockets that only this user can connect to. On Linux the file takes
// the mode that its socket has before it is bound.
var private = net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
	var err error
	if controlErr := c.Control(func(fd uintptr) { err = syscall.Fchmod(int(fd), 0o600) }); controlErr != nil {
		return controlErr
	}
	return err
}}

func (s *socket) path(name string) string { return filepath.Join(s.dir.Name(), name) }

// remove takes the socket's name away, unless it is another socket's.
func (s *socket) remove() {
	path := s.path(socketName)
	if now, err := os.Lstat(path); err == nil && os.SameFile(now, s.made) {
		_ = os.Remove(path) // a dead socket is replaced by the next owner
	}
}

func (s *socket) close() {
	if s.listener != nil {
		_ = s.listener.Close() // the server may have closed it
	}
	_ = s.dir.Close() // only read
}
