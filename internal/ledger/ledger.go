package ledger

import (
	"slices"
	"sync"
	"time"
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

// Count is how many entries so far satisfy the condition; nil: all.
func (l *Ledger) Count(condition func(*Entry) bool) int {
	entries := l.Entries()
	if condition == nil {
		return len(entries)
	}
	n := 0
	for i := range entries {
		if condition(&entries[i]) {
			n++
		}
	}
	return n
}

// Since is the condition that an entry has one of the outcomes and was sent at a time or
// later.
func Since(t time.Time, outcomes ...Outcome) func(*Entry) bool {
	return func(e *Entry) bool { return !e.Sent().Before(t) && slices.Contains(outcomes, e.Outcome()) }
}

// Entries are the entries so far, to be read only.
func (l *Ledger) Entries() []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clip(l.entries)
}

// Last is the replies to the last n records, in the order of the replies.
func (l *Ledger) Last(n int) []string {
	var replies []string
	entries := l.Entries()
	for i := range entries[max(len(entries)-n, 0):] {
		replies = append(replies, entries[max(len(entries)-n, 0)+i].String())
	}
	return replies
}
