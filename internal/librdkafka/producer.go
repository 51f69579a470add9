package librdkafka

/*
#include "binding.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
	"unsafe"

	// Links the static librdkafka of this platform.
	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// Code is an error code of librdkafka's (negative) or of a broker's (from 0 on).
type Code = kafka.ErrorCode

// Error is an error of librdkafka's.
type Error struct {
	Code   Code
	Reason string // may name brokers and properties
	// Fatal: the producer is of no more use.
	Fatal bool
	// Retriable and RequiresAbort are of transactional calls.
	Retriable, RequiresAbort bool
}

func (e *Error) Error() string { return e.Reason }

// ErrClosed is returned for a producer that has been shut.
var ErrClosed = errors.New("the producer is closed")

// Handler is what a producer calls, on one goroutine, from NewProducer until Close. No
// call may block for long: nothing else is reported meanwhile.
type Handler struct {
	// Delivered is called once for each record that Produce has taken. The report is
	// valid during the call.
	Delivered func(r *Report)
	Error     func(err *Error)
	// Stats gets the JSON text of STATISTICS.md, if statistics.interval.ms is set.
	Stats func(text string)
	Log   func(line LogLine)
}

// LogLine is a line of librdkafka's log.
type LogLine struct {
	Level     int // as syslog has them: 0 is the worst, 7 is debug output
	Tag, Text string
}

// Producer is one librdkafka producer. All methods may be called by any number of
// goroutines.
type Producer struct {
	rk      *C.rd_kafka_t
	handler Handler
	reports *reports
	slots   slots

	// mu keeps calls of librdkafka and its end apart, which librdkafka does not survive:
	// whoever calls it holds a read lock, or has added to calls under one.
	mu    sync.RWMutex
	shut  bool
	calls sync.WaitGroup

	topicsMu sync.Mutex
	topics   map[string]*Topic // destroyed with the producer
}

// NewProducer makes a producer of configuration properties. The error is librdkafka's
// refusal, as a text that names the property; it is [ErrNoResources] where the system has no more
// descriptors or threads.
func NewProducer(props map[string]string, h Handler) (*Producer, error) {
	conf := C.rd_kafka_conf_new()
	for _, name := range slices.Sorted(maps.Keys(props)) {
		if err := assign(conf, name, props[name]); err != nil {
			C.rd_kafka_conf_destroy(conf)
			return nil, err
		}
	}
	if err := assign(conf, "log.queue", "true"); err != nil {
		C.rd_kafka_conf_destroy(conf)
		return nil, err
	}
	C.rd_kafka_conf_set_events(conf, C.KU_EVENT_DR|C.KU_EVENT_LOG|C.KU_EVENT_ERROR|C.KU_EVENT_STATS)
	rk, err := create(conf)
	if err != nil {
		return nil, err
	}
	p := &Producer{rk: rk, handler: h, topics: map[string]*Topic{}}
	if p.reports, err = newReports(p); err != nil {
		C.rd_kafka_destroy(rk)
		return nil, fmt.Errorf("%w: %w", ErrNoResources, err)
	}
	go p.reports.loop()
	return p, nil
}

// create makes a producer of conf, which it takes over.
func create(conf *C.rd_kafka_conf_t) (*C.rd_kafka_t, error) {
	var text [errorSize]C.char
	runtime.LockOSThread() // whose the last error is
	defer runtime.UnlockOSThread()
	rk := C.rd_kafka_new(C.KU_PRODUCER, conf, &text[0], errorSize)
	if rk != nil {
		return rk, nil
	}
	code := Code(C.rd_kafka_last_error())
	C.rd_kafka_conf_destroy(conf) // rd_kafka_new takes it only when it succeeds
	if code == kafka.ErrCritSysResource {
		return nil, fmt.Errorf("%w: %s", ErrNoResources, C.GoString(&text[0]))
	}
	return nil, errors.New(C.GoString(&text[0]))
}

// ErrNoResources is why a producer cannot be made now, and may be later.
var ErrNoResources = errors.New("the system has no room for another producer")

// errorSize is the room for one of librdkafka's error texts, in bytes.
const errorSize = 512

func assign(conf *C.rd_kafka_conf_t, name, value string) error {
	if strings.ContainsRune(name+value, 0) {
		return fmt.Errorf("%s: there is a NUL byte in it", name)
	}
	var text [errorSize]C.char
	cName, cValue := C.CString(name), C.CString(value)
	defer C.free(unsafe.Pointer(cName))
	defer C.free(unsafe.Pointer(cValue))
	if C.rd_kafka_conf_set(conf, cName, cValue, &text[0], errorSize) != C.KU_CONF_OK {
		return errors.New(C.GoString(&text[0]))
	}
	return nil
}

// enter begins a call of librdkafka that may take long; false: the producer is shut.
// leave ends it.
func (p *Producer) enter() bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.shut {
		return false
	}
	p.calls.Add(1)
	return true
}

func (p *Producer) leave() { p.calls.Done() }

// Shut makes Produce and every other call but Flush, Purge and Close return ErrClosed.
func (p *Producer) Shut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shut = true
}

// Close ends the producer. What librdkafka has not reported by then it drops (see Flush and
// Purge), and Handler.Delivered is called for it here, with the code kafka.ErrDestroy. It returns when
// librdkafka has gone, which takes a second where the cluster does not answer. It is called once, and nothing after it.
func (p *Producer) Close() {
	p.Shut()
	p.calls.Wait()
	p.reports.stop()
	for _, t := range p.topics {
		C.rd_kafka_topic_destroy(t.rkt)
	}
	C.rd_kafka_destroy(p.rk)
	p.reports.free()
	for _, v := range p.slots.all() {
		p.handler.Delivered(&Report{Opaque: v, Code: kafka.ErrDestroy, Status: PossiblyPersisted, Partition: -1, Broker: -1, Offset: -1, Timestamp: -1})
	}
}

// Flush sends what waits for linger.ms, and returns how many records have no report yet
// after the wait at most.
func (p *Producer) Flush(wait time.Duration) int {
	C.rd_kafka_flush(p.rk, milliseconds(wait))
	return int(C.rd_kafka_outq_len(p.rk))
}

// Purge makes librdkafka report the records that are queued, with the code
// kafka.ErrPurgeQueue, and with underWay also those that a broker may have, with
// kafka.ErrPurgeInflight. It does not wait for the reports.
func (p *Producer) Purge(underWay bool) {
	flags := C.int(C.KU_PURGE_QUEUE | C.KU_PURGE_NON_BLOCKING)
	if underWay {
		flags |= C.KU_PURGE_INFLIGHT
	}
	C.rd_kafka_purge(p.rk, flags)
}

// FatalError returns why the producer is of no more use; nil if it is of use, or closed.
func (p *Producer) FatalError() *Error {
	if !p.enter() {
		return nil
	}
	defer p.leave()
	var text [errorSize]C.char
	code := Code(C.rd_kafka_fatal_error(p.rk, &text[0], errorSize))
	if code == kafka.ErrNoError {
		return nil
	}
	return &Error{Code: code, Reason: C.GoString(&text[0]), Fatal: true}
}

// SetSASLCredentials replaces sasl.username and sasl.password for later connections.
func (p *Producer) SetSASLCredentials(username, password string) error {
	if !p.enter() {
		return ErrClosed
	}
	defer p.leave()
	cUser, cPassword := C.CString(username), C.CString(password)
	defer C.free(unsafe.Pointer(cUser))
	defer C.free(unsafe.Pointer(cPassword))
	return asError(C.rd_kafka_sasl_set_credentials(p.rk, cUser, cPassword))
}

// asError takes over librdkafka's error object; nil stands for success.
func asError(e *C.rd_kafka_error_t) error {
	if e == nil {
		return nil
	}
	defer C.rd_kafka_error_destroy(e)
	return &Error{
		Code:          Code(C.rd_kafka_error_code(e)),
		Reason:        C.GoString(C.rd_kafka_error_string(e)),
		Fatal:         C.rd_kafka_error_is_fatal(e) != 0,
		Retriable:     C.rd_kafka_error_is_retriable(e) != 0,
		RequiresAbort: C.rd_kafka_error_txn_requires_abort(e) != 0,
	}
}

func codeError(code C.rd_kafka_resp_err_t) *Error {
	return &Error{Code: Code(code), Reason: C.GoString(C.rd_kafka_err2str(code))}
}

// milliseconds is a wait as librdkafka takes it: never negative, which would be for ever.
func milliseconds(d time.Duration) C.int {
	return C.int(min(max(d/time.Millisecond, 0), 1<<30))
}

// Topic is a topic of a producer, which librdkafka keeps as long as the producer.
type Topic struct {
	Name string
	rkt  *C.rd_kafka_topic_t
}

// Topic returns the topic, and makes it known to the producer at first: about 11 kB that
// last as long as it does. It asks the cluster nothing. An error is *Error or ErrClosed.
func (p *Producer) Topic(name string) (*Topic, error) {
	if !p.enter() {
		return nil, ErrClosed
	}
	defer p.leave()
	if strings.ContainsRune(name, 0) {
		return nil, &Error{Code: kafka.ErrInvalidArg, Reason: "there is a NUL byte in the topic's name"}
	}
	p.topicsMu.Lock()
	defer p.topicsMu.Unlock()
	if t := p.topics[name]; t != nil {
		return t, nil
	}
	cName := C.CString(name)
	defer C.free(unsafe.Pointer(cName))
	runtime.LockOSThread() // whose the last error is
	defer runtime.UnlockOSThread()
	rkt := C.rd_kafka_topic_new(p.rk, cName, nil)
	if rkt == nil {
		return nil, codeError(C.rd_kafka_last_error())
	}
	t := &Topic{Name: name, rkt: rkt}
	p.topics[name] = t
	return t, nil
}

// Metadata asks the cluster for one topic, or for all of them and the brokers where topic is nil
// and all is set, and waits for the answer, on a thread of its own.
func (p *Producer) Metadata(topic *Topic, all bool, wait time.Duration) (*kafka.Metadata, error) {
	if !p.enter() {
		return nil, ErrClosed
	}
	defer p.leave()
	var rkt *C.rd_kafka_topic_t
	if topic != nil {
		rkt = topic.rkt
	}
	var md *C.struct_rd_kafka_metadata
	every := C.int(0)
	if all {
		every = 1
	}
	if code := C.rd_kafka_metadata(p.rk, every, rkt, &md, milliseconds(wait)); code != 0 {
		return nil, codeError(code)
	}
	defer C.rd_kafka_metadata_destroy(md)
	return metadata(md), nil
}

func metadata(md *C.struct_rd_kafka_metadata) *kafka.Metadata {
	m := &kafka.Metadata{Topics: make(map[string]kafka.TopicMetadata, int(md.topic_cnt))}
	for _, b := range unsafe.Slice(md.brokers, int(md.broker_cnt)) {
		m.Brokers = append(m.Brokers, kafka.BrokerMetadata{ID: int32(b.id), Host: C.GoString(b.host), Port: int(b.port)})
	}
	for _, t := range unsafe.Slice(md.topics, int(md.topic_cnt)) {
		topic := kafka.TopicMetadata{Topic: C.GoString(t.topic)}
		if t.err != 0 {
			topic.Error = kafka.NewError(Code(t.err), C.GoString(C.rd_kafka_err2str(t.err)), false)
		}
		for _, p := range unsafe.Slice(t.partitions, int(t.partition_cnt)) {
			topic.Partitions = append(topic.Partitions, kafka.PartitionMetadata{ID: int32(p.id), Leader: int32(p.leader)})
		}
		m.Topics[topic.Topic] = topic
	}
	return m
}
