package httpfront

import (
	"net"
	"net/http"
	"sync"
)

// Unused are the connections of a server on which no request has come yet. Browsers and load balancers open them ahead,
// and http.Server.Shutdown waits five seconds for a request of each.
type Unused struct {
	mu     sync.Mutex
	closed bool
	conns  map[net.Conn]struct{}
}

// Note is called by the server (http.Server.ConnState).
func (u *Unused) Note(c net.Conn, state http.ConnState) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.conns, c)
	switch {
	case state != http.StateNew:
	case u.closed:
		c.Close()
	case u.conns == nil:
		u.conns = map[net.Conn]struct{}{c: {}}
	default:
		u.conns[c] = struct{}{}
	}
}

// Close closes them, and those that come later.
func (u *Unused) Close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.closed = true
	for c := range u.conns {
		c.Close()
	}
}
