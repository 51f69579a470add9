package main

import (
	"slices"

	"github.com/kafkaupstream/kafkaupstream/internal/admin"
	"github.com/kafkaupstream/kafkaupstream/internal/metrics"
)

// serveAdmin ties the metrics to what runs, and begins to serve them where they are asked for. front is the sources of the
// front's numbers.
func (r *inner) serveAdmin(opts runnerOptions, ready func() admin.Readiness, front metrics.Sources) {
	if r.metrics == nil {
		return
	}
	r.admin = admin.New(admin.Options{
		Address: opts.admin, Metrics: r.metrics.Handler(opts.log), Ready: ready, Profiles: opts.pprof, Log: opts.log,
	})
	sources := r.core.Sources()
	sources.Host, sources.Front = front.Host, front.Front
	sources.LogLinesDropped, sources.AdminAttempts = opts.linesDropped, r.admin.Attempts
	r.metrics.Watch(sources)
	r.admin.Start()
}

// readiness is the core's, where APISIX's calls are accepted.
func (r *runner) readiness() admin.Readiness {
	out := r.core.Readiness()
	if !r.server.Listening() {
		out.Reasons = slices.Insert(out.Reasons, 0, "APISIX cannot connect: the socket is not there, or the runner is stopping")
	}
	return out
}
