// Package record has the words that everything between a request and Kafka shares: a
// [Record], what became of it (an [Ack], or an [*Error] of one [Kind]), and which errors
// another attempt can change. It links neither librdkafka nor a disk.
package record

import (
	"time"
)

// Header is one header of a record. A nil Value is null.
type Header struct {
	Key   string
	Value []byte
}

// Record is what is produced.
type Record struct {
	Topic     string
	Partition int32 // AnyPartition: by the key
	// Key and Value: nil is null, which is not the same as empty.
	Key, Value []byte
	Headers    []Header
	Timestamp  time.Time // zero: now
}

// MinTimestamp is the earliest time that a record can have, in milliseconds since 1970.
// librdkafka takes 0 for "now"; negative ones end Kafka Streams. The largest int64 is
// the latest: whether a time is too far away is the topic's to say
// (message.timestamp.after.max.ms).
const MinTimestamp = 1

// AnyPartition leaves the partition to the partitioner.
const AnyPartition int32 = -1

// Ack is Kafka's acknowledgement of a record.
type Ack struct {
	Partition int32
	Offset    int64
	// Timestamp is the one that Kafka has stored: the record's own, or the broker's where
	// the topic's message.timestamp.type is LogAppendTime.
	Timestamp time.Time
}

// Outcome is what became of a record: Err or, where that is nil, Kafka has it, as Ack says,
// or the disk under Receipt. Of an async record it says that it is queued.
type Outcome struct {
	Ack     Ack
	Receipt string // "": it is not on disk
	Err     *Error
}
