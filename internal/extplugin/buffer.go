package extplugin

import (
	"math/bits"
	"sync"
)

const (
	// smallBuffer is what a session starts with, in bytes: a call with its headers.
	smallBuffer = 4 << 10
	// keptBuffer is the largest buffer a session keeps while it is idle.
	keptBuffer = 64 << 10
	// pooledBuffer is the largest buffer that is kept for reuse at all; a larger
	// one goes to the garbage collector when its call ends.
	pooledBuffer = 1 << 20
)

var bufferPools [21]sync.Pool // by the power of two, up to pooledBuffer

// bufferSize returns how large a buffer getBuffer gives for n bytes.
func bufferSize(n int) int {
	if n > pooledBuffer {
		return n
	}
	return 1 << bits.Len(uint(max(n, smallBuffer)-1))
}

// getBuffer returns a buffer of at least n bytes, its length being its capacity.
func getBuffer(n int) []byte {
	size := bufferSize(n)
	if size > pooledBuffer {
		return make([]byte, size)
	}
	if p, ok := bufferPools[bits.Len(uint(size-1))].Get().(*[]byte); ok {
		return *p
	}
	return make([]byte, size)
}

func putBuffer(b []byte) {
	if c := cap(b); c >= smallBuffer && c <= pooledBuffer && c&(c-1) == 0 {
		b = b[:c]
		bufferPools[bits.Len(uint(c-1))].Put(&b)
	}
}

// inbox collects the bytes that come in on a connection. Frames stay where they
// were read until release; growing moves only what is not yet consumed, so a
// frame handed out before stays valid.
//
// A buffer larger than keptBuffer is not read into beyond the frame that is wanted, so
// that it can be dropped when the call ends.
type inbox struct {
	buf  []byte
	r, w int // unread bytes are buf[r:w]
	end  int // bytes may be read into buf[w:end]
	// old buffers that frames of the present call still point into
	old [][]byte
}

// growth returns the size of the buffer that room would make for n bytes, 0 when the
// present one has room.
func (in *inbox) growth(n int) int {
	if len(in.buf)-in.r >= n {
		return 0
	}
	return bufferSize(n)
}

// room makes space for n unread bytes from r on.
func (in *inbox) room(n int) {
	if in.growth(n) > 0 {
		grown := getBuffer(n)
		copy(grown, in.buf[in.r:in.w])
		if in.buf != nil {
			in.old = append(in.old, in.buf)
		}
		in.buf, in.w, in.r = grown, in.w-in.r, 0
	}
	in.end = len(in.buf)
	if in.end > keptBuffer {
		in.end = in.r + n
	}
}

// release forgets all consumed frames. Unread bytes stay. It reports whether memory
// was left to the garbage collector that is worth a collection of its own.
func (in *inbox) release() (garbage bool) {
	garbage = len(in.buf) > pooledBuffer
	for i, b := range in.old {
		garbage = garbage || len(b) > pooledBuffer
		putBuffer(b)
		in.old[i] = nil
	}
	in.old = in.old[:0]
	unread := in.buf[in.r:in.w]
	if len(in.buf) > keptBuffer {
		small := getBuffer(len(unread)) // at most keptBuffer: see inbox
		copy(small, unread)
		putBuffer(in.buf)
		in.buf = small
	} else {
		copy(in.buf, unread)
	}
	in.r, in.w = 0, len(unread)
	return garbage
}
