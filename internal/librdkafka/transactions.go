package librdkafka

/*
#include "binding.h"
*/
import "C"

import (
	"errors"
	"time"
	"unsafe"
)

// Each of these calls waits for the brokers, on a thread of its own, for the wait at
// most. Errors are *Error or ErrClosed. A call that has timed out must not be repeated by
// another goroutine before it has returned, and is not resumed: librdkafka takes the result
// of one step for that of another then, and once reported a commit that Kafka had not
// answered.

// InitTransactions readies a producer with a transactional.id, and ends what an earlier
// one with that id has left.
func (p *Producer) InitTransactions(wait time.Duration) error {
	return p.call(func() *C.rd_kafka_error_t { return C.rd_kafka_init_transactions(p.rk, milliseconds(wait)) })
}

// BeginTransaction waits for nothing.
func (p *Producer) BeginTransaction() error {
	return p.call(func() *C.rd_kafka_error_t { return C.rd_kafka_begin_transaction(p.rk) })
}

// AbortReason returns why librdkafka has given up the transaction that is in progress; nil: it has not.
// Every call that is not allowed in such a transaction returns the reason. BeginTransaction is one that does not block.
func (p *Producer) AbortReason() error {
	var why *Error
	if err := p.BeginTransaction(); errors.As(err, &why) && (why.RequiresAbort || why.Fatal) {
		return err
	}
	return nil
}

// CommitTransaction also waits for the reports of the transaction's records.
func (p *Producer) CommitTransaction(wait time.Duration) error {
	return p.call(func() *C.rd_kafka_error_t { return C.rd_kafka_commit_transaction(p.rk, milliseconds(wait)) })
}

// AbortTransaction also purges the transaction's records that are queued.
func (p *Producer) AbortTransaction(wait time.Duration) error {
	return p.call(func() *C.rd_kafka_error_t { return C.rd_kafka_abort_transaction(p.rk, milliseconds(wait)) })
}

// SendOffset makes the commit of an offset of partition 0 of the topic, with its
// metadata, a part of the transaction, for a consumer group that nobody is a member of.
func (p *Producer) SendOffset(group, topic string, offset int64, metadata string, wait time.Duration) error {
	cGroup, cTopic := C.CString(group), C.CString(topic)
	defer C.free(unsafe.Pointer(cGroup))
	defer C.free(unsafe.Pointer(cTopic))
	of := C.rd_kafka_consumer_group_metadata_new(cGroup)
	defer C.rd_kafka_consumer_group_metadata_destroy(of)
	list := C.rd_kafka_topic_partition_list_new(1)
	defer C.rd_kafka_topic_partition_list_destroy(list)
	at := C.rd_kafka_topic_partition_list_add(list, cTopic, 0)
	at.offset = C.int64_t(offset)
	at.metadata = unsafe.Pointer(C.CString(metadata)) // the list frees it
	at.metadata_size = C.size_t(len(metadata))
	return p.call(func() *C.rd_kafka_error_t {
		return C.rd_kafka_send_offsets_to_transaction(p.rk, list, of, milliseconds(wait))
	})
}

func (p *Producer) call(f func() *C.rd_kafka_error_t) error {
	if !p.enter() {
		return ErrClosed
	}
	defer p.leave()
	return asError(f())
}
