package client

import "sync/atomic"

// Budget bounds the bytes of requests and records in memory. Each holder, a connection with all its
// producers or a route with its requests, may take as much as is free: one holder gets half of the limit, two a third each, so that
// however slow the clusters of some are, there is room left for the others.
type Budget struct {
	Limit int64
	total atomic.Int64
}

// Total returns how many bytes all holders have.
func (b *Budget) Total() int64 { return b.total.Load() }

// Take adds n bytes to what the holder has; false: there is no room.
func (b *Budget) Take(holder *atomic.Int64, n int64) bool {
	total := b.total.Add(n)
	held := holder.Add(n)
	free := b.Limit - (total - n)
	if n > free || held > free && held > n { // the first of a holder may take all that is free
		b.Give(holder, n)
		return false
	}
	return true
}

// Give takes n bytes back from the holder.
func (b *Budget) Give(holder *atomic.Int64, n int64) {
	holder.Add(-n)
	b.total.Add(-n)
}

// take is Take for a record of the client's; give ends it.
func (c *Client) take(n int64) bool {
	if !c.shared.Budget.Take(c.Conn.Queued(), n) {
		return false
	}
	c.load.bytes.Add(n)
	return true
}

func (c *Client) give(n int64) {
	c.load.bytes.Add(-n)
	c.shared.Budget.Give(c.Conn.Queued(), n)
}

// takeOver makes n bytes of another client's this one's, whatever room there is.
func (c *Client) takeOver(from *Client, n int64) {
	from.load.bytes.Add(-n)
	from.Conn.Queued().Add(-n)
	c.load.bytes.Add(n)
	c.Conn.Queued().Add(n)
}
