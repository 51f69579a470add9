package check

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/secrets"
)

// Options of a check.
type Options struct {
	// Text is the document to be checked; see [Lint].
	Text []byte
	// Offline leaves out all that needs the network or a secret.
	Offline bool
	// Topic is the only topic that is written to. "": none, and the topics that the
	// configurations name are described.
	Topic string
	// Large sends a record at the limit, Transactions one in a transaction. Both need
	// Topic.
	Large, Transactions bool
	// Spool: the process that serves the routes is known to have a spool.
	Spool bool
	// Timeout is how long each step may take.
	Timeout time.Duration
	// Resolve returns the secret behind a reference; see [secrets.Resolver].
	Resolve func(string) (string, error)
	// AllowReference refuses references to secrets that the runner would refuse; nil:
	// every one is allowed.
	AllowReference func(value string) error
	// OnFinding, OnConfig and OnStep are told as soon as something is known; nil for
	// nobody. OnConfig is called where a document has several configurations, with
	// the path of the one to which the following steps belong.
	OnFinding func(Finding)
	OnConfig  func(path string)
	OnStep    func(Step)
}

// Run checks a document. It returns early when ctx ends.
func Run(ctx context.Context, o Options) Report {
	findings, configs := Lint(o.Text)
	if !o.Spool {
		findings = append(findings, spoolNotes(configs)...)
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
	several := len(configs) > 1
	for _, c := range configs {
		if ctx.Err() != nil {
			break
		}
		w := &way{opts: &o, report: &report, redact: func(s string) string { return s }, config: c, interrupt: ctx}
		if several {
			w.configPath = c.Path
			if o.OnConfig != nil {
				o.OnConfig(c.Path)
			}
		}
		w.walk(ctx)
	}
	if ctx.Err() != nil {
		report.Interrupted = true
		report.worsen(Problem)
	}
	return report
}

// references returns what AllowReference refuses. A configuration with such a reference
// has no route: nothing of it is resolved.
func (o *Options) references(configs []Config) []Finding {
	l := &linter{}
	for i := range configs {
		c := &configs[i]
		if c.Route == nil || o.AllowReference == nil {
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

// way is the way of one configuration to Kafka, walked step by step.
type way struct {
	opts       *Options
	report     *Report
	config     Config
	configPath string // "" where there is only one
	redact     func(string) string
	interrupt  context.Context // of the whole check; a step's ends earlier

	props   kafkaconf.Properties // effective, secrets resolved
	blocked string               // why the following steps are skipped, "" when they are not
	secure  tlsSettings
	kafka   *client // nil until librdkafka has taken the properties
	brokers []kafka.BrokerMetadata
}

// outcome is what a step came to.
type outcome struct {
	status  Status
	message string
}

func ok(format string, args ...any) outcome   { return outcome{OK, fmt.Sprintf(format, args...)} }
func warn(format string, args ...any) outcome { return outcome{Warning, fmt.Sprintf(format, args...)} }
func fail(format string, args ...any) outcome { return outcome{Problem, fmt.Sprintf(format, args...)} }
func skip(format string, args ...any) outcome { return outcome{Skipped, fmt.Sprintf(format, args...)} }

// step does one step, unless ctx has ended. It reports whether the next may be done.
func (w *way) step(ctx context.Context, name, target string, do func(context.Context) outcome) bool {
	if ctx.Err() != nil {
		return false
	}
	start := time.Now()
	var o outcome
	if w.blocked != "" {
		o = skip("%s", w.blocked)
	} else {
		limited, cancel := context.WithTimeout(ctx, w.opts.Timeout)
		o = do(limited)
		cancel()
	}
	if ctx.Err() != nil { // what it came to is the interruption's fault
		return false
	}
	message := strings.Join(strings.Fields(w.redact(o.message)), " ") // one line, whatever a broker says
	s := Step{Name: name, Target: target, Status: o.status, Message: message, Duration: time.Since(start), Config: w.configPath}
	w.report.Steps = append(w.report.Steps, s)
	w.report.worsen(s.Status)
	if w.opts.OnStep != nil {
		w.opts.OnStep(s)
	}
	return o.status == OK || o.status == Warning
}

// block makes the following steps be skipped.
func (w *way) block(reason string) {
	if w.blocked == "" {
		w.blocked = reason
	}
}

// needs does a step without which the following make no sense.
func (w *way) needs(ctx context.Context, name, target string, do func(context.Context) outcome) {
	if !w.step(ctx, name, target, do) {
		w.block(name + " failed")
	}
}

// walk does all steps.
func (w *way) walk(ctx context.Context) {
	if w.config.Route == nil {
		w.block("the configuration has problems")
	} else {
		w.props = w.config.Route.Connection().Properties()
		w.redact = kafkaconf.Redactor(literals(w.props))
		w.secrets(ctx)
	}
	w.network(ctx)
	w.needs(ctx, "librdkafka", "", w.open)
	defer w.close()
	if w.config.Route != nil && usesSASL(w.props) {
		w.needs(ctx, "login", "", w.login)
	}
	w.needs(ctx, "metadata", "", w.metadata)
	w.advertised(ctx)
	w.topics(ctx)
}

// literals are the properties that are no references, which may be shown.
func literals(props kafkaconf.Properties) kafkaconf.Properties {
	props = maps.Clone(props)
	maps.DeleteFunc(props, func(_, value string) bool { return secrets.IsReference(value) })
	return props
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
		props, err := w.config.Route.Connection().Resolve(w.opts.Resolve)
		if err != nil {
			return fail("config.%v", err)
		}
		w.props = props
		w.redact = kafkaconf.Redactor(w.props)
		return ok("%s read", plural(references, "secret"))
	})
}

// await returns what f returns, or an error when ctx ends before. f may go on then:
// librdkafka's calls cannot be interrupted.
func await[T any](ctx context.Context, f func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		v, err := f()
		done <- result{v, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}
