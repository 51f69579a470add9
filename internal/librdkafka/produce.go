package librdkafka

/*
#cgo noescape ku_produce
#cgo nocallback ku_produce
#include "binding.h"
*/
import "C"

import (
	"encoding/binary"
	"slices"
	"sync"
	"unsafe"

	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

// Message is what Produce takes.
type Message struct {
	Topic     *Topic
	Partition int32 // -1: by the partitioner
	// Key and Value: nil is null, which is not the same as empty.
	Key, Value []byte
	Headers    []record.Header
	Timestamp  int64 // ms since 1970; 0: now
	// Opaque comes back in the report. A pointer costs no allocation.
	Opaque any
}

// Produce queues a copy of the message. An error is *Error or ErrClosed, and means that
// there will be no report.
func (p *Producer) Produce(m *Message) error {
	var packed []byte
	if len(m.Headers) > 0 {
		packed = pack(m.Headers)
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.shut {
		return ErrClosed
	}
	slot := p.slots.put(m.Opaque)
	code := C.ku_produce(p.rk, m.Topic.rkt, C.int32_t(m.Partition), unsafe.Pointer(unsafe.SliceData(m.Key)), length(m.Key),
		unsafe.Pointer(unsafe.SliceData(m.Value)), length(m.Value), C.int64_t(m.Timestamp),
		unsafe.Pointer(unsafe.SliceData(packed)), C.size_t(len(packed)), C.size_t(len(m.Headers)), C.uintptr_t(slot))
	if code == 0 {
		return nil
	}
	p.slots.take(slot)
	return codeError(code)
}

// length is -1 for null.
func length(b []byte) C.ssize_t {
	if b == nil {
		return -1
	}
	return C.ssize_t(len(b))
}

// pack puts headers into one piece of memory, since C must not be given memory that
// points to other memory of Go's. ku_headers reads it.
func pack(headers []record.Header) []byte {
	size := 0
	for i := range headers {
		size += 8 + len(headers[i].Key) + len(headers[i].Value)
	}
	b := make([]byte, 0, size)
	for i := range headers {
		h := &headers[i]
		valueLen := int32(-1)
		if h.Value != nil {
			valueLen = int32(len(h.Value))
		}
		b = binary.NativeEndian.AppendUint32(b, uint32(len(h.Key)))
		b = binary.NativeEndian.AppendUint32(b, uint32(valueLen))
		b = append(append(b, h.Key...), h.Value...)
	}
	return b
}

// slots keep what Opaque points to while librdkafka has the record: C may not keep a
// pointer of Go's.
type slots struct {
	mu   sync.Mutex
	used []any
	free []uintptr
}

// put returns the number of the slot, from 1 on.
func (s *slots) put(v any) uintptr {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.free); n > 0 {
		slot := s.free[n-1]
		s.free = s.free[:n-1]
		s.used[slot-1] = v
		return slot
	}
	s.used = append(s.used, v)
	return uintptr(len(s.used))
}

func (s *slots) take(slot uintptr) any {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.used[slot-1]
	s.used[slot-1] = nil
	s.free = append(s.free, slot)
	return v
}

func (s *slots) all() []any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.used), func(v any) bool { return v == nil })
}
