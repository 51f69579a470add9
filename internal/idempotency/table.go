package idempotency

type state uint8

const (
	inFlight  state = iota
	finishing       // the reply is known, but not durable
	finished
	interrupted
)

// keyBytes is what a key counts for beside its reply, in bytes: it takes no more.
const keyBytes = 512

// entry is a key that was begun and was not forgotten.
type entry struct {
	id          keyID
	share       *share
	fingerprint [32]byte
	old         bool  // the fingerprint is of another kind, and any request is like it
	expires     int64 // Unix nanoseconds
	reply       []byte
	state       state

	inTable, inShare int // places among the settled ones
}

func (e *entry) open() bool { return e.state == inFlight || e.state == finishing }

func (e *entry) bytes() int64 { return keyBytes + int64(len(e.reply)) }

// frame is what a journal has of an entry.
func (e *entry) frame() frame {
	f := frame{kind: begunKind, id: e.id, holder: e.share.id, fingerprint: e.fingerprint, expires: e.expires}
	if e.state == finishing || e.state == finished {
		f.kind, f.reply = finishedKind, e.reply
	}
	if e.old {
		f.kind -= begunKind - oldBegunKind
	}
	return f
}

// share is what one holder has of a table.
type share struct {
	id      holderID
	keys    int
	open    int             // keys that are under way
	settled ranking[*entry] // the others, the one that expires next first
	bytes   int64           // of settled
	place   int             // in table.largest, while there are settled ones
}

// table has all entries. It is not safe for concurrent use.
type table struct {
	maxBytes  int64
	entries   map[keyID]*entry
	shares    map[holderID]*share
	open      int // keys that are under way, which neither expire nor make room
	bytes     int64
	settled   ranking[*entry] // finished and interrupted ones, the one that expires next first
	largest   ranking[*share] // those with settled ones, the largest first
	forgotten int             // keys that made room for others since somebody looked
}

func newTable(maxBytes int64) *table {
	return &table{
		maxBytes: maxBytes, entries: map[keyID]*entry{}, shares: map[holderID]*share{},
		settled: ranking[*entry]{before: expiresBefore, place: func(e *entry) *int { return &e.inTable }},
		largest: ranking[*share]{
			before: func(a, b *share) bool { return a.bytes > b.bytes },
			place:  func(s *share) *int { return &s.place },
		},
	}
}

func expiresBefore(a, b *entry) bool { return a.expires < b.expires }

func placeInShare(e *entry) *int { return &e.inShare }

// room makes room for another key of a holder; false: what he has under way is as much as
// is left for others.
func (t *table) room(holder holderID) bool {
	open := 0
	if s := t.shares[holder]; s != nil {
		open = s.open
	}
	if open >= int(t.maxBytes/keyBytes)-t.open {
		return false
	}
	t.shrink(keyBytes)
	return true
}

// shrink forgets settled entries until so many bytes are free: always the one of the
// largest share that expires next.
func (t *table) shrink(free int64) {
	for t.bytes+free > t.maxBytes && t.largest.Len() > 0 {
		t.remove(t.largest.items[0].settled.items[0])
		t.forgotten++
	}
}

// add puts an entry in flight; there is none with its id.
func (t *table) add(e *entry, holder holderID) *entry {
	s := t.shares[holder]
	if s == nil {
		s = &share{id: holder, settled: ranking[*entry]{before: expiresBefore, place: placeInShare}}
		t.shares[holder] = s
	}
	s.keys++
	e.share = s
	t.entries[e.id] = e
	t.begin(e)
	t.bytes += e.bytes()
	return e
}

// begin notes that an entry is under way.
func (t *table) begin(e *entry) {
	e.state = inFlight
	e.share.open++
	t.open++
}

// finish gives an entry its reply, which is not durable yet.
func (t *table) finish(e *entry, reply []byte) {
	e.state = finishing
	e.reply = reply
	t.bytes += int64(len(reply))
}

// settle ends what an entry has under way: it expires when its time is up, and may have
// to make room.
func (t *table) settle(e *entry, as state) {
	s := e.share
	e.state = as
	s.open--
	t.open--
	t.settled.add(e)
	s.settled.add(e)
	t.grow(s, e.bytes())
	t.shrink(0)
}

// unsettle puts an interrupted entry in flight again.
func (t *table) unsettle(e *entry) {
	t.unrank(e)
	t.begin(e)
}

// unrank takes an entry from among the settled ones.
func (t *table) unrank(e *entry) {
	t.settled.remove(e)
	e.share.settled.remove(e)
	t.grow(e.share, -e.bytes())
}

// grow changes the size of a share's settled entries.
func (t *table) grow(s *share, by int64) {
	ranked := s.bytes > 0
	s.bytes += by
	switch {
	case !ranked:
		t.largest.add(s)
	case s.bytes == 0:
		t.largest.remove(s)
	default:
		t.largest.changed(s)
	}
}

// remove forgets an entry.
func (t *table) remove(e *entry) {
	s := e.share
	if e.open() {
		s.open--
		t.open--
	} else {
		t.unrank(e)
	}
	delete(t.entries, e.id)
	t.bytes -= e.bytes()
	if s.keys--; s.keys == 0 {
		delete(t.shares, s.id)
	}
}

// expire forgets the settled entries whose time is up.
func (t *table) expire(now int64) {
	for t.settled.Len() > 0 && t.settled.items[0].expires <= now {
		t.remove(t.settled.items[0])
	}
}

// restore takes over what a journal says, in the order in which it says it. What has
// expired would take the room of keys that have not.
func (t *table) restore(f *frame, now int64) {
	if old := t.entries[f.id]; old != nil {
		t.remove(old)
	}
	if f.kind == abandonedKind || f.expires <= now {
		return
	}
	e := t.add(&entry{id: f.id, fingerprint: f.fingerprint, expires: f.expires, old: f.kind < abandonedKind}, f.holder)
	if f.kind != finishedKind && f.kind != oldFinishedKind {
		t.settle(e, interrupted)
		return
	}
	t.finish(e, f.reply)
	t.settle(e, finished)
}
