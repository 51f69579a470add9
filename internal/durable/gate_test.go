package durable

import (
	"testing"
	"time"
)

func TestGateWhoseTimeIsOverIsFollowedByAnother(t *testing.T) {
	var g gate
	g.set(true, 0)
	first := g.bar
	g.set(true, 0)
	if g.bar != first {
		t.Error("a bar that is good was replaced")
	}
	first.until = time.Now().Add(-time.Millisecond)
	if g.await(t.Context()) {
		t.Error("a request waits at a bar whose time is over")
	}
	g.set(true, 0)
	if g.bar == first || time.Until(g.bar.until) <= 0 {
		t.Error("no request waits any more while the last records are sent")
	}
	select {
	case <-first.lifted:
	default:
		t.Error("requests that wait at the first bar are not let through")
	}
	g.open()
}
