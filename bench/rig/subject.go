package rig

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/gateway"
	"github.com/kafkaupstream/kafkaupstream/plugins/kafkaupstream/apisix"
)

// Names of the subjects, each a process of its own.
const (
	Host    = "host"    // this project's host, a plugin that reads the body and answers
	Stock   = "stock"   // the stock runner with that plugin
	Async   = "async"   // this project's host with the Kafka plugin, answering what is queued
	Sync    = "sync"    // the same, answering what is acknowledged
	Durable = "durable" // the same, with a disk to keep what is not
	// The plugin's core behind plain HTTP.
	ServeAsync = "serve-async"
	ServeSync  = "serve-sync"
	// Nginx reads nothing, and answers as long a text as the others.
	Nginx = "nginx"
)

// modes are the subjects in the order of a round, with the mode of the runner.
var modes = []struct{ name, mode string }{
	{Host, "host"}, {Stock, "stock"}, {Async, modePlugin}, {Sync, modePlugin}, {Durable, modePlugin}, {ServeAsync, modeServe}, {ServeSync, modeServe}, {Nginx, Nginx},
}

const (
	modePlugin = "plugin"
	modeServe  = "serve"
)

// Subjects are the names of all subjects that this machine can run, in the order of a round: nginx is one where it is installed.
func Subjects() (names []string) {
	for _, m := range modes {
		if m.name == Nginx {
			if _, err := exec.LookPath(Nginx); err != nil {
				continue
			}
		}
		names = append(names, m.name)
	}
	return names
}

// settle lets a runner become idle, with everything done that it was asked to do.
const settle = 10 * time.Millisecond

// Subject is a runner under measurement.
type Subject struct {
	Name string
	Proc *Process

	http  bool // plain HTTP
	token uint32

	// Of those that produce; broker is nil for the others.
	broker   *Broker
	topic    string
	answered int64 // so many records must be in the topic
	failed   int64 // and so many more may be
}

// Setup is what a subject is started with.
type Setup struct {
	Dir      string // its sockets, output and spool are in it
	Binary   string // the runners' program
	Profiles string // "": none
	Broker   *Broker
	// Tag tells two of a name apart.
	Tag string
}

// Begin starts a subject's process and configures it.
func Begin(ctx context.Context, name string, o Setup) (*Subject, error) {
	mode := modes[slices.IndexFunc(modes, func(m struct{ name, mode string }) bool { return m.name == name })].mode
	s := &Subject{Name: name, http: mode == modeServe || mode == Nginx}
	conf := "{}"
	if mode == modePlugin || mode == modeServe {
		s.broker, s.topic = o.Broker, "bench-"+name+o.Tag
		if err := o.Broker.create(s.topic); err != nil {
			return nil, err
		}
		conf = fmt.Sprintf(`{"config":{"bootstrap.servers":%q},"topic":%q,"delivery":%q}`, o.Broker.Address, s.topic, strings.TrimPrefix(name, "serve-"))
	}
	var err error
	if mode == Nginx {
		s.Proc, err = startNginx(ctx, o.Dir)
	} else {
		args := []string{"-profiles=" + o.Profiles, "-conf=" + conf}
		if name == Durable { // runners of earlier revisions know no -spool
			args = append(args, "-spool="+filepath.Join(o.Dir, name+o.Tag+".spool"))
		}
		s.Proc, err = StartProcess(ctx, o.Dir, o.Binary, name+o.Tag, append(args, mode)...)
	}
	if err != nil || s.http {
		return s, err
	}
	client := gateway.NewClient(s.Proc.Socket, gateway.ClientOptions{})
	defer client.Close()
	s.token, err = client.PrepareConf(ctx, "bench", []gateway.ConfEntry{{Name: apisix.Name, Value: conf}})
	if err != nil {
		s.Proc.Stop()
		return nil, fmt.Errorf("runner %s: %w%s", name, err, s.Proc.Tail())
	}
	return s, nil
}

func (s *Subject) Load(connections int, body []byte, contentType string) *Load {
	if s.http {
		return HTTPLoad("unix", s.Proc.Socket, connections, body, contentType)
	}
	return PluginLoad(s.Proc.Socket, s.token, connections, Same(body, contentType))
}

// Sample is one run of one subject.
type Sample struct {
	CPUMicros float64 // of the runner's process, per answered request
	Rate      float64 // answered requests per second
	Tally
}

// Micros is the latency that the p-th part of the answered calls did not exceed.
func (s Sample) Micros(p float64) float64 { return float64(Percentile(s.Took, p).Nanoseconds()) / 1e3 }

// Measure puts load on the subject for the time d, and ends when everything that
// was answered is done: a record that is still queued costs CPU time yet.
func (s *Subject) Measure(ctx context.Context, l *Load, d time.Duration) (Sample, error) {
	return s.Proc.Measure(ctx, func() (Tally, error) {
		t := l.Run(ctx, d)
		if s.broker == nil || t.Answered == 0 {
			return t, nil
		}
		s.answered, s.failed = s.answered+t.Answered, s.failed+t.Failed
		return t, s.broker.Await(ctx, s.topic, s.answered, s.failed, arrivalWait)
	})
}

// Measure charges the process for a load, and for what load waits for after it.
func (p *Process) Measure(ctx context.Context, load func() (Tally, error)) (Sample, error) {
	before, err := CPUTime(p.PID())
	if err != nil {
		return Sample{}, err
	}
	begin := time.Now()
	t, err := load()
	t.Elapsed = time.Since(begin)
	switch {
	case ctx.Err() != nil:
		return Sample{}, ctx.Err()
	case err != nil:
		return Sample{}, fmt.Errorf("runner %s: %w%s", p.name, err, p.Tail())
	case t.Answered == 0:
		return Sample{}, fmt.Errorf("runner %s answered nothing: %w%s", p.name, t.Failure, p.Tail())
	}
	time.Sleep(settle)
	after, err := CPUTime(p.PID())
	if err != nil {
		return Sample{}, err
	}
	n := float64(t.Answered)
	return Sample{CPUMicros: float64((after - before).Nanoseconds()) / 1e3 / n, Rate: n / t.Elapsed.Seconds(), Tally: t}, nil
}
