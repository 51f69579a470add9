// Package await is how this project's tests wait: for a condition, never for a
// time. Tests call it; nothing else does.
package await

import (
	"bytes"
	"sync"
	"testing"
	"time"
)

// limit is when a condition is given up. It is long, since a machine may be busy.
const limit = 60 * time.Second

// True returns when the condition holds, and fails the test if it does not come to.
func True(t testing.TB, what string, condition func() bool) {
	t.Helper()
	Within(t, limit, what, condition)
}

// Within is True with another limit.
func Within(t testing.TB, limit time.Duration, what string, condition func() bool) {
	t.Helper()
	deadline := time.After(limit)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-deadline:
			t.Fatalf("not within %v: %s", limit, what)
		case <-tick.C:
		}
	}
}

// Log is a writer whose text a test can read while it is being written.
type Log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write appends to the text.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// String returns the text so far.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
