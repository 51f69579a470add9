package spool

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// Position is the place of a record in its stream. The zero Position is before
// every record. Positions from AppendAll, Write and Next can be compared with ==.
type Position struct {
	segment segmentID
	index   uint32
	at      int64 // the record's offset in the segment, plus one; 0: not known
}

// Compare returns -1, 0 or 1 as p is before q, the same, or after it.
func (p Position) Compare(q Position) int {
	return cmp.Or(p.segment.compare(q.segment), cmp.Compare(p.index, q.index))
}

// Before reports whether p is before q in the stream's order.
func (p Position) Before(q Position) bool { return p.Compare(q) < 0 }

// Cursor is a place before or after a record. The zero Cursor is before every record.
type Cursor struct {
	position Position
	before   bool
}

// After is the place behind a record; the zero Position is before every record.
func After(p Position) Cursor { return Cursor{p, false} }

// Before is the place in front of a record.
func Before(p Position) Cursor { return Cursor{p, true} }

// Before reports whether c is in front of d.
func (c Cursor) Before(d Cursor) bool {
	if order := c.position.Compare(d.position); order != 0 {
		return order < 0
	}
	return c.before && !d.before
}

// IsZero reports whether p is no record's position.
func (p Position) IsZero() bool { return p == Position{} }

// Receipt returns "<segment>-<index>", which names this record and never another.
func (p Position) Receipt() string {
	return p.segment.String() + "-" + strconv.FormatUint(uint64(p.index), 10)
}

// ParseReceipt returns the position that a receipt names. It is equal by Compare to
// the record's, but not by ==, and to resolve it takes a read of the segment. The
// error is ErrInvalid.
func ParseReceipt(receipt string) (Position, error) {
	if cut := strings.LastIndexByte(receipt, '-'); cut > 0 {
		id, ok := parseSegmentID(receipt[:cut])
		index, err := strconv.ParseUint(receipt[cut+1:], 10, 32)
		p := Position{segment: id, index: uint32(index)}
		if ok && err == nil && p.Receipt() == receipt {
			return p, nil
		}
	}
	return Position{}, fmt.Errorf("%w receipt", ErrInvalid)
}
