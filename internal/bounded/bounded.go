// Package bounded bounds what a listener lets in.
package bounded

import (
	"net"
	"sync"
)

// Listener returns a listener that closes connections beyond the limit as they come.
func Listener(l net.Listener, limit int) net.Listener {
	return &boundedListener{l, make(chan struct{}, limit)}
}

type boundedListener struct {
	net.Listener
	room chan struct{}
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
			return &boundedConn{Conn: c, release: sync.OnceFunc(func() { <-b.room })}, nil
		default:
			c.Close()
		}
	}
}

type boundedConn struct {
	net.Conn
	release func()
}

// CloseWrite tells the peer that nothing more comes. net/http does so where it closes a connection of which it has not
// read everything: without that the peer may not see the last reply.
func (c *boundedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Close closes the connection and makes room.
func (c *boundedConn) Close() error {
	defer c.release()
	return c.Conn.Close()
}
