package kafkaconf

import (
	"hash/crc32"

	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

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
