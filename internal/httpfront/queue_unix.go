//go:build unix

package httpfront

import (
	"context"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// queueQuiet is how long no connection has to come before the listener is closed: a client may think that it is
	// connected before the listener knows.
	queueQuiet = 10 * time.Millisecond
	// queueTime bounds the waiting for that.
	queueTime = time.Second
)

// awaitAccepted waits until no connection waits to be accepted, or ctx ends. To close the listener resets those that
// wait, and their clients may have sent a request already.
func awaitAccepted(ctx context.Context, l net.Listener) {
	socket, ok := l.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return
	}
	waits := func() (waits bool) {
		_ = raw.Control(func(fd uintptr) {
			n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(queueQuiet.Milliseconds()))
			waits = n > 0 || err == unix.EINTR
		})
		return waits
	}
	ctx, cancel := context.WithTimeout(ctx, queueTime)
	defer cancel()
	for ctx.Err() == nil && waits() {
		time.Sleep(time.Millisecond)
	}
}
