package producer

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// handovers are those of a pool that have not ended.
type handovers struct {
	n      atomic.Int32 // of all connections: 0 is what a request sees
	mu     sync.Mutex
	byConn map[string][]*handover // by the connection's id, the oldest first
}

// handover is that of one producer.
type handover struct {
	done chan struct{}
	end  func() // may be called more than once
}

// begin notes a handover. Until its end, new records wait.
func (hs *handovers) begin(conn string) *handover {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	h := &handover{done: make(chan struct{})}
	h.end = sync.OnceFunc(func() {
		hs.mu.Lock()
		defer hs.mu.Unlock()
		hs.byConn[conn] = slices.DeleteFunc(hs.byConn[conn], func(other *handover) bool { return other == h })
		if len(hs.byConn[conn]) == 0 {
			delete(hs.byConn, conn)
		}
		hs.n.Add(-1)
		close(h.done)
	})
	hs.byConn[conn] = append(hs.byConn[conn], h)
	hs.n.Add(1)
	return h
}

// await returns when there are none, at that time, or when ctx ends.
func (hs *handovers) await(ctx context.Context, until time.Time) {
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	for h := hs.any(); h != nil && wait(ctx, h.done); {
		h = hs.any()
	}
}

// any returns one of them; nil: there is none.
func (hs *handovers) any() *handover {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	for _, all := range hs.byConn {
		return all[0]
	}
	return nil
}

// pending returns the connection's oldest handover that is younger than another, nil
// when there is none. For nil it is the oldest of all.
func (hs *handovers) pending(conn string, after *handover) *handover {
	if hs.n.Load() == 0 {
		return nil
	}
	hs.mu.Lock()
	defer hs.mu.Unlock()
	all := hs.byConn[conn]
	if i := slices.Index(all, after); i+1 < len(all) {
		return all[i+1]
	}
	return nil
}
