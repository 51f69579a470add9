// Package bounded bounds what a listener lets in, and how long that may keep it waiting.
package bounded

import (
	"net"
	"sync"
	"time"
)

// Listener returns a listener that closes connections beyond the limit as they come. On the others a write fails that the peer
// has not read within patience: a peer that reads nothing would keep its place for ever. 0: writes have no deadline.
func Listener(l net.Listener, limit int, patience time.Duration) net.Listener {
	return &boundedListener{l, make(chan struct{}, limit), patience}
}

type boundedListener struct {
	net.Listener
	room     chan struct{}
	patience time.Duration
}

// Accept returns the next connection for which there is room.
func (b *boundedListener) Accept() (net.Conn, error) {
	for {
		c, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case b.room <- struct{}{}:
			return &boundedConn{Conn: c, patience: b.patience, release: sync.OnceFunc(func() { <-b.room })}, nil
		default:
			c.Close()
		}
	}
}

type boundedConn struct {
	net.Conn
	patience time.Duration
	release  func()
}

// Write writes to the connection.
func (c *boundedConn) Write(b []byte) (int, error) {
	if c.patience > 0 {
		_ = c.SetWriteDeadline(time.Now().Add(c.patience)) // fails on a closed connection, as the write does
	}
	return c.Conn.Write(b)
}

// CloseWrite tells the peer that nothing more comes. net/http does so where it closes a connection of which it has not
// read everything: without that the peer may not see the last reply.
func (c *boundedConn) CloseWrite() error {
	conn := c.Conn
	if wrapped, ok := conn.(interface{ Raw() net.Conn }); ok { // of the PROXY protocol
		conn = wrapped.Raw()
	}
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Close closes the connection and makes room.
func (c *boundedConn) Close() error {
	defer c.release()
	return c.Conn.Close()
}
