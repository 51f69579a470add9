package producer

import (
	"hash/crc32"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

// Reach returns nil when the connection's cluster answers. Where that is not known, it
// waits until the deadline.
func (p *Pool) Reach(conn *Connection, deadline time.Time) *record.Error {
	return p.retrying(conn, "", deadline, func(c *client, _ *suspect) *record.Error {
		select {
		case <-c.ready:
		default:
			if err := c.awaitReady(deadline); err != nil {
				return err
			}
		}
		if c.broken != nil {
			return c.broken
		}
		return c.link.await(deadline, c.closing)
	})
}

// Look returns how many partitions a topic has, 0 where that is not known, and what
// there is to say against a record for one of them (AnyPartition: against all). It does
// not wait: the cluster is asked in the background where its last answer is too old, and
// until there is one the error's kind is KindUnavailable. It is to be called when Reach
// has returned nil.
func (p *Pool) Look(conn *Connection, name string, partition int32) (partitions int32, err *record.Error) {
	c := p.client(conn)
	if c == nil {
		return 0, errShuttingDown
	}
	select {
	case <-c.ready:
	default:
		return 0, errRetired
	}
	if c.broken != nil {
		return 0, c.broken
	}
	return c.topics.look(name, partition)
}

// Look is [Pool.Look] for the stream's producer. It is to be called when Begun is true.
func (s *Serial) Look(name string, partition int32) (partitions int32, err *record.Error) {
	s.mu.Lock()
	defer s.leave()
	if !s.ready() {
		return 0, errRetired
	}
	return s.t.topics.look(name, partition)
}

// PartitionOf returns the partition to which a record with the key goes if the topic
// has n: AnyPartition where the partitioner leaves that open or is not known here.
func (c *Connection) PartitionOf(key []byte, n int32) int32 {
	if n <= 0 || key == nil {
		return record.AnyPartition
	}
	switch c.props["partitioner"] {
	case "murmur2_random", "murmur2":
		return int32(murmur2(key)&0x7fffffff) % n
	case "consistent", "consistent_random":
		if len(key) == 0 {
			return record.AnyPartition
		}
		return int32(crc32.ChecksumIEEE(key) % uint32(n))
	}
	return record.AnyPartition
}

// murmur2 is the hash of Kafka's Java client, org.apache.kafka.common.utils.Utils.
func murmur2(b []byte) uint32 {
	const m, r = 0x5bd1e995, 24
	h := uint32(0x9747b28c) ^ uint32(len(b))
	for ; len(b) >= 4; b = b[4:] {
		k := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
		k *= m
		k ^= k >> r
		h = h*m ^ k*m
	}
	switch len(b) {
	case 3:
		h ^= uint32(b[2]) << 16
		fallthrough
	case 2:
		h ^= uint32(b[1]) << 8
		fallthrough
	case 1:
		h = (h ^ uint32(b[0])) * m
	}
	h ^= h >> 13
	h *= m
	return h ^ h>>15
}
