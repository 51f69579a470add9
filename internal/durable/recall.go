package durable

import (
	"context"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/internal/spool"
)

const (
	// maxRecalled is how many units that were on disk when this process took over are
	// recalled, the last ones: as many requests as may have been without a reply then.
	maxRecalled = 10_000
	// maxOwed bounds the identities in a mark, which Kafka takes 4096 bytes of.
	maxOwed = 100
	// loadedInterval is how often a request looks whether this process owns the spool.
	loadedInterval = 10 * time.Millisecond
)

// A request with an identity of its own may come again, to a process that does not know
// what became of it the first time: that one ended before it could note its reply. So
// that nothing is done twice, the stream recalls the units whose replies may not have
// been noted: those on disk when the process took over, and those that Kafka's marks
// name. A mark names the unit itself and all others whose replies are still owed.

// memory is what a stream recalls of units. stream.mu guards it.
type memory struct {
	known map[spool.UnitID]fate
	order []spool.UnitID // of those in known that came from elsewhere, the oldest first
	open  map[spool.UnitID]bool
	owed  []spool.UnitID // open and committed
}

// fate is what became of a unit.
type fate struct{ receipt string } // "": it was committed

// expect notes that a unit's reply is owed until replied.
func (st *stream) expect(id spool.UnitID) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.open == nil {
		st.open = map[spool.UnitID]bool{}
	}
	st.open[id] = true
}

// replied says that the reply to a unit was noted, or that nothing was done: no other
// process will ask for it.
func (st *stream) replied(id spool.UnitID) {
	st.mu.Lock()
	defer st.mu.Unlock()
	delete(st.open, id)
	delete(st.known, id)
	for i, other := range st.owed {
		if other == id {
			st.owed = append(st.owed[:i], st.owed[i+1:]...)
			break
		}
	}
}

// learn notes what became of a unit that another process may have sent.
func (st *stream) learn(id spool.UnitID, f fate) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if _, ok := st.known[id]; !ok {
		st.order = append(st.order, id)
	}
	st.learned(id, f)
	if len(st.order) > maxRecalled {
		delete(st.known, st.order[0])
		st.order = st.order[1:]
	}
}

// learned notes what became of a unit. st.mu is held.
func (st *stream) learned(id spool.UnitID, f fate) {
	if st.known == nil {
		st.known = map[spool.UnitID]fate{}
	}
	st.known[id] = f
}

// committed notes that a unit was committed.
func (st *stream) committed(id spool.UnitID) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if !st.open[id] {
		return
	}
	if f := st.known[id]; f.receipt == "" {
		st.learned(id, fate{})
	}
	if st.owed = append(st.owed, id); len(st.owed) >= maxOwed {
		st.owed = st.owed[1:]
	}
}

// keptOpen notes where a unit is whose reply is owed.
func (st *stream) keptOpen(id spool.UnitID, p spool.Position) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.open[id] {
		st.learned(id, fate{p.Receipt()})
	}
}

// markOf is the mark of a unit's transaction.
func (st *stream) markOf(id spool.UnitID) string {
	st.mu.Lock()
	defer st.mu.Unlock()
	mark := id.String()
	for _, other := range st.owed {
		mark += " " + other.String()
	}
	return mark
}

// fateOf returns what is known of a unit.
func (st *stream) fateOf(id spool.UnitID) (fate, bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	f, ok := st.known[id]
	return f, ok
}

// recall finds out what became of a unit that was sent before, as far as that can be
// told without Kafka. The error says that it cannot be told now.
func (st *stream) recall(ctx context.Context, id spool.UnitID) (f fate, ok bool, _ *record.Error) {
	if !st.awaitLoaded(ctx) || !st.takeTurn(ctx) {
		return f, false, record.Unknown
	}
	defer func() { <-st.turn }()
	if f, ok := st.fateOf(id); ok {
		return f, true, nil
	}
	if !st.unsettled {
		return f, false, nil
	}
	err := st.eachOnDisk(func(e *spool.Entry) {
		if e.Unit == id {
			f, ok = fate{e.Position.Receipt()}, true
		}
	})
	if err != nil {
		return f, false, &record.Error{Kind: record.KindUnconfirmed, Unconfirmed: true, Reason: err.Reason}
	}
	return f, ok, nil
}

// awaitLoaded waits until this process knows what is on disk.
func (st *stream) awaitLoaded(ctx context.Context) bool {
	tick := time.NewTicker(loadedInterval)
	defer tick.Stop()
	for !st.loaded.Load() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		case <-st.q.life.Done():
			return false
		}
	}
	return true
}
