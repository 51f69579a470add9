package deadline

import (
	"context"
	"time"
)

// Sleep waits for d and reports whether it has: ctx may end first, or closed, which may be
// nil, be closed.
func Sleep(ctx context.Context, d time.Duration, closed <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-closed:
	}
	return false
}
