package spool

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

// UnitID identifies a unit wherever it is met. The zero value is none.
type UnitID [16]byte

// NewUnitID returns a random one.
func NewUnitID() (id UnitID) {
	_, _ = rand.Read(id[:]) // never fails
	return id
}

// IsZero reports whether it is none.
func (id UnitID) IsZero() bool { return id == UnitID{} }

// String returns 32 hexadecimal digits.
func (id UnitID) String() string { return hex.EncodeToString(id[:]) }

// ParseUnitID is the reverse of String.
func ParseUnitID(s string) (id UnitID, ok bool) {
	n, err := hex.Decode(id[:], []byte(s[:min(len(s), 2*len(id))]))
	return id, err == nil && n == len(id) && len(s) == 2*n
}

// Entry is a record in the spool, or a unit: one or several records that are sent in
// one transaction. A unit is kept, and done with, as a whole.
type Entry struct {
	// Position is set by Next. AppendAll and Write return it.
	Position Position
	// Unit is a unit's identity; zero: the entry is a record of its own.
	Unit   UnitID
	Record record.Record   // the record, or a unit's first
	Rest   []record.Record // of a unit, those that follow
	// Kept is when the entry was put into the spool. AppendAll and Write take the zero
	// time for now.
	Kept time.Time
	// First is where the entry was kept at first, if it was moved since: it became a dead
	// letter, or was replayed. Its receipt is what the client has.
	First Position
	// Reason says why an entry is dead.
	Reason string
	// Holder is whose room an entry takes, as long as the spool is open: one holder leaves
	// some to the others. It is comparable; nil: nobody's. It is not kept on disk.
	Holder any
}

// Records returns all of the entry's records.
func (e *Entry) Records() []record.Record {
	return append([]record.Record{e.Record}, e.Rest...)
}

// Letter returns the entry as a dead letter.
func (e *Entry) Letter(reason string) Entry {
	letter := e.Moved()
	letter.Reason = reason
	return letter
}

// Moved returns the entry as it is kept in another place.
func (e *Entry) Moved() Entry {
	moved := Entry{Unit: e.Unit, Record: e.Record, Rest: e.Rest, Kept: e.Kept, First: e.First}
	if moved.First.IsZero() {
		moved.First = e.Position
	}
	return moved
}

const (
	recordVersion = 1
	unitVersion   = 2
	movedVersion  = 2 // is added to the others
	firstSize     = 8 + 4 + 4
	minRecord     = 8 + 4 + 4 + 4 + 4 + 4 + 4
	minPayload    = 1 + 8 + minRecord + 4
	unitOverhead  = len(UnitID{}) + 4
	isNull        = math.MaxUint32
)

// payloadSize is the length of an entry's payload, without overflow: what does not
// fit is reported as longer than any payload may be.
func payloadSize(e *Entry) int64 {
	size := int64(minPayload-minRecord) + int64(len(e.Reason)) + recordSize(&e.Record)
	if !e.First.IsZero() {
		size += firstSize
	}
	if e.Unit.IsZero() {
		return size
	}
	for i := range e.Rest {
		size += recordSize(&e.Rest[i])
	}
	return size + int64(unitOverhead)
}

func recordSize(r *record.Record) int64 {
	size := int64(minRecord) + int64(len(r.Topic)) + int64(len(r.Key)) + int64(len(r.Value))
	for _, h := range r.Headers {
		size += 8 + int64(len(h.Key)) + int64(len(h.Value))
	}
	return size
}

func appendPayload(dst []byte, e *Entry) []byte {
	kept := e.Kept
	if kept.IsZero() {
		kept = time.Now()
	}
	version, unit := byte(recordVersion), !e.Unit.IsZero()
	if unit {
		version = unitVersion
	}
	if !e.First.IsZero() {
		version += movedVersion
	}
	dst = append(dst, version)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(kept.UnixNano()))
	if p := e.First; !p.IsZero() {
		dst = binary.LittleEndian.AppendUint64(dst, uint64(p.segment.time))
		dst = binary.LittleEndian.AppendUint32(dst, p.segment.salt)
		dst = binary.LittleEndian.AppendUint32(dst, p.index)
	}
	if unit {
		dst = append(dst, e.Unit[:]...)
		dst = binary.LittleEndian.AppendUint32(dst, uint32(1+len(e.Rest)))
	}
	dst = appendRecord(dst, &e.Record)
	if unit {
		for i := range e.Rest {
			dst = appendRecord(dst, &e.Rest[i])
		}
	}
	return appendString(dst, e.Reason)
}

func appendRecord(dst []byte, r *record.Record) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, uint64(r.Timestamp.Unix()))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(r.Timestamp.Nanosecond()))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(r.Partition))
	dst = appendString(dst, r.Topic)
	dst = appendNullable(dst, r.Key)
	dst = appendNullable(dst, r.Value)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(r.Headers)))
	for _, h := range r.Headers {
		dst = appendString(dst, h.Key)
		dst = appendNullable(dst, h.Value)
	}
	return dst
}

func appendString(dst []byte, s string) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(s)))
	return append(dst, s...)
}

func appendNullable(dst, b []byte) []byte {
	if b == nil {
		return binary.LittleEndian.AppendUint32(dst, isNull)
	}
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(b)))
	return append(dst, b...)
}

// decodePayload is the reverse of appendPayload, and strict: nothing may be missing
// or left. Key, Value and the headers' values are parts of b.
func decodePayload(b []byte) (Entry, error) {
	d := decoder{rest: b}
	var e Entry
	more, ok := d.beginning(&e)
	if !ok {
		return Entry{}, fmt.Errorf("%w: a payload of another version", ErrInvalid)
	}
	e.Record = d.record()
	// Numbers are not believed: slices grow with what is there.
	for ; more > 0 && !d.failed; more-- {
		e.Rest = append(e.Rest, d.record())
	}
	e.Reason = string(d.bytes())
	if d.failed || len(d.rest) > 0 {
		return Entry{}, fmt.Errorf("%w: a payload with wrong lengths", ErrInvalid)
	}
	return e, nil
}

// headOf reads what is at the front of a payload that decodePayload would take, and
// copies nothing.
func headOf(b []byte) (Head, error) {
	d := decoder{rest: b}
	h := Head{Size: len(b)}
	var e Entry
	if _, ok := d.beginning(&e); !ok {
		return Head{}, fmt.Errorf("%w: a payload of another version", ErrInvalid)
	}
	d.time()
	h.Partition = int32(d.u32())
	h.Topic = d.bytes()
	h.Key = d.nullable()
	if d.failed {
		return Head{}, fmt.Errorf("%w: a payload with wrong lengths", ErrInvalid)
	}
	return h, nil
}

// validPayload reports whether decodePayload would take b, and makes nothing of it.
func validPayload(b []byte) bool {
	d := decoder{rest: b}
	var e Entry
	more, ok := d.beginning(&e)
	if !ok {
		return false
	}
	d.skipRecord()
	for ; more > 0 && !d.failed; more-- {
		d.skipRecord()
	}
	d.bytes()
	return !d.failed && len(d.rest) == 0
}

// decoder reads numbers and bytes, and remembers when there were too few.
type decoder struct {
	rest   []byte
	failed bool
}

// take returns the next n bytes, nil when there are fewer.
func (d *decoder) take(n uint32) []byte {
	if d.failed || uint64(n) > uint64(len(d.rest)) {
		d.failed = true
		return nil
	}
	b := d.rest[:n:n]
	d.rest = d.rest[n:]
	return b
}

// beginning reads what is before an entry's first record, and returns how many follow
// that one; false: it is of no known version.
func (d *decoder) beginning(e *Entry) (more uint32, ok bool) {
	version := d.u8()
	e.Kept = time.Unix(0, int64(d.u64())).UTC()
	if version == recordVersion+movedVersion || version == unitVersion+movedVersion {
		e.First = d.position()
		version -= movedVersion
	}
	switch version {
	case recordVersion:
		return 0, true
	case unitVersion:
		e.Unit, more = d.unit()
		return more, true
	}
	return 0, false
}

// position reads one that a receipt can name.
func (d *decoder) position() (p Position) {
	p.segment = segmentID{int64(d.u64()), d.u32()}
	p.index = d.u32()
	if p.segment.time < 0 || p.segment == (segmentID{}) {
		d.failed = true
	}
	return p
}

func (d *decoder) u8() uint8 {
	if b := d.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (d *decoder) u32() uint32 {
	if b := d.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (d *decoder) u64() uint64 {
	if b := d.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (d *decoder) bytes() []byte { return d.take(d.u32()) }

// nullable tells null from empty, which take does not: an empty slice of an empty
// rest is not nil either.
func (d *decoder) nullable() []byte {
	n := d.u32()
	if n == isNull {
		return nil
	}
	return d.take(n)
}

func (d *decoder) time() time.Time {
	seconds, nanoseconds := int64(d.u64()), d.u32()
	if nanoseconds >= uint32(time.Second) {
		d.failed = true
	}
	t := time.Unix(seconds, int64(nanoseconds)).UTC()
	if t.IsZero() {
		return time.Time{}
	}
	return t
}

// unit reads a unit's identity, which is not zero, and how many records follow its
// first.
func (d *decoder) unit() (id UnitID, more uint32) {
	copy(id[:], d.take(uint32(len(id))))
	n := d.u32()
	if id.IsZero() || n == 0 {
		d.failed = true
		return id, 0
	}
	return id, n - 1
}

func (d *decoder) record() (r record.Record) {
	r.Timestamp = d.time()
	r.Partition = int32(d.u32())
	r.Topic = string(d.bytes())
	r.Key = d.nullable()
	r.Value = d.nullable()
	for n := d.u32(); n > 0 && !d.failed; n-- {
		r.Headers = append(r.Headers, record.Header{Key: string(d.bytes()), Value: d.nullable()})
	}
	return r
}

func (d *decoder) skipRecord() {
	d.time()
	d.take(4)
	d.bytes()
	d.nullable()
	d.nullable()
	for n := d.u32(); n > 0 && !d.failed; n-- {
		d.bytes()
		d.nullable()
	}
}
