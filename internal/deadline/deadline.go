// Package deadline has contexts for requests. A [Context] ends at a time, costs neither a
// timer nor a channel until somebody waits for its end, and goes back to a pool, so that a
// request which has one allocates nothing. A [Group] can bring the end of its contexts
// forward, all at once. [Sleep] waits, but no longer than a context.
package deadline

import (
	"context"
	"sync"
	"time"
)

// Context is a [context.Context] that ends at its deadline, or before that with its
// group: Err is then [context.Canceled].
type Context struct {
	at    time.Time
	group *Group // nil: none

	mu    sync.Mutex
	ends  time.Time // at, or when the group ends
	done  chan struct{}
	timer *time.Timer // made with done, at the first wait
	armed bool        // somebody waits: the timer runs
	err   error

	previous, next *Context // in the group; its lock guards them
}

var pool = sync.Pool{New: func() any { return new(Context) }}

// New returns a context that ends at that time. [Context.Release] ends its use.
func New(at time.Time) *Context {
	c := pool.Get().(*Context)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return &Context{at: at, ends: at}
	}
	c.at, c.ends = at, at
	if c.armed { // a context that was made of the one before has asked for its end too late
		c.timer.Reset(time.Until(at))
	}
	return c
}

// Release ends the use of the context. Nobody may use it afterwards; whoever waits for
// its end may go on waiting.
func (c *Context) Release() {
	if c.group != nil {
		c.group.remove(c)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.armed && !c.timer.Stop() || c.err != nil {
		return // done is closed, or about to be
	}
	c.armed = false
	pool.Put(c)
}

// Deadline returns the time at which the context was to end when it was made.
func (c *Context) Deadline() (time.Time, bool) { return c.at, true }

// Done returns a channel that is closed when the context ends.
func (c *Context) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.armed && c.err == nil {
		c.armed = true
		if c.done == nil {
			c.done = make(chan struct{})
			c.timer = time.AfterFunc(time.Until(c.ends), c.end)
		} else {
			c.timer.Reset(time.Until(c.ends))
		}
	}
	return c.done
}

// Err returns nil until the context has ended.
func (c *Context) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endIfDue()
	return c.err
}

func (c *Context) Value(any) any { return nil }

func (c *Context) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endIfDue()
	if c.err == nil { // the group has brought the end forward and back to the timer's
		c.timer.Reset(time.Until(c.ends))
	}
}

// endIfDue ends the context if it is time. The lock is held.
func (c *Context) endIfDue() {
	if c.err != nil || time.Now().Before(c.ends) {
		return
	}
	if c.err = context.DeadlineExceeded; c.ends.Before(c.at) {
		c.err = context.Canceled
	}
	if c.done == nil {
		c.done = make(chan struct{})
	}
	close(c.done)
}

// bring brings the end forward.
func (c *Context) bring(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil || !at.Before(c.ends) {
		return
	}
	c.ends = at
	if c.armed && c.timer.Stop() { // otherwise end is about to look
		c.timer.Reset(time.Until(at))
	}
}

// Group makes contexts whose end can be brought forward.
type Group struct {
	mu    sync.Mutex
	end   time.Time // zero: there is none
	first *Context
}

// New returns a context of the group that ends at that time, or with the group.
func (g *Group) New(at time.Time) *Context {
	c := New(at)
	g.mu.Lock()
	defer g.mu.Unlock()
	c.group, c.previous, c.next = g, nil, g.first
	if g.first != nil {
		g.first.previous = c
	}
	g.first = c
	if !g.end.IsZero() {
		c.bring(g.end)
	}
	return c
}

// EndAt ends the contexts of the group at that time, those that are made later as well.
func (g *Group) EndAt(at time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.end = at
	for c := g.first; c != nil; c = c.next {
		c.bring(at)
	}
}

func (g *Group) remove(c *Context) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if c.previous != nil {
		c.previous.next = c.next
	} else {
		g.first = c.next
	}
	if c.next != nil {
		c.next.previous = c.previous
	}
	c.group, c.previous, c.next = nil, nil, nil
}
