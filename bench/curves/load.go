package main

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/kafkaupstream/kafkaupstream/bench/rig"
	"github.com/kafkaupstream/kafkaupstream/internal/devbroker"
)

// routes: all are of one connection, and all are prepared before the first request, as after a reload.
func routes(s *stand, c *rig.Curve) error {
	broker, err := devbroker.Start()
	if err != nil {
		return err
	}
	defer broker.Close()
	for _, n := range []int{1, 10, 100, 1000, 10000} {
		if err := s.with(broker.Address(), func(r *runner, brokers string) error { return routesOf(s, c, r, brokers, n) }); err != nil {
			return err
		}
	}
	return nil
}

func routesOf(s *stand, c *rig.Curve, r *runner, brokers string, n int) error {
	// What belongs to the connection and to the topic is there before.
	first, err := r.prepare("first", route(brokers, map[string]any{"topic": "routes"}))
	if err != nil {
		return err
	}
	if _, err := r.call(first, request(), ok); err != nil {
		return err
	}
	before, err := r.memory()
	if err != nil {
		return err
	}
	tokens := make([]uint32, n)
	begin := time.Now()
	for i := range tokens {
		if tokens[i], err = r.prepare(fmt.Sprint("route-", i), route(brokers, map[string]any{"topic": "routes", "key": fmt.Sprint("k-", i)})); err != nil {
			return err
		}
	}
	prepared := time.Since(begin)
	var took []time.Duration
	for i := 0; i < n; i += max(n/200, 1) {
		one, err := r.call(tokens[i], request(), ok)
		if err != nil {
			return err
		}
		took = append(took, one)
	}
	x := float64(n)
	c.Add("PrepareConf of a route", "µs", x, microseconds(prepared)/x)
	c.Add("first request of a route", "µs", x, median(took))
	after, err := r.addMemory(c, x)
	if err != nil {
		return err
	}
	if n == 10000 {
		producers, err := rig.Threads(r.PID(), "rdk:main")
		if err != nil {
			return err
		}
		s.out.Fact("memory of a route", "kB", 4, (after-before)*1e3/x)
		s.out.Fact("memory of the process with 10,000 routes of one connection", "MB", 60, after)
		s.out.Fact("producers of 10,000 routes of one connection", "", 1, float64(producers))
	}
	return nil
}

// topics: a client names one of them in a header.
func topics(s *stand, c *rig.Curve) error {
	const most = 10000
	names := make([]string, most)
	for i := range names {
		names[i] = fmt.Sprint("t-", i)
	}
	return s.simulated(func(r *runner, brokers string) error {
		token, err := r.prepare("topics", route(brokers, map[string]any{}))
		if err != nil {
			return err
		}
		var seen atomic.Int64
		for n := 1; n <= most; n *= 10 {
			x := float64(n)
			first, err := r.times(token, min(waiters, n), int64(n)-seen.Load(), ok, varying("topic", each("t-", &seen)))
			if err != nil {
				return err
			}
			seen.Store(int64(n))
			c.Add("first record of a topic", "ms", x, first.Micros(0.5)/1e3)
			load, err := r.measure(token, waiters, varying("topic", oneOf("t-", n)))
			if err != nil {
				return err
			}
			addLoad(c, "sync", x, load)
			if _, err := r.addMemory(c, x); err != nil {
				return err
			}
		}
		return nil
	}, kfake.SeedTopics(1, names...))
}

// partitions: a record goes to the one that its key says.
func partitions(s *stand, c *rig.Curve) error {
	sizes := []int{1, 10, 100, 1000}
	var opts []kfake.Opt
	for _, n := range sizes {
		opts = append(opts, kfake.SeedTopics(int32(n), fmt.Sprint("p-", n)))
	}
	return s.simulated(func(r *runner, brokers string) error {
		for _, n := range sizes {
			topic := fmt.Sprint("p-", n)
			token, err := r.prepare(topic, route(brokers, map[string]any{"topic": topic}))
			if err != nil {
				return err
			}
			load, err := r.measure(token, waiters, varying("key", oneOf("k-", 100000)))
			if err != nil {
				return err
			}
			addLoad(c, "sync", float64(n), load)
			if _, err := r.addMemory(c, float64(n)); err != nil {
				return err
			}
		}
		return nil
	}, opts...)
}

// connections: each has one call under way.
func connections(s *stand, c *rig.Curve) error {
	return s.embedded(func(r *runner, brokers string) error {
		for _, n := range []int{1, 4, 16, 64, 256, 1024} {
			for _, delivery := range []string{"async", "sync"} {
				token, err := r.prepare(fmt.Sprint(delivery, n), route(brokers, map[string]any{"topic": "connections", "delivery": delivery}))
				if err != nil {
					return err
				}
				load, err := r.measure(token, n, rig.Same(rig.JSONBody(bodyBytes), jsonType))
				if err != nil {
					return err
				}
				addLoad(c, delivery, float64(n), load)
			}
			if _, err := r.addMemory(c, float64(n)); err != nil {
				return err
			}
		}
		return nil
	})
}

// largest is a body that APISIX's protocol carries, nearly.
const largest = 16_000_000

// bodies: JSON is validated and compacted, other bytes are not.
func bodies(s *stand, c *rig.Curve) error {
	return s.embedded(func(r *runner, brokers string) error {
		token, err := r.prepare("bodies", route(brokers, map[string]any{"topic": "bodies"}, "message.max.bytes", "20000000"))
		if err != nil {
			return err
		}
		var before float64
		for _, n := range []int{0, 100, 1000, 10_000, 100_000, 1_000_000, largest} {
			for _, kind := range []string{jsonType, "application/octet-stream"} {
				if n == 0 && kind == jsonType {
					continue // no JSON is that short
				}
				_, label, _ := strings.Cut(kind, "/")
				load, err := r.measure(token, 4, rig.Same(rig.JSONBody(n)[:n:n], kind))
				if err != nil {
					return err
				}
				c.Add("CPU, "+label, "µs of CPU a request", float64(n), load.CPUMicros)
				c.Add("p50, "+label, "ms", float64(n), load.Micros(0.5)/1e3)
				if n > 0 {
					c.Add("rate, "+label, "MB a second", float64(n), load.Rate*float64(n)/mega)
				}
			}
			if n == 10_000 {
				if before, err = r.memory(); err != nil {
					return err
				}
			}
		}
		return s.recovery(r, before)
	})
}

// normal is how soon memory is to be given back.
const normal = 2 * time.Second

// recovery looks at the memory that large bodies leave behind. It is a measurement of a time: nothing else is waited for.
func (s *stand) recovery(r *runner, before float64) error {
	select {
	case <-time.After(normal):
	case <-s.ctx.Done():
		return s.ctx.Err()
	}
	after, err := r.memory()
	if err != nil {
		return err
	}
	peak, err := rig.Memory(r.PID(), "VmHWM")
	if err != nil {
		return err
	}
	s.out.Fact("memory under bodies of 10 kB", "MB", 0, before)
	s.out.Fact("memory under bodies of 16 MB, at most", "MB", 0, float64(peak)/mega)
	s.out.Fact("memory 2 s after them, beside that under bodies of 10 kB", "×", 1.25, after/before)
	return nil
}

// idle: each connection is a producer, which has sent one record.
func idle(s *stand, c *rig.Curve) error {
	return s.embedded(func(r *runner, brokers string) error {
		most := []int{1, 10, 100}
		for n := 1; n <= most[len(most)-1]; n++ {
			name := fmt.Sprint("idle-", n)
			token, err := r.prepare(name, route(brokers, map[string]any{"topic": "idle"}, "client.id", name))
			if err != nil {
				return err
			}
			if _, err := r.call(token, request(), ok); err != nil {
				return err
			}
			if !slices.Contains(most, n) {
				continue
			}
			memory, err := r.addMemory(c, float64(n))
			if err != nil {
				return err
			}
			if n == 10 {
				s.out.Fact("memory of the process with ten idle producers", "MB", 40, memory)
			}
		}
		return nil
	})
}
