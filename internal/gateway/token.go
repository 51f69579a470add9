package gateway

import (
	"context"
	"sync"
)

// liveRoute is a route in use: its token, and who is getting one.
type liveRoute struct {
	Route                // with the configuration that the runner gets
	value map[string]any // as the Admin API shows it

	created, modified uint64 // etcd's indexes
	createTime        int64

	mu    sync.Mutex
	token *token // nil: there is none, or the last try failed
}

// token is valid while its generation is the gateway's. The first who asks for its value prepares the route's configuration;
// requests that come meanwhile share the outcome.
type token struct {
	generation uint64
	value      func() (uint32, error)
}

// tokenOf returns the route's token and its value. The PrepareConf for it belongs to all who wait, so the end of one request
// does not end it; the client's timeouts do.
func (g *Gateway) tokenOf(r *liveRoute) (t *token, value uint32, err error) {
	generation := g.generation.Load()
	r.mu.Lock()
	if r.token == nil || r.token.generation != generation {
		r.token = &token{generation, sync.OnceValues(func() (uint32, error) {
			return g.client.PrepareConf(context.Background(), r.key(), r.Conf)
		})}
	}
	t = r.token
	r.mu.Unlock()
	if value, err = t.value(); err != nil {
		r.mu.Lock()
		if r.token == t {
			r.token = nil
		}
		r.mu.Unlock()
	}
	return t, value, err
}

// flush makes all tokens invalid, unless that has happened since t was given: of a thousand requests that learn at
// once that the runner has forgotten its tokens, one flushes.
func (g *Gateway) flush(t *token) { g.generation.CompareAndSwap(t.generation, t.generation+1) }
