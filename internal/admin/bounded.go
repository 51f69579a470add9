package admin

import (
	"net"
	"sync"
)

// bounded returns a listener that closes connections beyond the limit as they come.
func bounded(l net.Listener, limit int) net.Listener {
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

// Close closes the connection and makes room.
func (c *boundedConn) Close() error {
	defer c.release()
	return c.Conn.Close()
}
