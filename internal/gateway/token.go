package gateway

import (
	"context"
	"sync"
	"sync/atomic"
)

// liveRoute is a route in use: its token, and who is getting one.
type liveRoute struct {
	Route                // with the configuration that the runner gets
	value map[string]any // as the Admin API shows it

	created, modified uint64 // etcd's indexes
	createTime        int64

	token   atomic.Pointer[token]
	mu      sync.Mutex
	pending *preparation
}

// token is valid while its generation is the gateway's.
type token struct {
	value      uint32
	generation uint64
}

// preparation is a PrepareConf under way. Requests that come meanwhile share its outcome.
type preparation struct {
	done  chan struct{}
	token *token
	err   error
}

// tokenOf gives the route's token. The PrepareConf for it belongs to all who wait, so the end of one request does not
// end it; the client's timeouts do.
func (g *Gateway) tokenOf(r *liveRoute) (*token, error) {
	generation := g.generation.Load()
	if t := r.token.Load(); t != nil && t.generation == generation {
		return t, nil
	}
	r.mu.Lock()
	if t := r.token.Load(); t != nil && t.generation == generation {
		r.mu.Unlock()
		return t, nil
	}
	p := r.pending
	if p != nil {
		r.mu.Unlock()
		<-p.done
		return p.token, p.err
	}
	p = &preparation{done: make(chan struct{})}
	r.pending = p
	r.mu.Unlock()

	value, err := g.client.PrepareConf(context.Background(), r.key(), r.Conf)
	p.err = err
	if err == nil {
		p.token = &token{value, generation}
		r.token.Store(p.token)
	}
	r.mu.Lock()
	r.pending = nil
	r.mu.Unlock()
	close(p.done)
	return p.token, p.err
}

// flush makes all tokens invalid, unless that has happened since t was given: of a thousand requests that learn at
// once that the runner has forgotten its tokens, one flushes. A failed PrepareConf has no token and flushes nothing.
func (g *Gateway) flush(t *token) {
	if t != nil {
		g.generation.CompareAndSwap(t.generation, t.generation+1)
	}
}
