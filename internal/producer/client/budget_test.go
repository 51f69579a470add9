package client

import (
	"sync/atomic"
	"testing"
)

func TestBudgetLeavesRoomForOtherHolders(t *testing.T) {
	b := Budget{Limit: 100}
	var greedy, other, third atomic.Int64
	taken := 0
	for b.Take(&greedy, 1) {
		taken++
	}
	if taken != 50 {
		t.Errorf("one holder has got %d of 100, want half", taken)
	}
	if !b.Take(&other, 25) || b.Take(&other, 1) {
		t.Error("a second holder does not get half of what is left")
	}
	if !b.Take(&third, 25) {
		t.Error("a third one that has nothing does not get what is free")
	}
	if b.Take(&third, 1) {
		t.Error("more than the limit has been given")
	}
	b.Give(&greedy, 50)
	if !b.Take(&third, 1) || b.Total() != 51 {
		t.Errorf("of what was given back nothing can be taken: %d in use", b.Total())
	}
}
