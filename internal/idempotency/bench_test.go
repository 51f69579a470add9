package idempotency

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
)

// BenchmarkMemory reports what a key with a reply of 200 bytes takes.
func BenchmarkMemory(b *testing.B) {
	const keys = 100_000
	reply := []byte(strings.Repeat("r", 200))
	for b.Loop() {
		heap := func() uint64 {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			return m.HeapAlloc
		}
		before := heap()
		s := open(b, Options{MaxBytes: 2 * keys * keyBytes})
		for i := range keys {
			outcome, ticket := s.Begin(context.Background(), keyOf("orders", fmt.Sprint(i)), request, hour)
			if outcome != First || ticket.Finish(reply) != nil {
				b.Fatal(outcome)
			}
		}
		b.ReportMetric(float64(heap()-before)/keys, "B/key")
		runtime.KeepAlive(s)
	}
}

// BenchmarkFirst is a request with its two entries in the journal, by many clients.
func BenchmarkFirst(b *testing.B) {
	for _, clients := range []int{1, 64} {
		b.Run(fmt.Sprintf("%d clients", clients), func(b *testing.B) {
			s := open(b, Options{Dir: b.TempDir(), MaxBytes: 10 << 30})
			reply := []byte(strings.Repeat("r", 200))
			var key atomic.Int64
			b.SetParallelism((clients + runtime.GOMAXPROCS(0) - 1) / runtime.GOMAXPROCS(0))
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					outcome, ticket := s.Begin(context.Background(), keyOf("orders", fmt.Sprint(key.Add(1))), request, hour)
					if outcome != First || ticket.Finish(reply) != nil {
						b.Error(outcome)
					}
				}
			})
		})
	}
}

// BenchmarkTakeOver reads and writes anew a journal of 100,000 keys.
func BenchmarkTakeOver(b *testing.B) {
	dir := b.TempDir()
	s := open(b, Options{Dir: dir, MaxBytes: 1 << 30})
	known := make([]frame, 100_000)
	for i := range known {
		f := &known[i]
		*f = frame{kind: finishedKind, expires: 1 << 62, reply: []byte(strings.Repeat("r", 200))}
		key := keyOf("orders", fmt.Sprint(i))
		f.id, f.holder = key.id(), key.holder()
	}
	if err := s.journal.rewrite(known); err != nil {
		b.Fatal(err)
	}
	end(s)
	for b.Loop() {
		end(open(b, Options{Dir: dir}))
	}
}
