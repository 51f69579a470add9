package client

import "sync/atomic"

// Budget bounds the bytes of requests and records in memory. Each holder may take
// as much as is free: one holder gets half of the limit, two a third each, so that
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

// move makes n bytes another holder's, whatever room that has.
func (b *Budget) move(from, to *atomic.Int64, n int64) {
	from.Add(-n)
	to.Add(n)
}

// Give takes n bytes back from the holder.
func (b *Budget) Give(holder *atomic.Int64, n int64) {
	holder.Add(-n)
	b.total.Add(-n)
}
