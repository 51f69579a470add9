//go:build linux && !asan

// The address sanitizer has a malloc of its own, which keeps what is freed.

package librdkafka

import (
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kafkaupstream/kafkaupstream/test/await"
)

// With malloc_linux.c taken away, tens of megabytes stay with glibc's malloc.
func TestLargeRecordsLeaveNoMemoryBehind(t *testing.T) {
	var reported atomic.Int64 // the collector of other tests keeps a copy of each record
	properties := map[string]string{"bootstrap.servers": "127.0.0.1:1", "message.max.bytes": "20000000"}
	p, err := NewProducer(properties, Handler{Delivered: func(*Report) { reported.Add(1) }})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	topic := topicOf(t, p, "t")
	value := make([]byte, 16<<20)
	for i := range value {
		value[i] = 'v' // so that all of it is in memory before
	}
	before, produced := resident(t), int64(0)
	for range 3 {
		for _, n := range []int{16 << 20, 12 << 20, 8 << 20, 5 << 20, 3 << 20, 100} {
			for range 2 {
				if err := p.Produce(&Message{Topic: topic, Value: value[:n]}); err != nil {
					t.Fatal(err)
				}
				produced++
			}
		}
		p.Purge(true)
		await.True(t, "all are reported", func() bool { return reported.Load() == produced })
	}
	await.Within(t, 10*time.Second, "the memory is given back", func() bool {
		debug.FreeOSMemory()
		return resident(t)-before < 8<<20
	})
}

// resident is what this process has in memory, in bytes.
func resident(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "\nVmRSS:")
	rest, _, _ = strings.Cut(rest, " kB")
	n, err := strconv.Atoi(strings.TrimSpace(rest))
	if err != nil {
		t.Fatal(err)
	}
	return n << 10
}
