package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/gateway"
	"github.com/kafkaupstream/kafkaupstream/plugins/kafkaupstream/apisix"
)

// Names of the subjects, each a process of its own.
const (
	host   = "host"  // this project's host, a plugin that reads the body and answers
	stock  = "stock" // the stock runner with that plugin
	async  = "async" // this project's host with the Kafka plugin, answering what is queued
	synced = "sync"  // the same, answering what is acknowledged
	// The plugin's core behind plain HTTP.
	serveAsync  = "serve-async"
	serveSynced = "serve-sync"
)

// subjects are all of them, in the order of a round, with the mode of the runner.
var subjects = []subjectMode{{host, "host"}, {stock, "stock"}, {async, "plugin"}, {synced, "plugin"}, {serveAsync, modeServe}, {serveSynced, modeServe}}

const modeServe = "serve"

type subjectMode struct{ name, mode string }

// settle lets a runner become idle, with everything done that it was asked to do.
const settle = 10 * time.Millisecond

// subject is a runner under measurement.
type subject struct {
	name   string
	serves bool // plain HTTP
	proc   *process
	token  uint32

	// Of those that produce; broker is nil for the others.
	broker   *broker
	topic    string
	answered int64 // so many records must be in the topic
}

// begin starts the subject's process and configures it. broker is nil for a
// subject that does not produce.
func begin(ctx context.Context, dir, binary, name, mode, profiles string, b *broker) (*subject, error) {
	s := &subject{name: name, serves: mode == modeServe, broker: b}
	conf := "{}"
	if b != nil {
		s.topic = "bench-" + name
		conf = fmt.Sprintf(`{"config":{"bootstrap.servers":%q},"topic":%q,"delivery":%q}`, b.embedded.Address(), s.topic, strings.TrimPrefix(name, "serve-"))
	}
	proc, err := startProcess(ctx, dir, binary, name, "-profiles="+profiles, "-conf="+conf, mode)
	if err != nil {
		return nil, err
	}
	if s.proc = proc; s.serves {
		return s, nil
	}
	client := gateway.NewClient(proc.socket, gateway.ClientOptions{})
	defer client.Close()
	s.token, err = client.PrepareConf(ctx, "bench", []gateway.ConfEntry{{Name: apisix.Name, Value: conf}})
	if err != nil {
		proc.stop()
		return nil, fmt.Errorf("runner %s: %w%s", name, err, proc.tail())
	}
	return s, nil
}

// loadFor makes the load of a cell on this subject.
func (s *subject) loadFor(c cell, body []byte, contentType string) *load {
	if s.serves {
		return httpLoad(s.proc.socket, c.Connections, body, contentType)
	}
	return pluginLoad(s.proc.socket, s.token, c.Connections, body, contentType)
}

// sample is one run of one subject.
type sample struct {
	CPUMicros float64 // of the runner's process, per answered request
	Rate      float64 // answered requests per second
	tally
}

// measure puts load on the subject for the time d, and ends when everything that
// was answered is done: a record that is still queued costs CPU time yet.
func (s *subject) measure(ctx context.Context, l *load, d time.Duration) (sample, error) {
	before, err := cpuTime(s.proc.pid())
	if err != nil {
		return sample{}, err
	}
	begin := time.Now()
	t := l.run(ctx, d)
	if err := ctx.Err(); err != nil {
		return sample{}, err
	}
	if t.Answered == 0 {
		return sample{}, fmt.Errorf("runner %s answered nothing: %w%s", s.name, t.failure, s.proc.tail())
	}
	if s.broker != nil {
		s.answered += t.Answered
		if err := s.broker.await(ctx, s.topic, s.answered); err != nil {
			return sample{}, fmt.Errorf("runner %s: %w%s", s.name, err, s.proc.tail())
		}
		t.Elapsed = time.Since(begin)
	}
	time.Sleep(settle)
	after, err := cpuTime(s.proc.pid())
	if err != nil {
		return sample{}, err
	}
	n := float64(t.Answered)
	return sample{
		CPUMicros: float64((after - before).Nanoseconds()) / 1e3 / n,
		Rate:      n / t.Elapsed.Seconds(),
		tally:     t,
	}, nil
}
