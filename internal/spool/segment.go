package spool

import "slices"

// maxGaps bounds what is remembered of a segment's damage; gaps beyond it are one.
const maxGaps = 64

// gap is damage in a segment.
type gap struct {
	off, size, missing int64
	aside              bool // copied to corrupt/
}

// segment is what is known of a segment file.
type segment struct {
	id     segmentID
	marker marker

	// Guarded by catalog.mu.
	size    int64 // of the records that are durable; what is behind does not count
	charge  charge
	records int64
	pending int64
	sealed  bool // nothing is appended any more
	passed  bool // it cannot be read; its pending records are none of the stream's meanwhile

	// Guarded by reader.mu.
	f        file // nil: not open
	readOnly bool
	gaps     []gap
	// hint is the end of the records at the front that are all resolved, and the
	// index of the last of them, -1 for none.
	hint      int64
	hintIndex int64
	// unwritten are records whose state could not be written.
	unwritten map[Position]mark
	broken    bool // the gaps are out of date
}

// mark is a state that could not be written.
type mark struct {
	state State
	// counted: the record is none of the pending ones any more. It is one of them for as long as it cannot be read,
	// since it may have been resolved before: to count it twice would delete a segment with another pending record.
	counted bool
}

func newSegment(id segmentID) *segment { return &segment{id: id, marker: id.marker(), hintIndex: -1} }

// addGap remembers damage. It is linear in hostile files too, since gaps come in
// their order.
func (seg *segment) addGap(g gap) {
	if len(seg.gaps) < maxGaps {
		seg.gaps = append(seg.gaps, g)
		return
	}
	last := &seg.gaps[maxGaps-1]
	last.size = g.off + g.size - last.off
	last.missing += g.missing
}

// knowsGap reports whether an offset is in a gap that was seen before.
func (seg *segment) knowsGap(off int64) bool {
	return slices.ContainsFunc(seg.gaps, func(g gap) bool { return off >= g.off && off < g.off+g.size })
}

// segments is a stream's, in order.
type segments []*segment

// at returns the index of the first segment at or after id.
func (s segments) at(id segmentID) int {
	i, _ := slices.BinarySearchFunc(s, id, func(seg *segment, id segmentID) int { return seg.id.compare(id) })
	return i
}

func (s segments) get(id segmentID) *segment {
	if i := s.at(id); i < len(s) && s[i].id == id {
		return s[i]
	}
	return nil
}

func (s *segments) insert(seg *segment) {
	*s = slices.Insert(*s, s.at(seg.id), seg)
}

func (s *segments) remove(id segmentID) {
	*s = slices.DeleteFunc(*s, func(seg *segment) bool { return seg.id == id })
}
