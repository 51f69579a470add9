package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/admin"
	"github.com/kafkaupstream/kafkaupstream/internal/bytesize"
	"github.com/kafkaupstream/kafkaupstream/internal/core"
	"github.com/kafkaupstream/kafkaupstream/internal/extplugin"
	"github.com/kafkaupstream/kafkaupstream/internal/logging"
	"github.com/kafkaupstream/kafkaupstream/internal/metrics"
	"github.com/kafkaupstream/kafkaupstream/internal/secrets"
	"github.com/kafkaupstream/kafkaupstream/plugins/kafkaupstream/apisix"
)

const (
	// unsupervisedDrain ends before the KILL that APISIX sends 1 s after TERM.
	unsupervisedDrain = 800 * time.Millisecond
	// supervisedDrain is the longest that a process lives which nobody kills.
	supervisedDrain = 10 * time.Second
	// defaultTakeover is more than the longest time until APISIX's next runner listened: a second, and more than five
	// where thirty other processes wanted two cores.
	defaultTakeover = 30 * time.Second
	// maxUnsupervisedTakeover is the longest that the next runner may take to take over from one that is one process:
	// APISIX starts it at about the time it stops this one.
	maxUnsupervisedTakeover = time.Second
	// parentInterval is how often run looks whether its parent is still there.
	parentInterval = 250 * time.Millisecond
	// logWait is how long the last log lines may take to be written.
	logWait = 100 * time.Millisecond

	defaultSecretsDir = "/run/secrets"
	minSpoolBytes     = 1 << 20
	minInflightBytes  = 1 << 20
)

// logLevels are those of internal/logging.
var logLevels = []string{"debug", "info", "warn", "error"}

// errUnclean is the outcome of a drain that had to leave something behind; what it
// was has been logged.
var errUnclean = errors.New("not everything was finished within the drain timeout")

// runOptions are run's flags and environment.
type runOptions struct {
	runnerOptions
	supervise       bool
	drain, takeover time.Duration

	level   slog.Level
	format  logging.Format
	logFile string // "": standard error
}

// readRunOptions reads and checks them. A wrong flag has been printed where the error is errUsage.
func readRunOptions(env environment) (o runOptions, err error) {
	fs := newFlags(env.command)
	fs.DurationVar(&o.drain, "drain-timeout", 0, "how long calls and queued records may take at the end (default 10s; 800ms when APISIX stops for good, and without --supervise)")
	fs.BoolVar(&o.supervise, "supervise", true, "serve in a separate worker process: it keeps serving during a reload until the next worker takes over, and is restarted if it dies")
	fs.DurationVar(&o.takeover, "takeover-timeout", defaultTakeover, "how long a worker that APISIX has stopped keeps serving if no next one takes over")
	socketUsers := fs.String("socket-users", "", "`users` beside APISIX's that may speak to the socket: names or ids, * for everybody")
	check := o.coreFlags(fs)
	if err := fs.parse(env, true); err != nil {
		return o, err
	}
	if !fs.given("drain-timeout") {
		if o.drain = unsupervisedDrain; o.supervise {
			o.drain = supervisedDrain
		}
	}
	if err = check(); err == nil {
		if o.peers, err = extplugin.ParsePeers(*socketUsers); err != nil {
			err = fmt.Errorf("--socket-users: %w", err)
		}
	}
	if err != nil {
		return o, fs.misused(env, "%v", err)
	}
	if o.socket, err = extplugin.SocketPath(env.getenv(extplugin.EnvListenAddress)); err != nil {
		return o, err
	}
	o.confTTL, err = extplugin.ConfTTL(env.getenv(extplugin.EnvConfExpireTime))
	return o, err
}

// coreFlags are the flags that do not depend on the front. check says what is wrong with the first wrong value of
// those, once they are parsed.
func (o *runOptions) coreFlags(fs *flags) (check func() error) {
	fs.section("Log")
	level := fs.choice("log-level", "info", "the least `level` that is logged: debug, info, warn or error", logLevels...)
	format := fs.choice("log-format", "text", "the log's `format`: text, or json, an object a line", "text", "json")
	fs.StringVar(&o.logFile, "log-file", "", "append the log to this `file`, not to standard error (under APISIX its error.log); may be renamed or removed at any time")
	fs.section("Records on disk and in memory")
	fs.StringVar(&o.core.SpoolDir, "spool-dir", "", "`directory` on a local disk for durable delivery, and for records still queued at SIGTERM")
	sizeVar(fs, &o.core.SpoolMaxBytes, "spool-max-bytes", 1<<30, "the `size` that --spool-dir may have at most")
	letters := fs.choice("dead-letters", "drop-oldest", "`what` happens when dead letters fill their eighth of --spool-max-bytes: drop-oldest deletes the oldest, refuse keeps new ones among the records that wait", "drop-oldest", "refuse")
	sizeVar(fs, &o.core.MaxInflightBytes, "max-inflight-bytes", 256<<20, "the `size` that requests and queued records may have in memory at most")
	fs.section("Secrets")
	fs.StringVar(&o.secretsDir, "secrets-dir", defaultSecretsDir, "`directory` where $file:// references in a route's config are looked up")
	secretsEnv := fs.String("secrets-env", secrets.DefaultNames, "the variables that $env:// references may name: a `list`, * at the end of a name for any ending")
	fs.section("What an operator sees")
	addressVar(fs, &o.admin, "admin", "", isNone, "`address` for metrics, /healthz and /readyz; a port alone is on the loopback interface")
	fs.BoolVar(&o.pprof, "pprof", false, "serve /debug/pprof at --admin too")
	fs.StringVar(&o.core.Notify.Command, "notify-command", "", "shell `command` to run when a stream stops or a dead letter appears; it gets JSON on standard input")
	fs.StringVar(&o.core.Notify.Webhook, "notify-webhook", "", "`URL` to POST the same JSON to")
	return func() error { return o.checkFlags(*level, *format, *letters, *secretsEnv) }
}

// checkFlags reads the values of the flags that are texts, and says what is wrong with the first wrong one.
func (o *runOptions) checkFlags(level, format, letters, secretsEnv string) (err error) {
	if o.drain < 0 || o.takeover < 0 {
		return errors.New("--drain-timeout and --takeover-timeout cannot be negative")
	}
	if o.level, err = logging.ParseLevel(level); err != nil {
		return err
	}
	if o.format, err = logging.ParseFormat(format); err != nil {
		return err
	}
	if o.core.SpoolMaxBytes < minSpoolBytes || o.core.MaxInflightBytes < minInflightBytes {
		return fmt.Errorf("--spool-max-bytes is at least %s, --max-inflight-bytes at least %s", bytesize.Format(minSpoolBytes), bytesize.Format(minInflightBytes))
	}
	if o.core.DropLetters, err = dropsLetters(letters); err != nil {
		return err
	}
	if err := o.core.Notify.Validate(); err != nil {
		return fmt.Errorf("notify: %w", err)
	}
	if o.pprof && o.admin == "" {
		return errors.New("--pprof is served at --admin, which is not set")
	}
	if o.secretNames, err = secrets.ParseNames(secretsEnv); err != nil {
		return fmt.Errorf("--secrets-env: %w", err)
	}
	return nil
}

// run serves APISIX until a signal comes or the parent is gone.
func run(ctx context.Context, env environment) error {
	o, err := readRunOptions(env)
	if err != nil {
		return err
	}
	if err := o.checkLogFile(); err != nil { // a worker, which is started again, has to serve without
		return err
	}
	if o.supervise {
		return supervise(ctx, env, o)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go watchParent(ctx, cancel)
	return serveAPISIX(ctx, env, o, func(r *runner) error { return r.stop(context.Background(), o.drain, 0) })
}

func (o *runOptions) checkLogFile() error {
	if o.logFile == "" {
		return nil
	}
	if err := logging.CheckFile(o.logFile); err != nil {
		return fmt.Errorf("--log-file: %w", err)
	}
	return nil
}

// serveAPISIX serves until ctx ends, and then stops as stop does.
func serveAPISIX(ctx context.Context, env environment, o runOptions, stop func(*runner) error) error {
	log := openLog(env, &o)
	defer log.Close(logWait)
	r, err := startRunner(o.runnerOptions)
	if err != nil {
		return err
	}
	b := build()
	o.log.Info("kafkaupstream started", "version", b.Version, "commit", b.Commit, "librdkafka", b.Librdkafka,
		"socket", o.socket, "spool", cmp.Or(o.core.SpoolDir, "none"), "pid", os.Getpid())
	<-ctx.Done()
	o.log.Info("kafkaupstream is stopping", "reason", context.Cause(ctx), "drain_timeout", o.drain)
	r.admin.Close() // the next runner waits for its address
	return stop(r)
}

// openLog opens the log, for o too.
func openLog(env environment, o *runOptions) *logging.Logger {
	// When APISIX is killed, the other end of standard error closes. Writing a line then
	// raises SIGPIPE, which would end this process before it has drained.
	signal.Ignore(syscall.SIGPIPE)
	out := env.stderr
	if o.logFile != "" {
		out = logging.NewFile(o.logFile, env.stderr)
		// Who rotates logs sends one of these. Each would end this process.
		signal.Reset(syscall.SIGHUP)
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP, syscall.SIGUSR1)
	}
	log := logging.NewFormat(out, o.level, o.format)
	o.getenv, o.log, o.linesDropped = env.getenv, log.Logger, log.Dropped
	return log
}

// dropsLetters reads the value of --dead-letters.
func dropsLetters(value string) (bool, error) {
	switch value {
	case "drop-oldest":
		return true, nil
	case "refuse":
		return false, nil
	}
	return false, fmt.Errorf("--dead-letters is drop-oldest or refuse, not %q", value)
}

type runnerOptions struct {
	core         core.Options
	secretsDir   string
	secretNames  secrets.Names
	socket       string
	inherited    *extplugin.Socket // nil: one is opened
	confTTL      time.Duration
	peers        extplugin.Peers
	admin        string // "": metrics and health are not served
	pprof        bool
	getenv       func(string) string
	log          *slog.Logger
	linesDropped func() int64 // of log
}

// inner is the core with what shows it to its operator; a front is to be added.
type inner struct {
	log     *slog.Logger
	core    *core.Core
	metrics *metrics.Metrics // nil without --admin
	admin   *admin.Server    // nil without --admin, and before serveAdmin
}

func startInner(opts runnerOptions) inner {
	c := opts.core
	c.Secrets, c.Getenv = secrets.New(opts.secretsDir, opts.getenv, opts.secretNames), opts.getenv
	c.Version, c.Log = build().Version, opts.log
	if opts.admin != "" {
		c.Metrics = metrics.New(build())
	}
	return inner{log: opts.log, core: core.New(c), metrics: c.Metrics}
}

// runner is the core with APISIX's way in.
type runner struct {
	inner
	server *extplugin.Server
}

func startRunner(opts runnerOptions) (_ *runner, err error) {
	r := &runner{inner: startInner(opts)}
	host := extplugin.Options{SocketPath: opts.socket, Socket: opts.inherited, ConfTTL: opts.confTTL, Peers: opts.peers, Log: opts.log, Memory: r.core}
	if r.server, err = extplugin.Listen(host, apisix.New(r.core.Handler, opts.log)); err != nil {
		r.core.Drain(context.Background()) // nothing was served
		return nil, err
	}
	r.serveAdmin(opts, r.readiness, metrics.Sources{Host: r.server.Stats})
	return r, nil
}

// stop finishes calls and delivers or keeps queued records, for drain at most; three eighths
// of it are for the next runner to take over, or for APISIX to close its connections, unless ctx ends before
// (see awaitSuccessor).
func (r *runner) stop(ctx context.Context, drain, idle time.Duration) error {
	start := time.Now()
	r.awaitSuccessor(ctx, min(drain*3/8, maxUnsupervisedTakeover), idle)
	return r.end(start, drain)
}

// awaitSuccessor serves on until another runner has taken the socket over, for takeover at most;
// until no connection has been open for idle, unless that is 0; or until ctx ends.
func (r *runner) awaitSuccessor(ctx context.Context, takeover, idle time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, takeover)
	defer cancel()
	r.server.AwaitSuccessor(ctx, idle)
}

// end stops taking calls, and finishes as inner's does.
func (r *runner) end(start time.Time, drain time.Duration) error {
	return r.inner.end(start, drain, func(ctx context.Context) (calls int, err error) {
		err = r.server.Shutdown(ctx)
		var cut extplugin.CutOffError
		if errors.As(err, &cut) {
			r.log.Error("calls of APISIX were cut off", "error", err)
		}
		return cut.Calls, err
	})
}

// end finishes requests and delivers or keeps queued records, until drain after start. Requests get five
// eighths of the time; the rest is for delivering or keeping what they have queued. shutdown ends the front, and
// returns how many requests it had to cut off.
func (r *inner) end(start time.Time, drain time.Duration, shutdown func(context.Context) (cut int, err error)) error {
	ctx, cancel := context.WithDeadline(context.Background(), start.Add(drain))
	defer cancel()
	requests, cancelRequests := context.WithDeadline(ctx, start.Add(drain*5/8))
	defer cancelRequests()
	r.core.Hurry(start.Add(drain * 3 / 8))
	cut, err := shutdown(requests)
	left := r.core.Drain(ctx)
	r.log.InfoContext(logging.Last, "kafkaupstream stopped", "after", time.Since(start).Round(time.Millisecond),
		"calls_cut_off", cut, "records_lost", left.Lost, "records_put_on_disk", left.Kept, "records_waiting", left.Waiting)
	if err != nil || left.Lost > 0 || left.Err != nil {
		return errUnclean
	}
	return nil
}

// errOrphaned ends a runner whose parent has gone.
var errOrphaned = errors.New("the process that started it has ended")

// watchParent cancels when the process that started this one is gone: a runner gets no
// signal when APISIX is killed.
func watchParent(ctx context.Context, cancel context.CancelCauseFunc) {
	parent := os.Getppid()
	tick := time.NewTicker(parentInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if os.Getppid() != parent {
				cancel(errOrphaned)
				return
			}
		}
	}
}
