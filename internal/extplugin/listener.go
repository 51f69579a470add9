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

// Socket is a listening Unix socket at a path that other processes also claim: APISIX
// starts a new runner while the old one still runs, with the same path. It is made
// beside the path and renamed onto it, so that the path always leads to a runner
// that accepts, and only one's own is ever removed.
type Socket struct {
	*net.UnixListener
	path     string
	id       string // of what is at the path as long as that is this socket
	replaced bool   // a socket of another process was at the path
}

// OpenSocket listens at the path, at most about 90 bytes: Linux allows 107, and the socket is
// made under a longer name first. The peers' Family is set.
func OpenSocket(path string, peers Peers) (*Socket, error) {
	return openNamed(path, peers.mode(), ownGroup)
}

// OpenGroupSocket is OpenSocket for a socket that a group may open and nobody else: that of this id, or the process's
// own with -1.
func OpenGroupSocket(path string, group int) (*Socket, error) {
	return openNamed(path, groupMode, group)
}

const (
	groupMode = 0o660
	ownGroup  = -1
)

func openNamed(path string, mode fs.FileMode, group int) (*Socket, error) {
	s, err := openSocket(path, mode, group)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	return s, nil
}

func openSocket(path string, mode fs.FileMode, group int) (*Socket, error) {
	replaced, err := socketAt(path)
	if err != nil {
		return nil, err
	}
	beside := fmt.Sprintf("%s.%d", path, os.Getpid())
	left, err := socketAt(beside)
	if err == nil && left != "" { // by a process that had this pid before
		err = os.Remove(beside)
	}
	if err != nil {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: beside, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	fail := func(err error) (*Socket, error) {
		l.Close()
		os.Remove(beside)
		return nil, err
	}
	if err := os.Chmod(beside, mode); err != nil {
		return fail(err)
	}
	if group != ownGroup {
		if err := os.Lchown(beside, -1, group); err != nil {
			return fail(err)
		}
	}
	id, err := socketAt(beside)
	if err != nil {
		return fail(err)
	}
	if err := os.Rename(beside, path); err != nil {
		return fail(err)
	}
	return &Socket{l, path, id, replaced != ""}, nil
}

// socketAt identifies the socket at a path as long as that exists; "": nothing is there. Anything else is
// an error: a wrong path may lead to somebody's file, which is neither replaced nor removed.
func socketAt(path string) (id string, err error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	case err != nil:
		return "", err
	case info.Mode().Type() != fs.ModeSocket:
		return "", fmt.Errorf("%s is in the way: it is no socket", path)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "", errors.ErrUnsupported
	}
	return fmt.Sprintf("%d:%d", stat.Dev, stat.Ino), nil
}

// InheritSocket returns the socket that another process has opened at the path and handed
// over as a file, which it closes; id is that process's ID of it.
func InheritSocket(file *os.File, path, id string) (*Socket, error) {
	defer file.Close() // FileListener has one of its own
	l, err := net.FileListener(file)
	if err != nil {
		return nil, fmt.Errorf("the inherited socket: %w", err)
	}
	unix, ok := l.(*net.UnixListener)
	if !ok {
		l.Close()
		return nil, errors.New("the inherited socket is no Unix socket")
	}
	unix.SetUnlinkOnClose(false)
	return &Socket{unix, path, id, false}, nil
}

// ID identifies the socket, for InheritSocket.
func (l *Socket) ID() string { return l.id }

// Dead reports whether nobody can connect at the path: nothing is there, or what nobody listens at.
func (l *Socket) Dead() bool {
	return !l.Ours() && !l.answers()
}

func (l *Socket) answers() bool {
	conn, err := net.DialTimeout("unix", l.path, dialWait)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// dialWait bounds the connecting to another process's socket.
const dialWait = time.Second

// missing reports whether nothing is at the path any more: an old runner that
// removes the path when it exits, whoever made it, has done so (apisix#11347).
func (l *Socket) missing() bool {
	_, err := os.Lstat(l.path)
	return errors.Is(err, fs.ErrNotExist)
}

// Ours reports whether the path still leads here.
func (l *Socket) Ours() bool {
	id, err := socketAt(l.path)
	return err == nil && id != "" && id == l.id
}

// RemoveClosed is Remove for a socket that is closed: a later one at the path may have its number.
func (l *Socket) RemoveClosed() {
	if !l.answers() {
		l.Remove()
	}
}

// Remove takes the path away if it still leads here.
func (l *Socket) Remove() {
	if l.Ours() {
		_ = os.Remove(l.path)
	}
}

// backlogWait is how long a listener that nobody can connect to any more is still
// accepted from: connections made before are waiting in it.
const backlogWait = 10 * time.Millisecond

// retire makes Accept return what is already waiting and then an error. Unless another
// process has the socket too, it takes the path away.
func (l *Socket) retire(shared bool) {
	if !shared {
		l.Remove()
	}
	_ = l.SetDeadline(time.Now().Add(backlogWait))
}

// backlog returns the connections that are waiting still when the time to accept is
// over: on a busy machine it can be over before Accept has looked once, and what then
// is not accepted is reset when the listener closes.
func (l *Socket) backlog() (conns []*net.UnixConn) {
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
