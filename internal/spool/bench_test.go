package spool

import (
	"strings"
	"sync/atomic"
	"testing"
)

var small = strings.Repeat("x", 200)

// roomy is a spool that no benchmark fills.
var roomy = Options{MaxBytes: 1 << 40, SegmentBytes: largestSegment}

func BenchmarkAppend(b *testing.B) {
	for _, c := range []struct {
		name       string
		goroutines int
	}{{"1", 1}, {"64", 64}} {
		b.Run(c.name, func(b *testing.B) {
			st := stream(b, openOwned(b, b.TempDir(), roomy), "s")
			b.SetBytes(int64(len(small)))
			b.ResetTimer()
			var left atomic.Int64
			left.Store(int64(b.N))
			done := make(chan error, c.goroutines)
			for range c.goroutines {
				go func() {
					e := entry(small)
					for left.Add(-1) >= 0 {
						if _, err := st.Append(e); err != nil {
							done <- err
							return
						}
					}
					done <- nil
				}()
			}
			for range c.goroutines {
				if err := <-done; err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// written is a spool with n records, as another process left it.
func written(b *testing.B, n int) *Stream {
	s := openOwned(b, b.TempDir(), roomy)
	write(b, stream(b, s, "s"), n)
	s.Close()
	return stream(b, openOwned(b, s.dir, roomy), "s")
}

func write(b *testing.B, st *Stream, n int) {
	e := entry(small)
	for range n - 1 {
		if _, err := st.Write(e); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := st.Append(e); err != nil {
		b.Fatal(err)
	}
}

const many = 100_000

func BenchmarkWrite100k(b *testing.B) {
	for b.Loop() {
		write(b, stream(b, openOwned(b, b.TempDir(), roomy), "s"), many)
	}
	b.ReportMetric(float64(b.N)*many/b.Elapsed().Seconds(), "records/s")
}

func BenchmarkLoad100k(b *testing.B) {
	st := written(b, many)
	dir := st.spool.dir
	for b.Loop() {
		st.spool.Close()
		st = stream(b, openOwned(b, dir, roomy), "s")
		if _, err := st.Load(); err != nil || st.Pending() != many {
			b.Fatal(err, st.Pending())
		}
	}
	b.ReportMetric(float64(b.N)*many/b.Elapsed().Seconds(), "records/s")
}

func BenchmarkNextAndResolve(b *testing.B) {
	st := written(b, b.N)
	if _, err := st.Load(); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	var after Position
	for seen := 0; seen < b.N; {
		entries, err := st.Next(after, 1000, 1<<20)
		if err != nil || len(entries) == 0 {
			b.Fatal(err)
		}
		for _, e := range entries {
			if err := st.Resolve(e.Position, Acked); err != nil {
				b.Fatal(err)
			}
		}
		seen += len(entries)
		after = entries[len(entries)-1].Position
	}
}
