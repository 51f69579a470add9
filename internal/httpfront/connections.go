package httpfront

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// Connections are those of an http.Server on which a request may be under way. http.Server.Shutdown drops a request
// that it reads meanwhile, and waits five seconds for one on each new connection; browsers and load balancers open some ahead.
type Connections struct {
	mu     sync.Mutex
	ending bool                        // new ones are closed
	states map[net.Conn]http.ConnState // those that are new or active
}

// Note is called by the server (http.Server.ConnState).
func (o *Connections) Note(c net.Conn, state http.ConnState) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case state == http.StateNew && o.ending:
		c.Close()
	case state == http.StateNew || state == http.StateActive:
		if o.states == nil {
			o.states = map[net.Conn]http.ConnState{}
		}
		o.states[c] = state
	default:
		delete(o.states, c)
	}
}

// CloseNew closes the connections on which no request has come yet, and those that come later.
func (o *Connections) CloseNew() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ending = true
	for c, state := range o.states {
		if state == http.StateNew {
			c.Close()
		}
	}
}

// awaitEnd waits until no request is under way on any of them, or ctx ends. Those that are new have newTime to send one.
func (o *Connections) awaitEnd(ctx context.Context) {
	defer time.AfterFunc(newTime, o.CloseNew).Stop()
	tick := time.NewTicker(connectionsLook)
	defer tick.Stop()
	for o.busy() {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (o *Connections) busy() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.states) > 0
}

const (
	// newTime is how long a client that has just connected when the server stops has for its request.
	newTime = time.Second
	// takeTime is how long a client has to send the rest of a request, and to take a reply, once nothing else is under way.
	takeTime = 2 * time.Second
	// connectionsLook is how often the end of the last request is looked for.
	connectionsLook = time.Millisecond
)
