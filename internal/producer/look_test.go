package producer

import (
	"fmt"
	"testing"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/twmb/franz-go/pkg/kfake"
)

func TestPartitionOfAKeyIsTheOneThatLibrdkafkaChooses(t *testing.T) {
	c := startFake(t, kfake.SeedTopics(7, "seven"))
	p, _ := startPool(t, 0)
	for _, partitioner := range []string{"murmur2_random", "murmur2", "consistent_random", "consistent", "fnv1a_random"} {
		conn := connect(t, c, true, "partitioner", partitioner)
		for i := range 40 {
			key := []byte(fmt.Sprint("a key of some length ", i*i*i)[:i%25])
			want := conn.PartitionOf(key, 7)
			if want == record.AnyPartition {
				continue
			}
			ack, e := send(p, conn, &record.Record{Topic: "seven", Partition: record.AnyPartition, Key: key}, true, in(30*time.Second))
			if e != nil || ack.Partition != want {
				t.Errorf("%s: key %q is of partition %d, want %d (%v)", partitioner, key, ack.Partition, want, e)
			}
		}
		if n := conn.PartitionOf(nil, 7); n != record.AnyPartition {
			t.Errorf("%s: no key is of partition %d", partitioner, n)
		}
	}
}
