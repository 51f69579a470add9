package ledger

import (
	"bytes"
	"cmp"
	"slices"
	"sort"
)

// Place is where a record lies, and which life of which producer wrote it.
type Place struct {
	Partition int32
	Epoch     int16
	keyless   bool
	there     bool
	Offset    int64
	Producer  int64 // -1: not known, or not idempotent
}

func (p Place) before(q Place) int {
	return cmp.Or(cmp.Compare(p.Partition, q.Partition), cmp.Compare(p.Offset, q.Offset))
}

// Record is a record of the topic.
type Record struct {
	Place
	Key, Value []byte // a nil key is Kafka's null
}

// copied is one more copy of the record of an entry.
type copied struct {
	entry int32
	place Place
}

// Settlement finds the records of a ledger in a topic, of which it is shown one record
// after another, each once, in any order.
type Settlement struct {
	run     Run
	exact   bool
	entries []Entry
	index   [][]int32 // by key and number: the entry, counted from 1; 0: none
	first   []Place   // by entry, the first of its places
	copies  []copied  // all others
	absent  int       // entries whose record has not been shown
	missing int       // of those, the promised ones

	foreign, altered, wrapped int
}

// NewSettlement begins to settle the entries of a run. Where exact is set, a record is
// known only if it lies there byte for byte, under its key; else also where a gateway has
// written its JSON in another way, or put it into something else.
func NewSettlement(run Run, entries []Entry, exact bool) *Settlement {
	s := &Settlement{run: run, exact: exact, entries: entries, first: make([]Place, len(entries)), absent: len(entries)}
	for i := range entries {
		e := &entries[i]
		s.index = grown(s.index, int(e.Key))
		s.index[e.Key] = grown(s.index[e.Key], int(e.Number))
		s.index[e.Key][e.Number] = int32(i + 1)
		if e.Outcome().Promised() {
			s.missing++
		}
	}
	return s
}

// grown is the slice, long enough to have an element i.
func grown[T any](s []T, i int) []T {
	if i < len(s) {
		return s
	}
	return append(s, make([]T, i+1-len(s))...)
}

// find is the number of an entry, -1: nobody has sent it.
func (s *Settlement) find(i ID) int {
	if i.Key < 0 || int(i.Key) >= len(s.index) || i.Number < 0 || int(i.Number) >= len(s.index[i.Key]) {
		return -1
	}
	return int(s.index[i.Key][i.Number]) - 1
}

// Missing is how many promised records have not been shown yet.
func (s *Settlement) Missing() int { return s.missing }

// Absent is how many records of any kind have not been shown yet.
func (s *Settlement) Absent() int { return s.absent }

// Read looks at a record of the topic.
func (s *Settlement) Read(r Record) {
	r.there, r.keyless = true, r.Key == nil
	if !bytes.Contains(r.Value, []byte(s.run)) {
		s.foreign++
		return
	}
	if n := s.sent(&r); n >= 0 {
		s.enter(n, r.Place)
		return
	}
	if s.exact {
		s.altered++
		return
	}
	s.unwrap(&r)
}

// sent is the entry of a record that lies there byte for byte, -1: it is none.
func (s *Settlement) sent(r *Record) int {
	i, _ := s.run.ReadID(r.Value)
	n := s.find(i)
	if n < 0 || !bytes.Equal(r.Value, s.run.Value(i, s.entries[n].Content)) {
		return -1
	}
	if keyless := s.entries[n].Keyless; s.exact && (keyless != (r.Key == nil) || !keyless && string(r.Key) != KeyText(i.Key)) {
		return -1
	}
	return n
}

// unwrap looks for records of the run in a value that is none. One that is in it several
// times is there once.
func (s *Settlement) unwrap(r *Record) {
	found := s.run.within(r.Value)
	if len(found) == 0 {
		s.altered++
	}
	var seen []int
	for _, sight := range found {
		n := s.find(sight.ID)
		switch {
		case n < 0 || sight.padding != string(appendPadding(nil, sight.ID, s.entries[n].Size)):
			s.altered++
		case !slices.Contains(seen, n):
			seen = append(seen, n)
			if !sight.alone {
				s.wrapped++
			}
			s.enter(n, r.Place)
		}
	}
}

// enter notes that an entry's record is at a place.
func (s *Settlement) enter(n int, at Place) {
	first := &s.first[n]
	if !first.there {
		*first = at
		s.absent--
		if s.entries[n].Outcome().Promised() {
			s.missing--
		}
		return
	}
	if at.before(*first) < 0 {
		*first, at = at, *first
	}
	s.copies = append(s.copies, copied{int32(n), at})
}

// sort readies the settlement for places.
func (s *Settlement) sort() {
	slices.SortFunc(s.copies, func(a, b copied) int { return cmp.Or(cmp.Compare(a.entry, b.entry), a.place.before(b.place)) })
}

// places are all places of an entry's record, in order; nil: it is not there.
func (s *Settlement) places(n int) []Place {
	if !s.first[n].there {
		return nil
	}
	places := s.first[n : n+1 : n+1]
	from := sort.Search(len(s.copies), func(i int) bool { return s.copies[i].entry >= int32(n) })
	for _, c := range s.copies[from:] {
		if c.entry != int32(n) {
			break
		}
		places = append(places, c.place)
	}
	return places
}
