package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/kafkaupstream/kafkaupstream/internal/admin"
	"github.com/kafkaupstream/kafkaupstream/internal/metrics"
)

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
	sources := r.core.Sources()
	sources.Host, sources.LogLinesDropped, sources.AdminAttempts = r.server.Stats, opts.linesDropped, r.admin.Attempts
	m.Watch(sources)
	r.admin.Start()
}

// readiness is the core's, where APISIX's calls are accepted.
func (r *runner) readiness() admin.Readiness {
	out := r.core.Readiness()
	if !r.server.Listening() {
		out.Reasons = slices.Insert(out.Reasons, 0, "APISIX cannot connect: the socket is not there, or the runner is stopping")
	}
	out.Ready = len(out.Reasons) == 0
	return out
}
