package producer

import "sync/atomic"

// defaultMaxInflightBytes bounds what requests and queued records take in memory.
const defaultMaxInflightBytes = 256 << 20

// budget bounds the bytes of requests and records in memory. Each holder may take
// as much as is free: one holder gets half of the limit, two a third each, so that
// however slow the clusters of some, there is room left for the others.
type budget struct {
	limit int64
	total atomic.Int64
}

// take adds n bytes to what the holder has; false: there is no room.
func (b *budget) take(holder *atomic.Int64, n int64) bool {
	total := b.total.Add(n)
	held := holder.Add(n)
	free := b.limit - (total - n)
	if n > free || held > free && held > n { // the first of a holder may take all that is free
		b.give(holder, n)
		return false
	}
	return true
}

// move makes n bytes another holder's, whatever room that has.
func (b *budget) move(from, to *atomic.Int64, n int64) {
	from.Add(-n)
	to.Add(n)
}

func (b *budget) give(holder *atomic.Int64, n int64) {
	holder.Add(-n)
	b.total.Add(-n)
}
