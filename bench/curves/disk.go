package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/kafkaupstream/kafkaupstream/bench/rig"
	"github.com/kafkaupstream/kafkaupstream/internal/devbroker"
	"github.com/kafkaupstream/kafkaupstream/internal/gateway"
	"github.com/kafkaupstream/kafkaupstream/test/kafkatest"
)

// startAgain starts a runner on a spool, and returns how long it takes to the first reply of the route.
func (s *stand) startAgain(dir, conf string, request *gateway.Request, status int) (*runner, uint32, time.Duration, error) {
	begin := time.Now()
	r, err := s.start(dir)
	if err != nil {
		return nil, 0, 0, err
	}
	token, err := r.prepare("route", conf)
	if err == nil {
		_, err = r.call(token, request, status)
	}
	if err != nil {
		r.stop()
		return nil, 0, 0, err
	}
	return r, token, time.Since(begin), nil
}

const (
	// spooled is a body's size there.
	spooled = 10_000
	writers = 64
)

// spool: Kafka is away while the spool grows, and the runner is restarted at each size; then Kafka is there again.
func spool(s *stand, c *rig.Curve) error {
	cluster, err := kafkatest.Start(kafkatest.Options{})
	if err != nil {
		return err
	}
	defer cluster.Close()
	const topic = "spool"
	if err := cluster.CreateTopic(topic, 4, 1, nil); err != nil {
		return err
	}
	if err := cluster.Kill(1); err != nil {
		return err
	}
	dir := filepath.Join(s.dir, topic)
	defer os.RemoveAll(dir)
	conf := route(cluster.Bootstrap(), map[string]any{"topic": topic, "delivery": "durable", "timeout_ms": 500})
	body := rig.NewRequest(rig.JSONBody(spooled), jsonType)
	kept := int64(0) // records
	var steps []int64
	var r *runner
	defer func() {
		if r != nil {
			r.stop()
		}
	}()
	for bytes := int64(0); ; bytes = min(max(bytes*4, 32_000_000), s.o.spoolBytes) {
		if more := bytes/spooled - kept; more > 0 {
			n, err := r.append(c, conf, body, float64(bytes), more)
			if err != nil {
				return err
			}
			kept += n
			r.stop()
		}
		again, _, took, err := s.startAgain(dir, conf, body, http.StatusAccepted)
		if err != nil {
			return err
		}
		kept++
		r = again
		c.Add("from start to the first reply", "ms", float64(bytes), microseconds(took)/1e3)
		if bytes > 0 {
			steps = append(steps, bytes/spooled)
		}
		if bytes == s.o.spoolBytes {
			break
		}
	}
	if err := cluster.Restart(1); err != nil {
		return err
	}
	return s.forward(c, r, cluster, topic, kept, steps)
}

// append has the spool grow by n records, to so many bytes.
func (r *runner) append(c *rig.Curve, conf string, body *gateway.Request, bytes float64, n int64) (int64, error) {
	token, err := r.prepare("route", conf)
	if err != nil {
		return 0, err
	}
	load, err := r.times(token, writers, n, http.StatusAccepted, func() func() *gateway.Request { return func() *gateway.Request { return body } })
	if err != nil {
		return 0, err
	}
	c.Add("append", "records of 10 kB a second", bytes, load.Rate)
	c.Add("append", "µs of CPU a record", bytes, load.CPUMicros)
	_, err = r.addMemory(c, bytes)
	return load.Answered, err
}

// forward watches the spool become empty: how fast between two of the sizes.
func (s *stand) forward(c *rig.Curve, r *runner, cluster *kafkatest.Cluster, topic string, kept int64, steps []int64) error {
	b, err := rig.NewBroker(cluster.Bootstrap(), nil, func() {})
	if err != nil {
		return err
	}
	defer b.Close()
	arrived, at := int64(0), time.Time{}
	for i := len(steps) - 1; i >= 0; i-- {
		left := int64(0) // at the end of this step
		if i > 0 {
			left = steps[i-1]
		}
		for n := arrived; n < kept-left; {
			if n, err = b.Records(topic); err != nil {
				return err
			}
			if at.IsZero() && n > 0 { // Kafka has been found again
				arrived, at = n, time.Now()
			}
			if n >= kept-left {
				now := time.Now()
				c.Add("forward", "records of 10 kB a second", float64(steps[i])*spooled, float64(n-arrived)/now.Sub(at).Seconds())
				arrived, at = n, now
				break
			}
			select {
			case <-s.ctx.Done():
				return s.ctx.Err()
			case <-time.After(5 * time.Millisecond):
			}
		}
	}
	if arrived != kept {
		return fmt.Errorf("%d records of %d are in Kafka%s", arrived, kept, r.Tail())
	}
	return nil
}

// keys: each request has a new one, and the runner is restarted at each number.
func keys(s *stand, c *rig.Curve) error {
	broker, err := devbroker.Start()
	if err != nil {
		return err
	}
	defer broker.Close()
	dir := filepath.Join(s.dir, "keys")
	defer os.RemoveAll(dir)
	conf := route(broker.Address(), map[string]any{"topic": "keys", "idempotency": map[string]any{}})
	var next atomic.Int64
	// A request of the load, and one of another key: the first after a restart.
	named := varying("idempotency-key", each("k-", &next))
	for seen := 1; ; seen = min(seen*10, s.o.keys) {
		r, token, took, err := s.startAgain(dir, conf, named()(), ok)
		if err != nil {
			return err
		}
		x := float64(seen)
		c.Add("from start to the first reply", "ms", x, microseconds(took)/1e3)
		err = func() error {
			defer r.stop()
			to := min(seen*10, s.o.keys)
			if _, err := r.addMemory(c, x); err != nil {
				return err
			}
			if seen == s.o.keys {
				return errLast
			}
			load, err := r.times(token, writers, int64(to)-next.Load(), ok, named)
			next.Store(int64(to))
			if err == nil {
				addLoad(c, "sync", float64(to), load)
			}
			return err
		}()
		if errors.Is(err, errLast) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// errLast ends a curve.
var errLast = errors.New("the last point")

// distance: a proxy holds back what is sent between the runner and a real broker.
func distance(s *stand, c *rig.Curve) error {
	way, err := rig.NewDelay()
	if err != nil {
		return err
	}
	defer way.Close()
	const far = "FAR"
	cluster, err := kafkatest.Start(kafkatest.Options{Listeners: []kafkatest.Listener{{Name: far, Protocol: "PLAINTEXT", Proxies: []string{way.Address()}}}})
	if err != nil {
		return err
	}
	defer cluster.Close()
	way.Forward(cluster.ListenerOf(1, far))
	if err := cluster.CreateTopic("distance", 12, 1, nil); err != nil {
		return err
	}
	r, err := s.start(filepath.Join(s.dir, "distance"))
	if err != nil {
		return err
	}
	defer func() {
		r.stop()
		os.RemoveAll(filepath.Join(s.dir, "distance"))
	}()
	for _, ms := range []int{0, 1, 2, 5, 10, 20, 50} {
		way.Set(time.Duration(ms) * time.Millisecond)
		for _, delivery := range []string{"sync", "durable"} {
			token, err := r.prepare(fmt.Sprint(delivery, ms), route(way.Address(), map[string]any{"topic": "distance", "delivery": delivery}))
			if err != nil {
				return err
			}
			load, err := r.measure(token, writers, varying("key", oneOf("k-", 100000)))
			if err != nil {
				return err
			}
			addLoad(c, delivery, float64(ms), load)
		}
	}
	return nil
}
