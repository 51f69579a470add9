package idempotency

import (
	"container/heap"
	"slices"
)

type state uint8

const (
	inFlight  state = iota
	finishing       // the reply is known, but not durable
	finished
	interrupted
)

// entry is a key that was begun and has not expired.
type entry struct {
	id          keyID
	scope       *share
	fingerprint [32]byte
	expires     int64 // Unix nanoseconds
	reply       []byte
	state       state
}

// frame is what a journal has of an entry.
func (e *entry) frame() frame {
	f := frame{kind: begunKind, id: e.id, scope: e.scope.id, fingerprint: e.fingerprint, expires: e.expires}
	if e.state == finishing || e.state == finished {
		f.kind, f.reply = finishedKind, e.reply
	}
	return f
}

// share is what one scope has of a table.
type share struct {
	id    scopeID
	keys  int
	bytes int64 // of replies
}

// table has all entries. It is not safe for concurrent use.
type table struct {
	maxKeys  int
	maxBytes int64
	entries  map[keyID]*entry
	shares   map[scopeID]*share
	bytes    int64  // of replies
	settled  expiry // finished and interrupted entries; others do not expire
}

func newTable(maxKeys int, maxBytes int64) *table {
	return &table{maxKeys: maxKeys, maxBytes: maxBytes, entries: map[keyID]*entry{}, shares: map[scopeID]*share{}}
}

// room tells whether a scope may have another key.
func (t *table) room(scope scopeID) bool {
	var has share
	if s := t.shares[scope]; s != nil {
		has = *s
	}
	return has.keys < t.maxKeys-len(t.entries) && has.bytes < t.maxBytes-t.bytes
}

// add puts an entry in flight; there is none with its id.
func (t *table) add(id keyID, scope scopeID, fingerprint [32]byte, expires int64) *entry {
	s := t.shares[scope]
	if s == nil {
		s = &share{id: scope}
		t.shares[scope] = s
	}
	s.keys++
	e := &entry{id: id, scope: s, fingerprint: fingerprint, expires: expires}
	t.entries[id] = e
	return e
}

func (t *table) setReply(e *entry, reply []byte) {
	e.reply = reply
	t.count(e, int64(len(reply)))
}

func (t *table) count(e *entry, bytes int64) {
	e.scope.bytes += bytes
	t.bytes += bytes
}

// settle makes an entry expire when its time is up.
func (t *table) settle(e *entry, as state) {
	e.state = as
	heap.Push(&t.settled, e)
}

// unsettle puts an interrupted entry in flight again. It looks through all of them: that
// is rare.
func (t *table) unsettle(e *entry) {
	e.state = inFlight
	heap.Remove(&t.settled, slices.Index(t.settled, e))
}

// remove takes out an entry that is not settled, or that expire has taken.
func (t *table) remove(e *entry) {
	delete(t.entries, e.id)
	t.count(e, -int64(len(e.reply)))
	if e.scope.keys--; e.scope.keys == 0 {
		delete(t.shares, e.scope.id)
	}
}

// expire forgets the settled entries whose time is up.
func (t *table) expire(now int64) {
	for len(t.settled) > 0 && t.settled[0].expires <= now {
		t.remove(heap.Pop(&t.settled).(*entry))
	}
}

// restore takes over what a journal says, in the order in which it says it.
func (t *table) restore(f *frame) {
	if old := t.entries[f.id]; old != nil {
		t.remove(old)
	}
	if f.kind == abandonedKind {
		return
	}
	e := t.add(f.id, f.scope, f.fingerprint, f.expires)
	e.state = interrupted
	if f.kind == finishedKind {
		e.state = finished
		t.setReply(e, f.reply)
	}
}

// restored ends a series of restore.
func (t *table) restored(now int64) {
	for _, e := range t.entries {
		t.settled = append(t.settled, e)
	}
	heap.Init(&t.settled)
	t.expire(now)
}

// expiry is a heap with the entry that expires next on top.
type expiry []*entry

func (h expiry) Len() int           { return len(h) }
func (h expiry) Less(i, j int) bool { return h[i].expires < h[j].expires }
func (h expiry) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *expiry) Push(e any)        { *h = append(*h, e.(*entry)) }
func (h *expiry) Pop() any {
	old := *h
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return e
}
