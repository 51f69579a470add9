package console

import (
	"fmt"
	"sync"
	"time"
)

const (
	// maxEvents and maxBytes bound what is kept for pages that are opened later, or that are slow.
	maxEvents = 500
	maxBytes  = 4 << 20
)

// history is the last events, numbered from 1. Each stream has a place of its own in it and no queue: one that is slow
// misses what has gone meanwhile, and costs nothing.
type history struct {
	boot string // distinguishes the histories of two processes

	mu      sync.Mutex
	events  []event
	first   uint64 // the number of events[0]
	bytes   int
	changed chan struct{} // closed when there is more; nil: nobody waits
}

type event struct {
	name string
	data []byte // JSON, in one line
}

func newHistory() history {
	return history{boot: fmt.Sprintf("%x", time.Now().UnixNano()), first: 1}
}

func (h *history) add(name string, data []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = append(h.events, event{name, data})
	h.bytes += len(data)
	gone := 0
	for len(h.events)-gone > maxEvents || h.bytes > maxBytes {
		h.bytes -= len(h.events[gone].data)
		h.events[gone] = event{}
		gone++
	}
	h.events = h.events[gone:]
	h.first += uint64(gone)
	if h.changed != nil {
		close(h.changed)
		h.changed = nil
	}
}

// from gives the events from number next on, the number of the first of them, and a channel that is closed when there
// are more. The first is a later one than next where those between have gone.
func (h *history) from(next uint64) (events []event, first uint64, more <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.changed == nil {
		h.changed = make(chan struct{})
	}
	end := h.first + uint64(len(h.events))
	first = min(max(next, h.first), end)
	return append(events, h.events[first-h.first:]...), first, h.changed
}
