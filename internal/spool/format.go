package spool

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
)

const (
	headerSize  = 28
	summedSize  = 20 // the part of the header that is under the checksum
	crcOffset   = 20
	stateOffset = 24
	maskOffset  = 16
	maxPayload  = 1 << 30
	// minFrame is the size of the smallest record there can be.
	minFrame = headerSize + minPayload
)

// State says what became of a record.
type State uint32

// The states of a record; doc.go says how they were chosen.
const (
	Pending  State = 0
	Acked    State = 'A' | 'C'<<8 | 'K'<<16 | 'D'<<24
	Dropped  State = 'D' | 'R'<<8 | 'O'<<16 | 'P'<<24
	Dead     State = 'D' | 'E'<<8 | 'A'<<16 | 'D'<<24
	Replayed State = 'R' | 'P'<<8 | 'L'<<16 | 'Y'<<24
)

// resolved reports whether nothing remains to be done. An unknown state is pending.
func (s State) resolved() bool {
	return s == Acked || s == Dropped || s == Dead || s == Replayed
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var streamID = regexp.MustCompile(`^[a-z0-9-]{1,64}$`)

// segmentID is a segment's name. Its order is that of the names.
type segmentID struct {
	time int64 // nanoseconds since 1970
	salt uint32
}

func (id segmentID) String() string { return fmt.Sprintf("%016x-%08x", id.time, id.salt) }

func (id segmentID) compare(other segmentID) int {
	return cmp.Or(cmp.Compare(id.time, other.time), cmp.Compare(id.salt, other.salt))
}

const segmentSuffix = ".seg"

// parseSegmentID is the reverse of String, and takes nothing that String does not make.
func parseSegmentID(s string) (segmentID, bool) {
	if len(s) != 25 || s[16] != '-' || strings.ToLower(s) != s {
		return segmentID{}, false
	}
	time, err := strconv.ParseUint(s[:16], 16, 63)
	salt, saltErr := strconv.ParseUint(s[17:], 16, 32)
	id := segmentID{int64(time), uint32(salt)}
	return id, err == nil && saltErr == nil && id != segmentID{}
}

func parseSegmentFile(name string) (segmentID, bool) {
	s, ok := strings.CutSuffix(name, segmentSuffix)
	if !ok {
		return segmentID{}, false
	}
	return parseSegmentID(s)
}

// marker begins each record of one segment.
type marker [8]byte

func (id segmentID) marker() marker {
	sum := sha256.Sum256([]byte("kafkaupstream segment " + id.String()))
	m := marker{0xff}
	for i := 1; i < len(m); i++ {
		m[i] = sum[i]&^1 | 0x80
	}
	return m
}

// header is what precedes a payload.
type header struct {
	length, index, mask, crc uint32
	state                    State
}

// parseHeader reads a header from headerSize bytes. It checks the marker and that
// the length is possible, not the checksum.
func (m marker) parseHeader(b []byte) (header, bool) {
	h := header{
		length: binary.LittleEndian.Uint32(b[8:]),
		index:  binary.LittleEndian.Uint32(b[12:]),
		mask:   binary.LittleEndian.Uint32(b[maskOffset:]),
		crc:    binary.LittleEndian.Uint32(b[crcOffset:]),
		state:  State(binary.LittleEndian.Uint32(b[stateOffset:])),
	}
	return h, bytes.Equal(b[:len(m)], m[:]) && h.length >= minPayload && h.length <= maxPayload
}

// appendFrame appends a pending record to dst.
func (m marker) appendFrame(dst []byte, index uint32, payload []byte) []byte {
	start := len(dst)
	dst = append(dst, m[:]...)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(payload)))
	dst = binary.LittleEndian.AppendUint32(dst, index)
	dst = append(dst, make([]byte, headerSize-maskOffset)...)
	dst = append(dst, payload...)
	frame := dst[start:]
	sum(frame)
	for mask := uint32(0); bytes.Contains(frame[1:], m[:]); {
		xor(frame[headerSize:], mask)
		mask = rand.Uint32()
		xor(frame[headerSize:], mask)
		binary.LittleEndian.PutUint32(frame[maskOffset:], mask)
		sum(frame)
	}
	return dst
}

// sum puts the checksum into a frame.
func sum(frame []byte) {
	crc := crc32.Update(crc32.Checksum(frame[:summedSize], castagnoli), castagnoli, frame[headerSize:])
	binary.LittleEndian.PutUint32(frame[crcOffset:], crc)
}

// xor applies a mask to a payload, or takes it off.
func xor(payload []byte, mask uint32) {
	if mask == 0 {
		return
	}
	var m [4]byte
	binary.LittleEndian.PutUint32(m[:], mask)
	for i := range payload {
		payload[i] ^= m[i&3]
	}
}
