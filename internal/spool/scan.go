package spool

import (
	"bytes"
	"errors"
	"hash/crc32"
	"io"
)

const (
	firstWindow = 16 << 10
	maxWindow   = 256 << 10
)

// scanner walks over the records of one segment, from off to end. It keeps a window
// of the file and, of what does not fit into that, one record.
type scanner struct {
	r      io.ReaderAt
	marker marker
	off    int64 // the next byte to look at
	end    int64
	last   int64 // the index of the record before off; -1: none

	window []byte // what is at windowOff
	memory []byte // what window is a part of
	start  int64
	large  []byte
	// patience is how many bytes may still be summed in vain. Lengths in a damaged
	// segment could otherwise make each byte be read many times.
	patience int64
}

// found is a record, or a gap: bytes that are no record, before the next one or up
// to the end.
type found struct {
	gap     bool
	tail    bool  // a gap after which nothing follows
	off     int64 // of the record or gap
	size    int64
	missing int64 // records that are missing in a gap by their index; at the tail not known
	header
	payload []byte // without its mask; good until the next call
}

// scan points s at a segment, or at a part of it that begins with a record or a gap
// after the record with the index last.
func (s *scanner) scan(r io.ReaderAt, m marker, off, end, last int64) {
	*s = scanner{r: r, marker: m, off: off, end: end, last: last, memory: s.memory, large: s.large,
		patience: 8*(end-off) + maxWindow}
}

// next returns what comes next, and io.EOF at the end.
func (s *scanner) next() (found, error) {
	if s.off >= s.end {
		return found{}, io.EOF
	}
	f, ok, err := s.record(s.off, 0)
	if err != nil {
		return found{}, err
	}
	if ok {
		s.off += f.size
		s.last = int64(f.index)
		return f, nil
	}
	return s.resync()
}

// resync returns the gap at off. It stays before the record behind the gap, so that
// the following call returns that.
func (s *scanner) resync() (found, error) {
	begin := s.off
	for at := begin + 1; ; at++ {
		var err error
		if at, err = s.find(at); err != nil {
			return found{}, err
		}
		if at < 0 || s.patience < 0 {
			s.off = s.end
			return found{gap: true, tail: true, off: begin, size: s.end - begin}, nil
		}
		f, ok, err := s.record(at, at-begin)
		if err != nil {
			return found{}, err
		}
		if ok {
			missing := int64(f.index) - s.last - 1
			s.off, s.last = at, int64(f.index)-1
			return found{gap: true, off: begin, size: at - begin, missing: missing}, nil
		}
	}
}

// find returns the offset of the first marker at or after off, -1 when there is none.
func (s *scanner) find(off int64) (int64, error) {
	for off+headerSize <= s.end {
		b, err := s.ahead(off)
		if err != nil {
			return 0, err
		}
		if i := bytes.Index(b, s.marker[:]); i >= 0 {
			return off + int64(i), nil
		}
		off += int64(len(b) - len(s.marker) + 1)
	}
	return -1, nil
}

// ahead returns what the window holds from an offset on, at least headerSize bytes.
// It is not refilled before it is used up: there may be a marker every few bytes.
func (s *scanner) ahead(off int64) ([]byte, error) {
	if n := s.start + int64(len(s.window)) - off; off >= s.start && n >= headerSize {
		return s.view(off, n)
	}
	return s.view(off, min(maxWindow, s.end-off))
}

// record reads the record at an offset. It returns false when there is none, or one
// whose index cannot be: without damage before it, it is the one after the last;
// behind skipped bytes, as many may be missing as fit into them.
func (s *scanner) record(off, skipped int64) (found, bool, error) {
	if s.end-off < headerSize {
		return found{}, false, nil
	}
	b, err := s.view(off, headerSize)
	if err != nil {
		return found{}, false, err
	}
	h, ok := s.marker.parseHeader(b)
	first := s.last + 1
	if !ok || int64(h.length) > s.end-off-headerSize ||
		int64(h.index) < first || int64(h.index) > first+skipped/minFrame {
		return found{}, false, nil
	}
	sum := crc32.Checksum(b[:summedSize], castagnoli)
	payload, err := s.payload(off+headerSize, int64(h.length), sum, h.crc)
	if err != nil {
		return found{}, false, err
	}
	if payload != nil && h.mask != 0 {
		s.large = append(s.large[:0], payload...)
		payload = s.large
		xor(payload, h.mask)
	}
	if payload == nil || !validPayload(payload) {
		s.patience -= int64(h.length)
		return found{}, false, nil
	}
	return found{off: off, size: headerSize + int64(h.length), header: h, payload: payload}, true, nil
}

// payload returns the bytes at an offset, nil when their sum is not the one wanted.
// It makes room for a payload that is larger than the window only once that is known
// to be there.
func (s *scanner) payload(off, length int64, sum, want uint32) ([]byte, error) {
	if length+headerSize <= maxWindow {
		b, err := s.view(off, length)
		if err != nil || crc32.Update(sum, castagnoli, b) != want {
			return nil, err
		}
		return b, nil
	}
	for at := off; at < off+length; at += maxWindow {
		b, err := s.view(at, min(maxWindow, off+length-at))
		if err != nil {
			return nil, err
		}
		sum = crc32.Update(sum, castagnoli, b)
	}
	if sum != want {
		return nil, nil
	}
	if int64(cap(s.large)) < length {
		s.large = make([]byte, length)
	}
	s.large = s.large[:length]
	return s.large, readFull(s.r, s.large, off)
}

// view returns n bytes at an offset, at most maxWindow, good until the next call. It
// reads ahead, further each time, since most often the whole segment is read.
func (s *scanner) view(off, n int64) ([]byte, error) {
	if off < s.start || off+n > s.start+int64(len(s.window)) {
		size := min(max(n, 2*int64(len(s.window)), firstWindow), maxWindow, s.end-off)
		if int64(cap(s.memory)) < size {
			s.memory = make([]byte, size)
		}
		s.window, s.start = s.memory[:size], off
		if err := readFull(s.r, s.window, off); err != nil {
			s.window = nil
			return nil, err
		}
	}
	i := off - s.start
	return s.window[i : i+n], nil
}

// forget gives up what a large record needed.
func (s *scanner) forget() {
	s.r, s.window = nil, nil
	if cap(s.large) > maxWindow {
		s.large = nil
	}
}

// readFull reads exactly len(b) bytes. A file that is shorter than it was is an
// error like any other, and not the end.
func readFull(r io.ReaderAt, b []byte, off int64) error {
	n, err := r.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
