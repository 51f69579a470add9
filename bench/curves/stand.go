package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/kafkaupstream/kafkaupstream/bench/rig"
	"github.com/kafkaupstream/kafkaupstream/internal/devbroker"
	"github.com/kafkaupstream/kafkaupstream/internal/gateway"
	"github.com/kafkaupstream/kafkaupstream/plugins/kafkaupstream/apisix"
	"github.com/twmb/franz-go/pkg/kfake"
)

const (
	mega = 1e6
	// bodyBytes is a body's where it is not what grows.
	bodyBytes = 200
	// waiters are the connections where they are not what grows.
	waiters  = 32
	jsonType = "application/json"
)

// stand is where curves are measured.
type stand struct {
	ctx         context.Context
	o           options
	dir, binary string
	out         *rig.Curves
	started     int
}

// runner is a process that is measured, with the way to its routes.
type runner struct {
	*rig.Process
	s      *stand
	client *gateway.Client
}

// start starts a runner with the Kafka plugin. spool "": it has no disk.
func (s *stand) start(spool string) (*runner, error) {
	s.started++
	args := []string{"plugin"}
	if spool != "" {
		args = []string{"-spool=" + spool, "plugin"}
	}
	p, err := rig.StartProcess(s.ctx, s.dir, s.binary, fmt.Sprint("runner-", s.started), args...)
	if err != nil {
		return nil, err
	}
	return &runner{p, s, gateway.NewClient(p.Socket, gateway.ClientOptions{})}, nil
}

func (r *runner) stop() {
	r.client.Close()
	r.Stop()
}

// with measures a runner without a disk.
func (s *stand) with(brokers string, measure func(r *runner, brokers string) error) error {
	r, err := s.start("")
	if err != nil {
		return err
	}
	defer r.stop()
	return measure(r, brokers)
}

// embedded measures a runner with the embedded broker.
func (s *stand) embedded(measure func(r *runner, brokers string) error) error {
	broker, err := devbroker.Start()
	if err != nil {
		return err
	}
	defer broker.Close()
	return s.with(broker.Address(), measure)
}

// simulated measures a runner with a broker of kfake, whose topics are its options.
func (s *stand) simulated(measure func(r *runner, brokers string) error, opts ...kfake.Opt) error {
	broker, err := kfake.NewCluster(append(opts, kfake.NumBrokers(1))...)
	if err != nil {
		return err
	}
	defer broker.Close()
	return s.with(broker.ListenAddrs()[0], measure)
}

// route is a configuration: keys of the route, and properties of the connection as name, value.
func route(brokers string, keys map[string]any, properties ...string) string {
	config := map[string]string{"bootstrap.servers": brokers}
	for i := 0; i < len(properties); i += 2 {
		config[properties[i]] = properties[i+1]
	}
	all := map[string]any{"config": config, "delivery": "sync"}
	for name, value := range keys {
		all[name] = value
	}
	text, err := json.Marshal(all)
	if err != nil {
		panic(err) // maps of texts and numbers
	}
	return string(text)
}

// prepare makes a route; its name must be new.
func (r *runner) prepare(name, conf string) (uint32, error) {
	return r.client.PrepareConf(r.s.ctx, name, []gateway.ConfEntry{{Name: apisix.Name, Value: conf}})
}

// call makes one request that must be answered with the status, and returns how long it took.
func (r *runner) call(token uint32, request *gateway.Request, status int) (time.Duration, error) {
	begin := time.Now()
	reply, err := r.client.Call(r.s.ctx, token, request)
	if err == nil && reply.Status != status {
		err = fmt.Errorf("status %d: %s", reply.Status, reply.Body)
	}
	if err != nil {
		return 0, fmt.Errorf("%w%s", err, r.Tail())
	}
	return time.Since(begin), nil
}

// measure has requests of the route for the stand's duration.
func (r *runner) measure(token uint32, connections int, requests rig.Requests) (rig.Sample, error) {
	load := rig.PluginLoad(r.Socket, token, connections, requests)
	defer load.Close()
	load.Run(r.s.ctx, r.s.o.duration/4) // a warm-up
	return r.charge(func() rig.Tally { return load.Run(r.s.ctx, r.s.o.duration) })
}

// times has n requests of the route, answered with the status.
func (r *runner) times(token uint32, connections int, n int64, status int, requests rig.Requests) (rig.Sample, error) {
	load := rig.PluginLoad(r.Socket, token, connections, requests)
	load.Expect = status
	defer load.Close()
	return r.charge(func() rig.Tally { return load.RunN(r.s.ctx, n) })
}

func (r *runner) charge(run func() rig.Tally) (rig.Sample, error) {
	return r.Measure(r.s.ctx, func() (rig.Tally, error) { return run(), nil })
}

// memory is what the process has in memory now, in MB.
func (r *runner) memory() (float64, error) {
	n, err := rig.Memory(r.PID(), "VmRSS")
	return float64(n) / mega, err
}

// addMemory adds what the process has in memory now to its curve, and returns it, in MB.
func (r *runner) addMemory(c *rig.Curve, x float64) (float64, error) {
	memory, err := r.memory()
	if err == nil {
		c.Add("memory of the process", "MB", x, memory)
	}
	return memory, err
}

func request(headers ...string) *gateway.Request {
	r := rig.NewRequest(rig.JSONBody(bodyBytes), jsonType)
	for i := 0; i < len(headers); i += 2 {
		r.Headers = append(r.Headers, gateway.Entry{Name: headers[i], Value: headers[i+1]})
	}
	return r
}

// varying are requests with a header whose value changes with each.
func varying(header string, value func() string) rig.Requests {
	return func() func() *gateway.Request {
		r := request(header, "")
		last := &r.Headers[len(r.Headers)-1]
		return func() *gateway.Request {
			last.Value = value()
			return r
		}
	}
}

// oneOf is a header's value: the prefix and a number below n, any of them.
func oneOf(prefix string, n int) func() string {
	return func() string { return prefix + strconv.Itoa(rand.IntN(n)) }
}

// each is a header's value: the prefix and the next number.
func each(prefix string, next *atomic.Int64) func() string {
	return func() string { return prefix + strconv.FormatInt(next.Add(1)-1, 10) }
}

func microseconds(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

// median is of what single calls took, in µs.
func median(took []time.Duration) float64 {
	slices.Sort(took)
	return microseconds(rig.Percentile(took, 0.5))
}

func addLoad(c *rig.Curve, name string, x float64, s rig.Sample) {
	c.Add("CPU, "+name, "µs of CPU a request", x, s.CPUMicros)
	c.Add("rate, "+name, "requests a second", x, s.Rate)
	c.Add("p50, "+name, "ms", x, s.Micros(0.5)/1e3)
	c.Add("p99, "+name, "ms", x, s.Micros(0.99)/1e3)
	c.Add("failed, "+name, "% of the requests", x, 100*float64(s.Failed)/float64(s.Failed+s.Answered))
}

const ok = http.StatusOK
