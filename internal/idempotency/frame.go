package idempotency

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
)

// The kinds of frames. The old ones have another kind of fingerprint.
const (
	oldBegunKind    = 1
	oldFinishedKind = 2
	abandonedKind   = 3
	begunKind       = 4
	finishedKind    = 5
)

const (
	headerBytes  = 16
	fixedBytes   = 1 + 32 + 16 + 32 + 8 // of a frame's payload, before the reply
	frameBytes   = headerBytes + fixedBytes
	maxFrame     = frameBytes + MaxReply
	markerBytes  = 8
	checkedBytes = 12 // of a frame's header
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// frame is one entry of a journal.
type frame struct {
	kind        uint8
	id          keyID
	holder      holderID
	fingerprint [32]byte
	expires     int64 // Unix nanoseconds
	reply       []byte
}

// appendFrame encodes a frame under the marker of a journal.
func appendFrame(b []byte, marker uint64, f *frame) []byte {
	at := len(b)
	b = binary.BigEndian.AppendUint64(b, marker)
	b = binary.LittleEndian.AppendUint32(b, uint32(fixedBytes+len(f.reply)))
	b = append(b, 0, 0, 0, 0)
	b = append(b, f.kind)
	b = append(b, f.id[:]...)
	b = append(b, f.holder[:]...)
	b = append(b, f.fingerprint[:]...)
	b = binary.LittleEndian.AppendUint64(b, uint64(f.expires))
	b = append(b, f.reply...)
	binary.LittleEndian.PutUint32(b[at+checkedBytes:], checksum(b[at:]))
	return b
}

func checksum(f []byte) uint32 {
	return crc32.Update(crc32.Checksum(f[:checkedBytes], castagnoli), castagnoli, f[headerBytes:])
}

// payload decodes a whole frame's. The reply is a part of b.
func payload(b []byte) frame {
	b = b[headerBytes:]
	f := frame{kind: b[0], expires: int64(binary.LittleEndian.Uint64(b[81:]))}
	copy(f.id[:], b[1:])
	copy(f.holder[:], b[33:])
	copy(f.fingerprint[:], b[49:])
	f.reply = b[fixedBytes:]
	return f
}

// damage is what a journal has besides frames, in bytes.
type damage struct {
	skipped int64 // before a good frame
	torn    int64 // behind the last one
}

// scan calls f for each good frame of a journal; the frame is valid for the call only.
// Its memory does not depend on the journal, and its time on the length only: another
// marker than that of a frame is not in a journal, but by damage.
func scan(r io.Reader, marker uint64, f func(*frame)) (damage, error) {
	var d damage
	var mark [markerBytes]byte
	binary.BigEndian.PutUint64(mark[:], marker)
	in := bufio.NewReaderSize(r, 2*maxFrame)
	for {
		whole, err := nextFrame(in, mark[:])
		if err != nil {
			return d, err
		}
		if whole != nil {
			d.skipped += d.torn
			d.torn = 0
			found := payload(whole)
			f(&found)
			_, _ = in.Discard(len(whole)) // which Peek has read
			continue
		}
		n, err := skip(in, mark[:])
		d.torn += int64(n)
		if err != nil || n == 0 {
			return d, err
		}
	}
}

// nextFrame returns the frame that begins here, nil when none does.
func nextFrame(in *bufio.Reader, mark []byte) ([]byte, error) {
	head, err := peek(in, headerBytes)
	if err != nil || len(head) < headerBytes || !bytes.HasPrefix(head, mark) {
		return nil, err
	}
	length := int64(binary.LittleEndian.Uint32(head[markerBytes:]))
	if length < fixedBytes || length > fixedBytes+MaxReply {
		return nil, nil
	}
	whole, err := peek(in, headerBytes+int(length))
	if err != nil || len(whole) < headerBytes+int(length) ||
		binary.LittleEndian.Uint32(whole[checkedBytes:]) != checksum(whole) {
		return nil, err
	}
	if kind := whole[headerBytes]; kind < oldBegunKind || kind > finishedKind {
		return nil, nil
	}
	return whole, nil
}

// skip goes at least one byte on, up to where the next frame may begin, and returns how
// many bytes that were; 0 at the end.
func skip(in *bufio.Reader, mark []byte) (int, error) {
	b, err := peek(in, maxFrame)
	if err != nil || len(b) == 0 {
		return 0, err
	}
	n := len(b)
	if at := bytes.Index(b[1:], mark); at >= 0 {
		n = 1 + at
	} else if len(b) == maxFrame {
		n = len(b) - markerBytes + 1 // a marker may begin in the last bytes
	}
	return in.Discard(n)
}

// peek returns fewer bytes at the end, and no error for that.
func peek(in *bufio.Reader, n int) ([]byte, error) {
	b, err := in.Peek(n)
	if err == io.EOF {
		err = nil
	}
	return b, err
}
