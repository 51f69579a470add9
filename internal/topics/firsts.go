package topics

import (
	"slices"
	"sync"
	"sync/atomic"
)

// Firsts are the partitions of a topic that have taken a record of the producer.
type Firsts struct {
	taken atomic.Pointer[[]bool] // by partition; replaced, never changed

	mu     sync.Mutex              // guards asking, and who replaces taken
	asking map[int32]chan struct{} // partitions whose first record is under way; closed at its report
}

// Enter reports whether a record is the first of its partition. Otherwise answered is nil,
// or closed when the outcome of the first is known.
func (f *Firsts) Enter(partition int32) (first bool, answered <-chan struct{}) {
	if f.has(partition) {
		return false, nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.has(partition) {
		return false, nil
	}
	if other := f.asking[partition]; other != nil {
		return false, other
	}
	if f.asking == nil {
		f.asking = map[int32]chan struct{}{}
	}
	f.asking[partition] = make(chan struct{})
	return true, nil
}

func (f *Firsts) has(partition int32) bool {
	taken := f.taken.Load()
	return taken != nil && int(partition) < len(*taken) && (*taken)[partition]
}

// Leave ends what Enter has begun; taken: the records that follow need not wait.
func (f *Firsts) Leave(partition int32, taken bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if taken {
		var all []bool
		if before := f.taken.Load(); before != nil {
			all = slices.Clone(*before)
		}
		all = append(all, make([]bool, max(0, int(partition)+1-len(all)))...)
		all[partition] = true
		f.taken.Store(&all)
	}
	if answered := f.asking[partition]; answered != nil {
		close(answered)
		delete(f.asking, partition)
	}
}
