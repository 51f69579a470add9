package gateway

import (
	"sync"
	"time"
)

// pool keeps idle connections, the one used last on top.
type pool struct {
	mu      sync.Mutex
	idle    []*conn
	max     int
	timeout time.Duration
	closed  bool
}

// get gives an idle connection that is still open, or nil.
func (p *pool) get() (*conn, error) {
	for {
		c, err := p.pop()
		if c == nil || err != nil {
			return nil, err
		}
		if time.Since(c.idleSince) < p.timeout && c.alive() {
			return c, nil
		}
		c.Close()
	}
}

func (p *pool) pop() (*conn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, ErrClosed
	}
	n := len(p.idle)
	if n == 0 {
		return nil, nil
	}
	c := p.idle[n-1]
	p.idle[n-1] = nil
	p.idle = p.idle[:n-1]
	return c, nil
}

// put takes a connection back, and closes the one that was idle longest when there are too many.
func (p *pool) put(c *conn) {
	c.idleSince = time.Now()
	if surplus := p.push(c); surplus != nil {
		surplus.Close()
	}
}

func (p *pool) push(c *conn) (surplus *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.max == 0 {
		return c
	}
	if len(p.idle) == p.max {
		surplus = p.idle[0]
		copy(p.idle, p.idle[1:])
		p.idle[p.max-1] = c
		return surplus
	}
	p.idle = append(p.idle, c)
	return nil
}

func (p *pool) close() {
	p.mu.Lock()
	idle := p.idle
	p.idle, p.closed = nil, true
	p.mu.Unlock()
	for _, c := range idle {
		c.Close()
	}
}
