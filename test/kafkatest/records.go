package kafkatest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Record is a record as it lies in the log. A nil Key, Value or header value
// is Kafka's null; an empty one is not nil.
type Record struct {
	Partition int
	Offset    int64
	Key       []byte
	Value     []byte
	Headers   []Header
	Timestamp time.Time // in milliseconds

	// ProducerID and ProducerEpoch are those of the batch: -1 without idempotence.
	// Where a record is there twice, they tell who is to blame. The broker drops what
	// comes again from the same two.
	ProducerID    int64
	ProducerEpoch int16
}

// Header is one of a record's headers, in the order they were produced.
type Header struct {
	Key   string
	Value []byte
}

// ReadOption changes what Records and WaitRecords see.
type ReadOption int

// ReadCommitted leaves out what belongs to a transaction that was aborted, and
// everything from the first transaction that is still open.
const ReadCommitted ReadOption = 1

// Records are all records that the topic holds now, up to the high watermark
// of every partition, sorted by partition and offset. It waits, as long as ctx
// allows, for partitions that have no leader.
func (c *Cluster) Records(ctx context.Context, topic string, opts ...ReadOption) ([]Record, error) {
	r := c.reader(topic, opts)
	err := poll(ctx, func() (bool, error) {
		err := r.catchUp(ctx)
		return err == nil || !passing(err) || errors.Is(err, kerr.UnknownTopicOrPartition), err
	})
	if err != nil {
		return nil, err
	}
	return r.sorted(), nil
}

// WaitRecords waits until the topic, which need not exist yet, holds at least
// n records, and returns all that it holds then. When ctx ends first, it
// returns what there is, and an error.
func (c *Cluster) WaitRecords(ctx context.Context, topic string, n int, opts ...ReadOption) ([]Record, error) {
	r := c.reader(topic, opts)
	err := poll(ctx, func() (bool, error) {
		if err := r.catchUp(ctx); err != nil {
			return !passing(err), err
		}
		if len(r.records) < n {
			return false, fmt.Errorf("kafkatest: topic %s holds %d records of %d", topic, len(r.records), n)
		}
		return true, nil
	})
	return r.sorted(), err
}

// passing tells errors that go away, as when a broker has just died: those of
// the network, and those that Kafka calls retriable.
func passing(err error) bool {
	var answer *kerr.Error
	return !errors.As(err, &answer) || answer.Retriable
}

// reader reads a topic with single requests instead of a consumer: it must
// know how far it has come also where nothing is to be seen (the marks of
// transactions, aborted records, holes left by compaction).
type reader struct {
	c         *Cluster
	topic     string
	committed bool
	next      map[int32]int64 // offset by partition
	records   []Record
}

func (c *Cluster) reader(topic string, opts []ReadOption) *reader {
	return &reader{c: c, topic: topic, committed: slices.Contains(opts, ReadCommitted), next: map[int32]int64{}}
}

func (r *reader) sorted() []Record {
	slices.SortFunc(r.records, func(a, b Record) int {
		if a.Partition != b.Partition {
			return a.Partition - b.Partition
		}
		return int(a.Offset - b.Offset)
	})
	return r.records
}

// catchUp reads every partition to its present end.
func (r *reader) catchUp(ctx context.Context) error {
	meta, err := r.c.metadata(ctx, r.topic)
	if err != nil {
		return err
	}
	for _, p := range meta.Partitions {
		if err := partitionError(r.topic, p); err != nil {
			return err
		}
		leader, err := r.c.broker(int(p.Leader))
		if err != nil {
			return err
		}
		if err := r.read(ctx, leader, meta.TopicID, p.Partition); err != nil {
			return fmt.Errorf("kafkatest: read partition %d of topic %s: %w", p.Partition, r.topic, err)
		}
	}
	return nil
}

func (r *reader) read(ctx context.Context, leader *broker, topicID [16]byte, partition int32) error {
	const earliest, latest = -2, -1
	if _, ok := r.next[partition]; !ok {
		start, err := r.offset(ctx, leader, partition, earliest)
		if err != nil {
			return err
		}
		r.next[partition] = start
	}
	end, err := r.offset(ctx, leader, partition, latest)
	if err != nil {
		return err
	}
	for r.next[partition] < end {
		if err := r.fetch(ctx, leader, topicID, partition); err != nil {
			return err
		}
	}
	return nil
}

// isolation is the committed option as requests carry it.
func (r *reader) isolation() int8 {
	if r.committed {
		return 1
	}
	return 0
}

// offset is the partition's offset at one of Kafka's special timestamps.
func (r *reader) offset(ctx context.Context, leader *broker, partition int32, timestamp int64) (int64, error) {
	p := kmsg.NewListOffsetsRequestTopicPartition()
	p.Partition, p.Timestamp = partition, timestamp
	t := kmsg.NewListOffsetsRequestTopic()
	t.Topic, t.Partitions = r.topic, append(t.Partitions, p)
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID, req.IsolationLevel, req.Topics = -1, r.isolation(), append(req.Topics, t)
	resp, err := req.RequestWith(ctx, leader)
	if err != nil {
		return 0, err
	}
	answer := resp.Topics[0].Partitions[0]
	return answer.Offset, kerr.ErrorForCode(answer.ErrorCode)
}

// fetch reads on from where the partition's reading stands.
func (r *reader) fetch(ctx context.Context, leader *broker, topicID [16]byte, partition int32) error {
	const most = 16 << 20
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.FetchOffset, p.PartitionMaxBytes = partition, r.next[partition], most
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID, t.Partitions = r.topic, topicID, append(t.Partitions, p)
	req := kmsg.NewPtrFetchRequest()
	req.MaxBytes, req.IsolationLevel, req.Topics = most, r.isolation(), append(req.Topics, t)
	resp, err := req.RequestWith(ctx, leader)
	if err != nil {
		return err
	}
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return err
	}
	opts := kgo.ProcessFetchPartitionOpts{Offset: r.next[partition], Topic: r.topic, Partition: partition}
	if r.committed {
		opts.IsolationLevel = kgo.ReadCommitted()
	}
	got, next := kgo.ProcessFetchPartition(opts, &resp.Topics[0].Partitions[0], kgo.DefaultDecompressor(), nil)
	if got.Err != nil {
		return got.Err
	}
	for _, record := range got.Records {
		r.records = append(r.records, newRecord(record))
	}
	r.next[partition] = next
	return nil
}

func newRecord(k *kgo.Record) Record {
	r := Record{
		Partition: int(k.Partition),
		Offset:    k.Offset,
		Key:       k.Key,
		Value:     k.Value,
		Timestamp: k.Timestamp,

		ProducerID:    k.ProducerID,
		ProducerEpoch: k.ProducerEpoch,
	}
	for _, h := range k.Headers {
		r.Headers = append(r.Headers, Header(h))
	}
	return r
}

// Offsets are the first offset of a partition and the one behind its last record. Other
// partitions of the topic may be without a leader.
func (c *Cluster) Offsets(topic string, partition int) (first, end int64, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), changeTimeout)
	defer cancel()
	node, err := c.TopicLeader(topic, partition)
	if err != nil {
		return 0, 0, err
	}
	leader, err := c.broker(node)
	if err != nil {
		return 0, 0, err
	}
	r := c.reader(topic, nil)
	if first, err = r.offset(ctx, leader, int32(partition), -2); err != nil {
		return 0, 0, err
	}
	end, err = r.offset(ctx, leader, int32(partition), -1)
	return first, end, err
}
