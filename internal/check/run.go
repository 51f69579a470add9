package check

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/secrets"
)

// Run checks a document. It returns early when ctx ends.
func Run(ctx context.Context, o Options) Report {
	findings, configs := Lint(o.Text, o.Limits, o.variable)
	if !o.Spool {
		findings = append(findings, spoolFindings(configs, Note, func(c Config) string {
			if c.ofServe {
				return "without it serve does not start"
			}
			return "without it every request is answered 500"
		})...)
	}
	if o.SpoolFull != "" {
		findings = append(findings, spoolFindings(configs, Warning, func(Config) string { return o.SpoolFull })...)
	}
	findings = append(findings, o.references(configs)...)
	report := Report{Status: OK, Findings: append([]Finding{}, findings...), Steps: []Step{}}
	for _, f := range findings {
		report.worsen(f.Status)
		if o.OnFinding != nil {
			o.OnFinding(f)
		}
	}
	if o.Offline {
		return report
	}
	configs = slices.DeleteFunc(configs, func(c Config) bool { return c.Skipped })
	several := len(configs) > 1
	for _, c := range configs {
		if ctx.Err() != nil {
			break
		}
		w := &way{opts: &o, report: &report, redact: func(s string) string { return s }, config: c, interrupt: ctx, several: several}
		if several && o.OnConfig != nil {
			o.OnConfig(c)
		}
		w.walk(ctx)
	}
	if ctx.Err() != nil {
		report.Interrupted = true
		report.worsen(Problem)
	}
	return report
}

// variable returns what APISIX's documents refer to in the environment.
func (o *Options) variable(name string) (string, error) {
	if o.Variable == nil {
		return "", secrets.ErrNotSet
	}
	return o.Variable(name)
}

// references returns what AllowReference refuses. A configuration with such a reference
// has no route: nothing of it is resolved.
func (o *Options) references(configs []Config) []Finding {
	l := &linter{}
	for i := range configs {
		c := &configs[i]
		if c.Route == nil || c.Skipped || o.AllowReference == nil {
			continue
		}
		l.within = c.Resource
		for _, p := range c.Route.CheckReferences(o.AllowReference) {
			l.problem(join(c.Path, p.Path), "%s", p.Message)
			c.Route = nil
		}
	}
	return l.findings
}

// walk does all steps.
func (w *way) walk(ctx context.Context) {
	if w.config.Route == nil {
		w.block("the configuration has problems")
	} else {
		w.props = w.config.Route.Conn.Properties()
		w.redact = kafkaconf.Redactor(literals(w.props))
		w.secrets(ctx)
		w.registries(ctx)
	}
	w.network(ctx)
	w.needs(ctx, "librdkafka", "", w.open)
	defer w.close()
	if w.config.Route != nil && w.props.UsesSASL() {
		w.needs(ctx, "login", "", w.login)
	}
	w.needs(ctx, "metadata", "", w.metadata)
	w.advertised(ctx)
	w.topics(ctx)
}

// topics looks at the route's own topic and at the one that is written to, where that is wanted.
func (w *way) topics(ctx context.Context) {
	topic, own := w.opts.Topic, ""
	if w.config.Route != nil {
		own = w.config.Route.Topic()
	}
	if topic != "" && own != "" && own != topic {
		w.step(ctx, "topic", own, func(ctx context.Context) outcome { return w.describe(ctx, own) })
	}
	if topic = cmp.Or(topic, own); topic == "" && w.blocked == "" {
		w.step(ctx, "topic", "", func(context.Context) outcome {
			return skip("it depends on the request; --topic names one to look at")
		})
	} else {
		w.needs(ctx, "topic", topic, func(ctx context.Context) outcome { return w.describe(ctx, topic) })
	}
	if w.opts.Topic == "" {
		w.roundTrips(ctx, "")
		return
	}
	w.needs(ctx, "record", topic, func(ctx context.Context) outcome { return w.record(ctx, topic) })
	if w.opts.Large {
		w.step(ctx, "large", topic, func(ctx context.Context) outcome { return w.large(ctx, topic) })
	}
	if w.opts.Transactions || w.config.Route != nil && w.config.Route.Mode.Transactional {
		w.step(ctx, "transaction", topic, func(ctx context.Context) outcome { return w.transaction(ctx, topic) })
	}
	w.roundTrips(ctx, topic)
}

// literals are the properties that are no references, which may be shown.
func literals(props kafkaconf.Properties) kafkaconf.Properties {
	props = maps.Clone(props)
	maps.DeleteFunc(props, func(_, value string) bool { return secrets.IsReference(value) })
	return props
}

// registries reads what schema registries need before they are asked. Kafka can be looked at without them.
func (w *way) registries(ctx context.Context) {
	for _, s := range w.config.Route.OfRegistries() {
		w.step(ctx, "registry", s.Path, func(context.Context) outcome {
			if err := s.Registry.Resolving(w.opts.Resolve).CanAsk(); err != nil {
				return fail("%v", err)
			}
			return ok("certificates and credentials are there; it is not asked")
		})
	}
}

// secrets resolves the references among the properties, if there are any.
func (w *way) secrets(ctx context.Context) {
	references := 0
	for _, value := range w.props {
		if secrets.IsReference(value) {
			references++
		}
	}
	if references == 0 {
		return
	}
	w.needs(ctx, "secrets", "", func(context.Context) outcome {
		props, err := w.config.Route.Conn.Resolve(w.opts.Resolve)
		if err != nil {
			return fail("config.%v", err)
		}
		w.props = props
		w.redact = kafkaconf.Redactor(w.props)
		return ok("%s read", plural(references, "secret"))
	})
}
