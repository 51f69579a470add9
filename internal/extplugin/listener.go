package extplugin

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"
)

// listener is a Unix socket at a path that other processes also claim: APISIX
// starts a new runner while the old one still runs, with the same path. It is made
// beside the path and renamed onto it, so that the path always leads to a runner
// that accepts, and only one's own is ever removed.
type listener struct {
	*net.UnixListener
	path     string
	file     os.FileInfo
	replaced bool // a socket of another process was at the path
}

func listen(path string, mode fs.FileMode) (*listener, error) {
	beside := fmt.Sprintf("%s.%d", path, os.Getpid())
	if err := os.Remove(beside); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err // left by a process that had this pid before
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: beside, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	fail := func(err error) (*listener, error) {
		l.Close()
		os.Remove(beside)
		return nil, err
	}
	if err := os.Chmod(beside, mode); err != nil {
		return fail(err)
	}
	file, err := os.Lstat(beside)
	if err != nil {
		return fail(err)
	}
	_, err = os.Lstat(path)
	replaced := err == nil
	if err := os.Rename(beside, path); err != nil {
		return fail(err)
	}
	return &listener{l, path, file, replaced}, nil
}

// missing reports whether nothing is at the path any more: an old runner that
// removes the path when it exits, whoever made it, has done so (apisix#11347).
func (l *listener) missing() bool {
	_, err := os.Lstat(l.path)
	return errors.Is(err, fs.ErrNotExist)
}

// ours reports whether the path still leads here.
func (l *listener) ours() bool {
	at, err := os.Lstat(l.path)
	return err == nil && os.SameFile(at, l.file)
}

// remove takes the path away if it still leads here.
func (l *listener) remove() {
	if l.ours() {
		_ = os.Remove(l.path)
	}
}

// backlogWait is how long a listener that nobody can connect to any more is still
// accepted from: connections made before are waiting in it.
const backlogWait = 10 * time.Millisecond

// retire makes Accept return what is already waiting and then an error.
func (l *listener) retire() {
	l.remove()
	_ = l.SetDeadline(time.Now().Add(backlogWait))
}

// backlog returns the connections that are waiting still when the time to accept is
// over: on a busy machine it can be over before Accept has looked once, and what then
// is not accepted is reset when the listener closes.
func (l *listener) backlog() (conns []*net.UnixConn) {
	raw, err := l.SyscallConn()
	if err != nil {
		return nil
	}
	_ = raw.Control(func(fd uintptr) {
		for {
			n, _, err := syscall.Accept(int(fd)) // the listener does not block
			switch {
			case err == syscall.EINTR || err == syscall.ECONNABORTED:
				continue
			case err != nil:
				return
			}
			if c := connOf(n); c != nil {
				conns = append(conns, c)
			}
		}
	})
	return conns
}

// connOf makes a connection of a descriptor, which it takes over.
func connOf(fd int) *net.UnixConn {
	syscall.CloseOnExec(fd)
	file := os.NewFile(uintptr(fd), "")
	defer file.Close() // FileConn has one of its own
	conn, err := net.FileConn(file)
	if err != nil {
		return nil
	}
	unix, _ := conn.(*net.UnixConn)
	return unix
}

// temporary reports whether the next Accept may succeed after this error.
func temporary(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
