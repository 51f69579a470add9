package librdkafka

/*
#include "binding.h"
*/
import "C"

import (
	"github.com/kafkaupstream/kafkaupstream/internal/record"

	"os"
	"syscall"
	"unsafe"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// Status is what librdkafka knows of a record that it reports
// (rd_kafka_message_status). It keeps the most that was ever possible over all attempts:
// a record once possibly written is never said to be not written because a later attempt
// was refused.
type Status int32

const (
	NotPersisted      Status = iota // no broker has it, or ever will
	PossiblyPersisted               // sent, and nobody knows; or acks=0
	Persisted                       // acknowledged
)

// Report is what became of a record.
type Report struct {
	Opaque any
	// Code is kafka.ErrNoError for a record that was delivered.
	Code      Code
	Status    Status
	Partition int32
	Broker    int32 // that answered last; -1: none
	Offset    int64
	// Timestamp is the one that Kafka has stored, in ms since 1970: the record's own, or
	// the broker's where the topic's message.timestamp.type is LogAppendTime. It is -1 where
	// Code is an error: librdkafka then does not say what the record's was.
	Timestamp int64

	message *C.rd_kafka_message_t // nil: librdkafka has dropped it
}

// Implied reports whether no broker has acknowledged the record itself: librdkafka says
// that it was delivered since a later one of its partition was (rd_kafka_dr_implicit_ack).
func (r *Report) Implied() bool {
	return r.Code == kafka.ErrNoError && r.Status == Persisted && r.Offset < 0
}

// Reason is the code as a text. The broker's own text is not to be had: librdkafka 2.15
// frees it before it hands over the report that points to it
// (rd_kafka_message_produce_errstr), and rd_kafka_message_errstr takes the record's value
// for it.
func (r *Report) Reason() string {
	return C.GoString(C.rd_kafka_err2str(C.rd_kafka_resp_err_t(r.Code)))
}

// Content returns copies of the record's key, value and headers; nothing where the code is kafka.ErrDestroy.
func (r *Report) Content() (key, value []byte, headers []record.Header) {
	m := r.message
	if m == nil {
		return nil, nil, nil
	}
	return copyOf(m.key, m.key_len), copyOf(m.payload, m.len), headersOf(m)
}

func copyOf(p unsafe.Pointer, n C.size_t) []byte {
	if p == nil {
		return nil
	}
	b := make([]byte, int(n)) // empty is not null
	copy(b, unsafe.Slice((*byte)(p), int(n)))
	return b
}

func headersOf(m *C.rd_kafka_message_t) (headers []record.Header) {
	var all *C.rd_kafka_headers_t
	if C.rd_kafka_message_headers(m, &all) != 0 {
		return nil
	}
	for i := C.size_t(0); ; i++ {
		var name *C.char
		var value unsafe.Pointer
		var size C.size_t
		if C.rd_kafka_header_get_all(all, i, &name, &value, &size) != 0 {
			return headers
		}
		headers = append(headers, record.Header{Key: C.GoString(name), Value: copyOf(value, size)})
	}
}

// reports reads a producer's queue: delivery reports, errors, statistics and log lines.
//
// librdkafka writes a byte to a pipe when something comes into an empty queue, so that
// the goroutine waits in Go's poller and holds up no thread; each look at the queue then
// takes hundreds of reports in one call.
type reports struct {
	p     *Producer
	queue *C.rd_kafka_queue_t
	batch *C.ku_batch // C's memory: cgo hands it over as it is
	wake  *os.File    // the pipe's end to read
	write int         // and its other one
	ended chan struct{}
}

func newReports(p *Producer) (*reports, error) {
	var ends [2]int
	syscall.ForkLock.RLock()
	err := syscall.Pipe(ends[:])
	if err == nil {
		syscall.CloseOnExec(ends[0])
		syscall.CloseOnExec(ends[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, os.NewSyscallError("pipe", err)
	}
	for _, fd := range ends {
		_ = syscall.SetNonblock(fd, true) // of a descriptor that is open: cannot fail
	}
	r := &reports{
		p: p, queue: C.rd_kafka_queue_get_main(p.rk), wake: os.NewFile(uintptr(ends[0]), "librdkafka reports"), write: ends[1],
		batch: (*C.ku_batch)(C.calloc(1, C.sizeof_ku_batch)), ended: make(chan struct{}),
	}
	r.batch.queue = r.queue
	C.rd_kafka_set_log_queue(p.rk, nil) // into the same queue
	one := [1]byte{1}
	C.rd_kafka_queue_io_event_enable(r.queue, C.int(r.write), unsafe.Pointer(&one[0]), 1)
	// What came into the queue before made no event.
	_, _ = syscall.Write(r.write, one[:])
	return r, nil
}

// loop reads the queue until the pipe is closed, and then what is left in the queue.
func (r *reports) loop() {
	defer close(r.ended)
	defer C.ku_release(r.batch)
	var buf [64]byte
	for {
		_, err := r.wake.Read(buf[:])
		for r.look() {
		}
		if err != nil {
			return
		}
	}
}

// look reads what waits in the queue; false: there is nothing.
func (r *reports) look() bool {
	b := r.batch
	C.ku_next(b)
	n := int(b.reports_n)
	var report Report
	for i := range n {
		c := &b.reports[i]
		report = Report{
			Opaque: r.p.slots.take(uintptr(c.opaque)), Code: Code(c.err), Status: Status(c.status),
			Partition: int32(c.partition), Broker: int32(c.broker), Offset: int64(c.offset), Timestamp: int64(c.timestamp), message: c.message,
		}
		r.p.handler.Delivered(&report)
	}
	if b.other != nil {
		r.event(b.other, b.other_type)
	}
	return n > 0 || b.other != nil
}

// event passes on what is no delivery report.
func (r *reports) event(ev *C.rd_kafka_event_t, kind C.int) {
	h := &r.p.handler
	switch {
	case kind == C.KU_EVENT_ERROR && h.Error != nil:
		err := &Error{
			Code:   Code(C.rd_kafka_event_error(ev)),
			Reason: C.GoString(C.rd_kafka_event_error_string(ev)),
			Fatal:  C.rd_kafka_event_error_is_fatal(ev) != 0,
		}
		if err.Code == kafka.ErrFatal { // which says only that there is one
			if cause := r.p.FatalError(); cause != nil {
				err = cause
			}
		}
		h.Error(err)
	case kind == C.KU_EVENT_STATS && h.Stats != nil:
		h.Stats(C.GoString(C.rd_kafka_event_stats(ev)))
	case kind == C.KU_EVENT_LOG && h.Log != nil:
		var tag, text *C.char
		var level C.int
		if C.rd_kafka_event_log(ev, &tag, &text, &level) == 0 {
			h.Log(LogLine{int(level), C.GoString(tag), C.GoString(text)})
		}
	}
}

// stop ends the loop. Nothing uses the queue afterwards.
func (r *reports) stop() {
	C.rd_kafka_queue_io_event_enable(r.queue, -1, nil, 0)
	syscall.Close(r.write)
	<-r.ended
	r.wake.Close()
	C.rd_kafka_queue_destroy(r.queue)
}

// free is called when librdkafka has gone.
func (r *reports) free() { C.free(unsafe.Pointer(r.batch)) }
