package spool

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/producer"
)

// Entry is a record in the spool.
type Entry struct {
	// Position is set by Next. Append and Write return it.
	Position Position
	Record   producer.Record
	// Kept is when the record was put into the spool. Append and Write take the
	// zero time for now.
	Kept time.Time
	// Reason says why a record is dead.
	Reason string
}

const (
	payloadVersion = 1
	minPayload     = 1 + 8 + 8 + 4 + 4 + 4 + 4 + 4 + 4 + 4
	isNull         = math.MaxUint32
)

// payloadSize is the length of an entry's payload, without overflow: what does not
// fit is reported as longer than any payload may be.
func payloadSize(e *Entry) int64 {
	size := int64(minPayload) + int64(len(e.Record.Topic)) + int64(len(e.Record.Key)) +
		int64(len(e.Record.Value)) + int64(len(e.Reason))
	for _, h := range e.Record.Headers {
		size += 8 + int64(len(h.Key)) + int64(len(h.Value))
	}
	return size
}

// appendPayload appends an entry's payload to dst.
func appendPayload(dst []byte, e *Entry) []byte {
	kept := e.Kept
	if kept.IsZero() {
		kept = time.Now()
	}
	r := &e.Record
	dst = append(dst, payloadVersion)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(kept.UnixNano()))
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
	return appendString(dst, e.Reason)
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
	if d.u8() != payloadVersion {
		return Entry{}, fmt.Errorf("%w: a payload of another version", ErrInvalid)
	}
	var e Entry
	e.Kept = time.Unix(0, int64(d.u64())).UTC()
	e.Record.Timestamp = d.time()
	e.Record.Partition = int32(d.u32())
	e.Record.Topic = string(d.bytes())
	e.Record.Key = d.nullable()
	e.Record.Value = d.nullable()
	// The number is not believed: the slice grows with the headers that are there.
	for n := d.u32(); n > 0 && !d.failed; n-- {
		e.Record.Headers = append(e.Record.Headers, producer.Header{Key: string(d.bytes()), Value: d.nullable()})
	}
	e.Reason = string(d.bytes())
	if d.failed || len(d.rest) > 0 {
		return Entry{}, fmt.Errorf("%w: a payload with wrong lengths", ErrInvalid)
	}
	return e, nil
}

// validPayload tells whether decodePayload would take b, and makes nothing of it.
func validPayload(b []byte) bool {
	d := decoder{rest: b}
	if d.u8() != payloadVersion {
		return false
	}
	d.take(8)
	d.time()
	d.take(4)
	d.bytes()
	d.nullable()
	d.nullable()
	for n := d.u32(); n > 0 && !d.failed; n-- {
		d.bytes()
		d.nullable()
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
