package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/admin"
	"github.com/kafkaupstream/kafkaupstream/internal/durable"
	"github.com/kafkaupstream/kafkaupstream/internal/durable/control"
	"github.com/kafkaupstream/kafkaupstream/internal/durable/operator"
	"github.com/kafkaupstream/kafkaupstream/internal/extplugin"
	"github.com/kafkaupstream/kafkaupstream/internal/idempotency"
	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/logging"
	"github.com/kafkaupstream/kafkaupstream/internal/metrics"
	"github.com/kafkaupstream/kafkaupstream/internal/notify"
	"github.com/kafkaupstream/kafkaupstream/internal/producer"
	"github.com/kafkaupstream/kafkaupstream/internal/schema"
	"github.com/kafkaupstream/kafkaupstream/internal/secrets"
	"github.com/kafkaupstream/kafkaupstream/internal/tracing"
	"github.com/kafkaupstream/kafkaupstream/plugins/kafkaupstream"
	"github.com/kafkaupstream/kafkaupstream/plugins/kafkaupstream/apisix"
)

const (
	// defaultDrainTimeout ends before the KILL that APISIX sends 1 s after TERM.
	defaultDrainTimeout = 800 * time.Millisecond
	// maxGrace is the longest a runner waits for the next one to take over: APISIX
	// starts it at about the time it stops this one.
	maxGrace = time.Second
	// parentInterval is how often run looks whether its parent is still there.
	parentInterval = 250 * time.Millisecond
	// logWait is how long the last log lines may take to be written.
	logWait = 100 * time.Millisecond

	defaultSecretsDir = "/run/secrets"
	minSpoolBytes     = 1 << 20
	minInflightBytes  = 1 << 20
)

// errUnclean is the outcome of a drain that had to leave something behind; what it
// was has been logged.
var errUnclean = errors.New("not everything was finished within the drain timeout")

// runOptions are run's flags and environment.
type runOptions struct {
	runnerOptions
	drain  time.Duration
	level  slog.Level
	format logging.Format
}

// readRunOptions reads and checks them. A wrong flag has been printed where the error is errUsage.
func readRunOptions(env environment) (o runOptions, err error) {
	fs := flag.NewFlagSet("run", flag.ContinueOnError)
	levelName := fs.String("log-level", "info", "debug, info, warn or error")
	formatName := fs.String("log-format", "text", "text, or json: an object a line")
	fs.DurationVar(&o.drain, "drain-timeout", defaultDrainTimeout, "how long calls and queued records may take after SIGTERM")
	fs.StringVar(&o.spoolDir, "spool-dir", "", "directory on a local disk for durable delivery, and for records still queued at SIGTERM")
	fs.Int64Var(&o.spoolMaxBytes, "spool-max-bytes", 1<<30, "the most that --spool-dir may hold")
	letters := fs.String("dead-letters", "drop-oldest", "what happens when dead letters fill their eighth of --spool-max-bytes: drop-oldest, or refuse, and new ones stay among the records that wait")
	fs.Int64Var(&o.maxInflightBytes, "max-inflight-bytes", 256<<20, "the most that requests and queued records may take in memory")
	fs.StringVar(&o.secretsDir, "secrets-dir", defaultSecretsDir, "where $file:// references in a route's config are looked up")
	secretsEnv := fs.String("secrets-env", secrets.DefaultNames, "the variables that $env:// references may name: a list, * at the end of a name for any ending")
	socketUsers := fs.String("socket-users", "", "users beside APISIX's that may speak to the socket: names or ids, * for everybody")
	fs.StringVar(&o.admin, "admin", "", "address for metrics, /healthz and /readyz; a port alone is on the loopback interface")
	fs.BoolVar(&o.pprof, "pprof", false, "serve /debug/pprof at --admin too")
	fs.StringVar(&o.notify.Command, "notify-command", "", "shell command to run when a stream stops or a dead letter appears; it gets JSON on standard input")
	fs.StringVar(&o.notify.Webhook, "notify-webhook", "", "URL to POST the same JSON to")
	if err := parseFlags(fs, env, true); err != nil {
		return o, err
	}
	if err := o.checkFlags(*levelName, *formatName, *letters, *secretsEnv, *socketUsers); err != nil {
		fmt.Fprintln(env.stderr, "kafkaupstream:", err)
		return o, errUsage
	}
	if o.socket, err = extplugin.SocketPath(env.getenv(extplugin.EnvListenAddress)); err != nil {
		return o, err
	}
	o.confTTL, err = extplugin.ConfTTL(env.getenv(extplugin.EnvConfExpireTime))
	return o, err
}

// checkFlags reads the values of the flags that are texts, and says what is wrong with the first wrong one.
func (o *runOptions) checkFlags(level, format, letters, secretsEnv, socketUsers string) (err error) {
	if o.level, err = logging.ParseLevel(level); err != nil {
		return err
	}
	if o.format, err = logging.ParseFormat(format); err != nil {
		return err
	}
	if o.spoolMaxBytes < minSpoolBytes || o.maxInflightBytes < minInflightBytes {
		return fmt.Errorf("--spool-max-bytes is at least %d, --max-inflight-bytes at least %d", minSpoolBytes, minInflightBytes)
	}
	if o.dropLetters, err = dropsLetters(letters); err != nil {
		return err
	}
	if err := o.notify.Validate(); err != nil {
		return fmt.Errorf("notify: %w", err)
	}
	if err := o.checkAdmin(); err != nil {
		return err
	}
	if o.secretNames, err = secrets.ParseNames(secretsEnv); err != nil {
		return fmt.Errorf("--secrets-env: %w", err)
	}
	if o.peers, err = extplugin.ParsePeers(socketUsers); err != nil {
		return fmt.Errorf("--socket-users: %w", err)
	}
	return nil
}

// run serves APISIX until a signal comes or the parent is gone.
func run(ctx context.Context, env environment) error {
	o, err := readRunOptions(env)
	if err != nil {
		return err
	}
	// When APISIX is killed, the other end of standard error closes. Writing a line then
	// raises SIGPIPE, which would end this process before it has drained.
	signal.Ignore(syscall.SIGPIPE)
	log := logging.NewFormat(env.stderr, o.level, o.format)
	defer log.Close(logWait)

	o.getenv, o.log, o.linesDropped = env.getenv, log.Logger, log.Dropped
	r, err := startRunner(o.runnerOptions)
	if err != nil {
		return err
	}
	b := build()
	log.Info("kafkaupstream started", "version", b.Version, "commit", b.Commit, "librdkafka", b.Librdkafka,
		"socket", o.socket, "spool", cmp.Or(o.spoolDir, "none"))
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go watchParent(ctx, cancel)
	<-ctx.Done()
	log.Info("kafkaupstream is stopping", "reason", context.Cause(ctx), "drain_timeout", o.drain)
	r.admin.Close() // the next runner waits for its address
	return r.stop(o.drain, min(o.drain*3/8, maxGrace))
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

// runnerOptions is what a runner is made of.
type runnerOptions struct {
	socket           string
	confTTL          time.Duration
	spoolDir         string // "": no durable delivery
	spoolMaxBytes    int64
	dropLetters      bool // where a new one has no room
	maxInflightBytes int64
	secretsDir       string
	secretNames      secrets.Names
	peers            extplugin.Peers
	notify           notify.Options
	admin            string // "": metrics and health are not served
	pprof            bool
	getenv           func(string) string
	log              *slog.Logger
	linesDropped     func() int64 // of log
}

// runner is the plugin being served.
type runner struct {
	log      *slog.Logger
	pool     *producer.Pool
	queue    *durable.Queue // nil without a spool
	notifier *notify.Notifier
	schemas  *schema.Cache
	keys     *idempotency.Store
	server   *extplugin.Server
	admin    *admin.Server // nil without --admin
	tracer   *tracing.Tracer
}

func startRunner(opts runnerOptions) (*runner, error) {
	opts.notify.Log = opts.log
	r := &runner{log: opts.log, notifier: notify.New(opts.notify)}
	resolver := secrets.New(opts.secretsDir, opts.getenv, opts.secretNames)
	resolve := resolver.Resolve
	pool := producer.Options{Log: opts.log, MaxInflightBytes: opts.maxInflightBytes, Resolve: resolve}
	handler := kafkaupstream.HandlerOptions{Resolve: resolve, AllowReference: resolver.Check, Log: opts.log}
	r.tracer = tracing.New(tracing.Options{Getenv: opts.getenv, Version: build().Version, Log: opts.log})
	handler.Tracer = r.tracer
	var m *metrics.Metrics
	if opts.admin != "" {
		m = metrics.New(build())
		pool.Observer, pool.BrokerStatsInterval = m.Acknowledgements(), brokerStatsInterval
		handler.Observer = m.Requests()
	}
	keys := idempotency.Options{Log: opts.log}
	if opts.spoolDir != "" {
		keys.Dir = filepath.Join(opts.spoolDir, "idempotency.keys")
		r.queue = durable.Open(durable.Options{
			Dir: opts.spoolDir, MaxBytes: opts.spoolMaxBytes, DropLetters: opts.dropLetters, Log: opts.log, Notifier: r.notifier,
			Owned: func(q *durable.Queue) func() { return control.Serve(operator.New(q), opts.spoolDir, opts.log) },
		})
		handler.Disk, pool.Keep = r.queue, r.queue.Keep
		pool.TransactionsDir = filepath.Join(opts.spoolDir, "transactional.ids")
	}
	r.pool = producer.NewPool(pool)
	if r.queue != nil {
		r.queue.Start(r.pool)
	}
	r.schemas = schema.NewCache(0, opts.log)
	var err error
	if r.keys, err = idempotency.New(keys); err != nil {
		opts.log.Error("idempotency keys will not survive a restart: their directory cannot be opened", "error", err)
		keys.Dir = ""
		r.keys, _ = idempotency.New(keys) // fails only for a directory
	}
	handler.Schemas, handler.Idempotency = r.schemas, r.keys
	plugin := apisix.New(r.pool, handler)
	host := extplugin.Options{
		SocketPath: opts.socket, ConfTTL: opts.confTTL, Peers: opts.peers, Log: opts.log,
		Memory: &frameMemory{pool: r.pool},
	}
	if r.server, err = extplugin.Listen(host, plugin); err != nil {
		r.drain(context.Background()) // nothing was served
		return nil, err
	}
	if m != nil {
		r.serveAdmin(m, opts)
	}
	return r, nil
}

// frameMemory counts frames that are no bodies together with what requests take: they
// have a share of it as a connection to Kafka has.
type frameMemory struct {
	pool   *producer.Pool
	holder kafkaconf.Connection
}

func (m *frameMemory) Hold(n int) bool { return m.pool.Hold(&m.holder, n) }

func (m *frameMemory) Release(n int) { m.pool.Release(&m.holder, n) }

// stop finishes calls and delivers or keeps queued records, for drain at most; grace
// of it is for the next runner to take over. Calls get five eighths of the time; the rest
// is for delivering or keeping what they have queued.
func (r *runner) stop(drain, grace time.Duration) error {
	start := time.Now()
	ctx, cancel := context.WithDeadline(context.Background(), start.Add(drain))
	defer cancel()
	calls, cancelCalls := context.WithDeadline(ctx, start.Add(drain*5/8))
	defer cancelCalls()
	if r.queue != nil { // what waits for Kafka then is answered from the disk, and in time
		r.queue.Hurry(start.Add(drain * 3 / 8))
	}
	err := r.server.Shutdown(calls, grace)
	var cut extplugin.CutOffError
	if errors.As(err, &cut) {
		r.log.Error("calls of APISIX were cut off", "error", err)
	}
	left := r.drain(ctx)
	r.log.Info("kafkaupstream stopped", "after", time.Since(start).Round(time.Millisecond),
		"calls_cut_off", cut.Calls, "records_lost", left.lost, "records_on_disk", left.kept)
	if err != nil || left.lost > 0 || left.err != nil {
		return errUnclean
	}
	return nil
}

// leftovers are what a drain could not deliver.
type leftovers struct {
	lost int   // records
	kept int64 // records, on disk
	err  error // of the spool
}

// drain delivers or keeps what is queued, and logs what is left.
func (r *runner) drain(ctx context.Context) (left leftovers) {
	if r.queue != nil {
		r.queue.Stop()
	}
	var spans sync.WaitGroup
	spans.Go(func() { r.tracer.Close(ctx) }) // there are no more requests
	defer spans.Wait()
	if left.lost = r.pool.Drain(ctx); left.lost > 0 {
		r.log.Error("records were still queued when the drain timeout ended; they are lost", "records", left.lost)
	}
	if r.queue != nil {
		if left.kept, left.err = r.queue.Close(); left.kept > 0 {
			r.log.Warn("records were still queued when the drain timeout ended; they are on disk and will be sent", "records", left.kept)
		}
		if left.err != nil {
			r.log.Error("the spool was not closed properly", "error", left.err)
		}
	}
	r.schemas.Close()
	r.keys.Close(ctx) // what the pool has reported until now is noted before
	if err := r.notifier.Close(ctx); err != nil {
		r.log.Warn("notifications were not sent in time", "error", err)
	}
	return left
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
