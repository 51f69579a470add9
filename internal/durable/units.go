package durable

import (
	"slices"
	"sync"

	"github.com/kafkaupstream/kafkaupstream/internal/producer"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/internal/spool"
)

// units is how a transactional stream is sent: one unit after another, each in one transaction, by
// the process that owns the directory only. But for its memory it is for the holder of the stream's
// turn.
//
// A unit whose commit was not answered is in doubt. Nothing is sent before that is settled: a new
// producer ends what the one before has left, and its mark shows whether that was committed.
type units struct {
	serial *producer.Serial // nil: an operator's command
	// unsettled: whatever is on disk is in doubt, since another process may have sent it.
	unsettled bool
	doubt     *spool.Entry // the unit in doubt, its identity and position; nil: none

	memory memory
}

// settled reports whether the next unit may be sent.
func (u *units) settled() bool { return u.serial.Begun() && !u.unsettled && u.doubt == nil }

// doubts notes that a unit on disk may be in Kafka. Of several, all that is on disk is looked at.
func (u *units) doubts(id spool.UnitID, p spool.Position) {
	u.unsettled = u.unsettled || u.doubt != nil
	u.doubt = &spool.Entry{Unit: id, Position: p}
}

const (
	// maxRecalled is how many units that were on disk when this process took over are
	// recalled, the last ones: as many requests as may have been without a reply then.
	maxRecalled = 10_000
	// maxOwed bounds the identities in a mark, which Kafka takes 4096 bytes of.
	maxOwed = 100
)

// memory is what a stream recalls of units; mu guards it.
//
// A request with an identity of its own may come again, to a process that does not know what became
// of it the first time: the first process ended before it could note its reply. So that nothing is
// done twice, the stream recalls the units whose replies may not have been noted: those on disk when
// the process took over, and those that Kafka's marks name. A mark names the unit itself and all
// others whose replies are still owed.
type memory struct {
	mu    sync.Mutex
	known map[spool.UnitID]fate
	order []spool.UnitID // of those in known that came from elsewhere, the oldest first
	open  map[spool.UnitID]bool
	owed  []spool.UnitID // open and committed
}

func newMemory() memory {
	return memory{known: map[spool.UnitID]fate{}, open: map[spool.UnitID]bool{}}
}

// fate is what became of a unit.
type fate struct{ receipt string } // "": it was committed

// apply sets the outcome of a unit's records to its fate.
func (f fate) apply(b *record.Batch) {
	if f.receipt == "" {
		b.Outcomes = nil
	}
	for i := range b.Outcomes {
		b.Outcomes[i].Receipt = f.receipt
	}
}

// expect notes that a unit's reply is owed until replied.
func (m *memory) expect(id spool.UnitID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.open[id] = true
}

// replied notes that the reply to a unit is stored, or that nothing was done: no other
// process will ask for it.
func (m *memory) replied(id spool.UnitID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.open, id)
	delete(m.known, id)
	if i := slices.Index(m.owed, id); i >= 0 {
		m.owed = slices.Delete(m.owed, i, i+1)
	}
}

// learn notes what became of a unit that another process may have sent.
func (m *memory) learn(id spool.UnitID, f fate) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.known[id]; !ok {
		m.order = append(m.order, id)
	}
	m.known[id] = f
	if len(m.order) > maxRecalled {
		delete(m.known, m.order[0])
		m.order = m.order[1:]
	}
}

// committed notes that a unit was committed.
func (m *memory) committed(id spool.UnitID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.open[id] {
		return
	}
	if f := m.known[id]; f.receipt == "" {
		m.known[id] = fate{}
	}
	if m.owed = append(m.owed, id); len(m.owed) >= maxOwed {
		m.owed = m.owed[1:]
	}
}

// kept notes where a unit is on disk, if its reply is owed.
func (m *memory) kept(id spool.UnitID, p spool.Position) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.open[id] {
		m.known[id] = fate{p.Receipt()}
	}
}

// markOf is the mark of a unit's transaction.
func (m *memory) markOf(id spool.UnitID) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	mark := id.String()
	for _, other := range m.owed {
		mark += " " + other.String()
	}
	return mark
}

func (m *memory) fateOf(id spool.UnitID) (fate, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, ok := m.known[id]
	return f, ok
}
