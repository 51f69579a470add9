package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// readBuffer holds a frame of ordinary size, so that it takes one read.
const readBuffer = 4 << 10

// conn is one connection to the runner. One call at a time uses it.
type conn struct {
	unix      *net.UnixConn
	raw       syscall.RawConn
	timeout   time.Duration
	idleSince time.Time

	buf  [readBuffer]byte
	r, w int // buf[r:w] is read and not yet consumed

	// State of exchange: it and peek are handed to raw as they are, so that a call allocates no closure.
	out      []byte
	sent     int // bytes of out
	ioErr    error
	exchange func(fd uintptr) bool
	peek     func(fd uintptr)
	open     bool
}

func dial(ctx context.Context, path string, connectTimeout, timeout time.Duration) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	nc, err := connect(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("failed to connect to the unix socket %s: %w", path, err)
	}
	c := &conn{unix: nc.(*net.UnixConn), timeout: timeout}
	if c.raw, err = c.unix.SyscallConn(); err != nil {
		c.unix.Close()
		return nil, err
	}
	c.exchange = c.writeThenRead
	c.peek = c.peekOpen
	return c, nil
}

// connect waits while the runner's queue of new connections is full: Linux reports that at once for a Unix socket
// (EAGAIN), and a test that starts a thousand requests is to test something else.
func connect(ctx context.Context, path string) (net.Conn, error) {
	var dialer net.Dialer
	for {
		nc, err := dialer.DialContext(ctx, "unix", path)
		if !errors.Is(err, syscall.EAGAIN) {
			return nc, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(2 * time.Millisecond):
		}
	}
}

func (c *conn) close() { c.unix.Close() }

// reusable tells whether the connection is between two calls: nothing read that was not asked for.
func (c *conn) reusable() bool { return c.r == c.w }

// alive tells whether an idle connection is still open and silent. The runner may have gone, or have been replaced,
// since the last call; after the request is sent it is too late to take another connection.
func (c *conn) alive() bool {
	c.open = false
	if err := c.raw.Control(c.peek); err != nil {
		return false
	}
	return c.open
}

func (c *conn) peekOpen(fd uintptr) {
	var b [1]byte
	_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	c.open = err == syscall.EAGAIN || err == syscall.EINTR
}

// arm gives the next exchange its time.
func (c *conn) arm(ctx context.Context) error {
	if err := c.unix.SetDeadline(time.Now().Add(c.timeout)); err != nil {
		return err
	}
	return ctx.Err() // after SetDeadline: a cancelled context has set a deadline in the past, which is overwritten now
}

// cancelWith lets the end of ctx interrupt the connection. The function returned tells whether that did not happen.
func (c *conn) cancelWith(ctx context.Context) (stop func() bool) {
	if ctx.Done() == nil {
		return func() bool { return true }
	}
	return context.AfterFunc(ctx, func() { c.unix.SetDeadline(time.Unix(1, 0)) })
}

// call sends a frame in one write and reads the next frame. The payload is valid until the next call.
//
// It registers for the answer before it sends: the read that would only find nothing there yet is saved.
func (c *conn) call(frame []byte) (frameType, []byte, error) {
	if c.r != c.w { // the runner has asked its next question already
		return c.callLarge(frame)
	}
	c.out, c.sent, c.ioErr = frame, 0, nil
	err := c.raw.Read(c.exchange)
	c.out = nil
	if err == nil {
		err = c.ioErr
	}
	if err == errPartialWrite {
		return c.callLarge(frame[c.sent:])
	}
	if err != nil {
		return 0, nil, err
	}
	return c.readFrame()
}

// errUnsent says that the runner had closed the connection before a byte of the frame was sent.
var errUnsent = errors.New("write: connection closed by the runner")

// errPartialWrite says that the socket's buffer is full: the rest of the frame has to wait.
var errPartialWrite = errors.New("partial write")

// writeThenRead runs once to write, and again whenever the socket has become readable.
func (c *conn) writeThenRead(fd uintptr) (done bool) {
	if c.sent < len(c.out) {
		n, err := ignoringEINTR(syscall.Write, int(fd), c.out)
		c.sent = max(n, 0)
		switch {
		case err == syscall.EPIPE && c.sent == 0:
			c.ioErr = errUnsent
		case err != nil && err != syscall.EAGAIN:
			c.ioErr = os.NewSyscallError("write", err)
		case c.sent < len(c.out):
			c.ioErr = errPartialWrite
		}
		return c.ioErr != nil
	}
	n, err := ignoringEINTR(syscall.Read, int(fd), c.buf[:])
	switch {
	case err == syscall.EAGAIN:
		return false
	case err != nil:
		c.ioErr = os.NewSyscallError("read", err)
	case n == 0:
		c.ioErr = io.EOF
	default:
		c.r, c.w = 0, n
	}
	return true
}

func ignoringEINTR(f func(int, []byte) (int, error), fd int, b []byte) (int, error) {
	for {
		n, err := f(fd, b)
		if err != syscall.EINTR {
			return n, err
		}
	}
}

// callLarge is call for a frame in pieces, which are sent from where they are with one writev, and for one
// that has to wait for room.
func (c *conn) callLarge(pieces ...[]byte) (frameType, []byte, error) {
	buffers := net.Buffers(pieces)
	if _, err := buffers.WriteTo(c.unix); err != nil {
		return 0, nil, err
	}
	return c.readFrame()
}

// readFrame reads one frame, however many reads it takes.
func (c *conn) readFrame() (frameType, []byte, error) {
	if err := c.fill(headerLen); err != nil {
		return 0, nil, err
	}
	t, n := parseHeader(c.buf[c.r:])
	c.r += headerLen
	if n <= readBuffer-headerLen {
		if err := c.fill(n); err != nil {
			return 0, nil, err
		}
		payload := c.buf[c.r : c.r+n]
		c.r += n
		return t, payload, nil
	}
	payload := make([]byte, n)
	had := copy(payload, c.buf[c.r:c.w])
	c.r, c.w = 0, 0
	_, err := io.ReadFull(c.unix, payload[had:])
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return t, payload, err
}

// fill makes at least n bytes available behind c.r; n is at most readBuffer.
func (c *conn) fill(n int) error {
	if c.w-c.r >= n {
		return nil
	}
	if readBuffer-c.r < n {
		c.w = copy(c.buf[:], c.buf[c.r:c.w])
		c.r = 0
	}
	for c.w-c.r < n {
		m, err := c.unix.Read(c.buf[c.w:])
		c.w += m
		if err != nil && c.w-c.r < n {
			if err == io.EOF && c.w > c.r {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
	}
	return nil
}
