package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/admin"
	"github.com/kafkaupstream/kafkaupstream/internal/metrics"
	"github.com/kafkaupstream/kafkaupstream/internal/producer"
)

// brokerStatsInterval is how often librdkafka makes its statistics for the metrics.
const brokerStatsInterval = 10 * time.Second

// checkAdmin reads --admin and --pprof.
func (o *runnerOptions) checkAdmin() (err error) {
	if o.admin == "" {
		if o.pprof {
			return errors.New("--pprof is served at --admin, which is not set")
		}
		return nil
	}
	if o.admin, err = admin.ParseAddress(o.admin); err != nil {
		return fmt.Errorf("--admin: %w", err)
	}
	return nil
}

// serveAdmin ties the metrics to what runs, and begins to serve them.
func (r *runner) serveAdmin(m *metrics.Metrics, opts runnerOptions) {
	r.admin = admin.New(admin.Options{
		Address: opts.admin, Metrics: m.Handler(opts.log), Ready: r.readiness, Profiles: opts.pprof, Log: opts.log,
	})
	sources := metrics.Sources{
		Producers: r.pool.Stats, Host: r.server.Stats, LogLinesDropped: opts.linesDropped, AdminAttempts: r.admin.Attempts,
	}
	if r.queue != nil {
		sources.Spool = r.queue.Stats
	}
	if r.tracer != nil {
		sources.Spans = r.tracer.Stats
	}
	m.Watch(sources)
	r.admin.Start()
}

// maxClusters bounds the clusters that a reply about readiness names.
const maxClusters = 100

// readiness reports whether this runner can serve: it accepts APISIX's calls, it can
// write to its spool if it has one, and at least one of its connections can take a
// record: the cluster answers, or its state is not known yet, or its records can be kept
// on disk. One failing cluster of several is only a warning, so that the routes of the
// others stay in service.
func (r *runner) readiness() admin.Readiness {
	var out admin.Readiness
	refuse := func(reason string) { out.Reasons = append(out.Reasons, reason) }
	warn := func(warning string) { out.Warnings = append(out.Warnings, warning) }

	if !r.server.Listening() {
		refuse("APISIX cannot connect: the socket is not there, or the runner is stopping")
	}
	if r.queue != nil {
		open, owner := r.queue.State()
		switch {
		case !open:
			refuse("the spool's directory cannot be opened, or is not in its place any more: durable routes can keep no record")
		case !owner:
			warn("another process has the spool: what this one keeps is sent after that process has ended")
		}
	}
	producers := r.pool.Stats().Producers
	invalid, down, stuck := 0, 0, 0
	for i, p := range producers {
		switch p.State {
		case producer.StateInvalid:
			invalid++
		case producer.StateDown:
			if down++; r.queue == nil || !r.queue.Keeps(&p) {
				stuck++
			}
		}
		if i < maxClusters {
			out.Clusters = append(out.Clusters, admin.Cluster{
				Producer: p.ID, Brokers: p.Brokers, Delivery: p.Mode.String(), State: string(p.State), Reason: p.Reason,
			})
		}
	}
	if down > 0 {
		warn(fmt.Sprintf("the clusters of %d of %d connections do not answer", down, len(producers)))
	}
	if invalid > 0 {
		warn(fmt.Sprintf("%d of %d connections cannot be made: a property is refused, or a secret cannot be read", invalid, len(producers)))
	}
	if stuck > 0 && stuck == len(producers)-invalid {
		refuse("no cluster answers")
	}
	out.Ready = len(out.Reasons) == 0
	return out
}
