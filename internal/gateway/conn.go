package gateway

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"
)

// readBuffer holds a frame of ordinary size, so that it takes one read.
const readBuffer = 4 << 10

// conn is one connection to the runner. One call at a time uses it.
type conn struct {
	*net.UnixConn
	in        *bufio.Reader
	header    [headerLen]byte
	timeout   time.Duration
	idleSince time.Time
}

func dial(ctx context.Context, path string, connectTimeout, timeout time.Duration) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	nc, err := connect(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("failed to connect to the unix socket %s: %w", path, err)
	}
	return &conn{UnixConn: nc.(*net.UnixConn), in: bufio.NewReaderSize(nc, readBuffer), timeout: timeout}, nil
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

// reusable reports whether the connection is between two calls: nothing read that was not asked for.
func (c *conn) reusable() bool { return c.in.Buffered() == 0 }

// alive reports whether an idle connection is still open and silent. The runner may have gone, or have been replaced,
// since the last call; after the request is sent it is too late to take another connection.
func (c *conn) alive() (open bool) {
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	err = raw.Control(func(fd uintptr) {
		var b [1]byte
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		open = err == syscall.EAGAIN || err == syscall.EINTR
	})
	return err == nil && open
}

// arm gives the next exchange its time.
func (c *conn) arm(ctx context.Context) error {
	if err := c.SetDeadline(time.Now().Add(c.timeout)); err != nil {
		return err
	}
	return ctx.Err() // after SetDeadline: a cancelled context has set a deadline in the past, which is overwritten now
}

// cancelWith interrupts the connection when ctx ends. stop ends that, and reports whether the connection was not interrupted.
func (c *conn) cancelWith(ctx context.Context) (stop func() bool) {
	if ctx.Done() == nil {
		return func() bool { return true }
	}
	return context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
}

// errUnsent means that the runner had closed the connection before a byte of the frame was sent.
var errUnsent = errors.New("write: connection closed by the runner")

// call sends a frame and reads the next frame. The payload is valid until the next call.
func (c *conn) call(frame []byte) (frameType, []byte, error) {
	n, err := c.Write(frame)
	return c.receive(int64(n), err)
}

// callInPieces is call for a frame in pieces, which are sent from where they are.
func (c *conn) callInPieces(pieces net.Buffers) (frameType, []byte, error) {
	n, err := pieces.WriteTo(c.UnixConn)
	return c.receive(n, err)
}

// receive reads the next frame, unless sending has failed after n bytes.
func (c *conn) receive(n int64, err error) (frameType, []byte, error) {
	if n == 0 && errors.Is(err, syscall.EPIPE) {
		return 0, nil, errUnsent
	} else if err != nil {
		return 0, nil, err
	}
	if _, err := io.ReadFull(c.in, c.header[:]); err != nil {
		return 0, nil, err
	}
	t, length := parseHeader(c.header[:])
	payload, err := c.readPayload(length)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return t, payload, err
}

func (c *conn) readPayload(n int) (payload []byte, err error) {
	if n > readBuffer {
		payload = make([]byte, n)
		_, err = io.ReadFull(c.in, payload)
		return payload, err
	}
	if payload, err = c.in.Peek(n); err == nil {
		_, err = c.in.Discard(n)
	}
	return payload, err
}
