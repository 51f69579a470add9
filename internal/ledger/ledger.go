package ledger

import (
	"slices"
	"sync"
)

// Ledger is what the clients wrote down, in the order of the replies. Any number of
// goroutines may write. The zero value is empty.
type Ledger struct {
	mu      sync.Mutex
	entries []Entry
}

// Reserve makes room for n entries. Without it a long ledger is copied again and again.
func (l *Ledger) Reserve(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = slices.Grow(l.entries, n)
}

// Write appends entries, which are not changed after that.
func (l *Ledger) Write(e ...Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = append(l.entries, e...)
}

// Entries are the entries so far, to be read only.
func (l *Ledger) Entries() []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clip(l.entries)
}
