package gateway

import (
	"slices"
	"sync"
	"time"
)

// lookInterval is how often a pool looks which of its connections their peer has closed: nginx learns it at once.
const lookInterval = 20 * time.Millisecond

// pool keeps idle connections, the one used last on top.
type pool struct {
	mu      sync.Mutex
	idle    []*conn
	max     int
	timeout time.Duration
	closed  bool
	looking bool // look will run
}

// get gives an idle connection that is still open, or nil.
func (p *pool) get() (*conn, error) {
	for {
		c, err := p.pop()
		if c == nil || err != nil {
			return nil, err
		}
		if p.usable(c) {
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
	if !p.looking {
		p.looking = true
		time.AfterFunc(lookInterval, p.look)
	}
	return nil
}

// look closes the idle connections that are of no more use, while there are idle ones.
func (p *pool) look() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = slices.DeleteFunc(p.idle, func(c *conn) bool {
		usable := p.usable(c)
		if !usable {
			c.Close()
		}
		return !usable
	})
	if p.looking = len(p.idle) > 0; p.looking {
		time.AfterFunc(lookInterval, p.look)
	}
}

func (p *pool) usable(c *conn) bool { return time.Since(c.idleSince) < p.timeout && c.alive() }

func (p *pool) close() {
	p.mu.Lock()
	idle := p.idle
	p.idle, p.closed = nil, true
	p.mu.Unlock()
	for _, c := range idle {
		c.Close()
	}
}
