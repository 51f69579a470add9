package check

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/kafkaupstream/kafkaupstream/internal/apisixroute"
	"github.com/kafkaupstream/kafkaupstream/internal/check/port"
	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/routeconf"
)

type Options struct {
	// Text is the document to be checked; see [Lint].
	Text []byte
	// Limits are the front's that serves the routes.
	Limits routeconf.Limits
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
	// SpoolFull is why that keeps no records at the moment, or may soon not; empty: it does, or is not known.
	SpoolFull string
	// Timeout is how long each step may take.
	Timeout time.Duration
	// Resolve returns the secret behind a reference; see [secrets.Resolver].
	Resolve func(string) (string, error)
	// Variable returns what APISIX takes from its environment; see
	// [apisixroute.Environment]. nil: nothing is known of it.
	Variable apisixroute.Environment
	// AllowReference refuses references to secrets that the runner would refuse; nil:
	// every one is allowed.
	AllowReference func(value string) error
	// OnFinding, OnConfig and OnStep are called as soon as something is known; nil for
	// nobody. OnConfig is called where a document has several configurations, with
	// the one to which the following steps belong.
	OnFinding func(Finding)
	OnConfig  func(Config)
	OnStep    func(Step)
}

// way is the way of one configuration to Kafka, walked step by step.
type way struct {
	opts      *Options
	report    *Report
	config    Config
	several   bool // there are other configurations
	redact    func(string) string
	interrupt context.Context // of the whole check; a step's ends earlier

	props   kafkaconf.Properties // effective, secrets resolved
	blocked string               // why the following steps are skipped, "" when they are not
	ports   *port.Prober         // from the network step on
	kafka   *client              // nil until librdkafka has taken the properties
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

// told is what looking at a port came to.
func told(message string, err error) outcome {
	if doubt, is := errors.AsType[port.Doubt](err); is {
		return warn("%s", doubt)
	}
	if err != nil {
		return fail("%s", err)
	}
	return ok("%s", message)
}

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
	s := Step{Name: name, Target: target, Status: o.status, Message: message, Duration: time.Since(start)}
	if w.several {
		s.Resource, s.Config = w.config.Resource, w.config.Path
	}
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
