package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/extplugin"
	"github.com/kafkaupstream/kafkaupstream/internal/logging"
	"github.com/kafkaupstream/kafkaupstream/internal/producer"
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
	logWait = 50 * time.Millisecond
)

// errUnclean is the outcome of a drain that had to leave something behind; what it
// was has been logged.
var errUnclean = errors.New("not everything was finished within the drain timeout")

// run serves APISIX until a signal comes or the parent is gone.
func run(ctx context.Context, env environment) error {
	fs := flag.NewFlagSet("run", flag.ContinueOnError)
	levelName := fs.String("log-level", "warn", "debug, info, warn or error")
	drain := fs.Duration("drain-timeout", defaultDrainTimeout, "how long calls and queued records may take after SIGTERM")
	if err := parseFlags(fs, env, true); err != nil {
		return err
	}
	level, err := logging.ParseLevel(*levelName)
	if err != nil {
		fmt.Fprintln(env.stderr, "kafkaupstream:", err)
		return errUsage
	}
	path, err := extplugin.SocketPath(env.getenv(extplugin.EnvListenAddress))
	if err != nil {
		return err
	}
	ttl, err := extplugin.ConfTTL(env.getenv(extplugin.EnvConfExpireTime))
	if err != nil {
		return err
	}
	// When APISIX is killed, nobody reads this process's output any more. A line
	// written then must not end it before it has drained.
	signal.Ignore(syscall.SIGPIPE)
	log := logging.New(env.stderr, level)
	defer log.Close(logWait)

	r, err := startRunner(path, ttl, log.Logger)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go watchParent(ctx, cancel)
	<-ctx.Done()
	return r.stop(*drain, min(*drain*5/8, maxGrace))
}

// runner is the plugin being served.
type runner struct {
	log    *slog.Logger
	pool   *producer.Pool
	server *extplugin.Server
}

func startRunner(path string, ttl time.Duration, log *slog.Logger) (*runner, error) {
	pool := producer.NewPool(producer.Options{Log: log})
	server, err := extplugin.Listen(extplugin.Options{SocketPath: path, ConfTTL: ttl, Log: log}, apisix.New(pool, log))
	if err != nil {
		return nil, err
	}
	return &runner{log, pool, server}, nil
}

// stop finishes calls and delivers queued records, for drain at most; grace of it
// is for the next runner to take over.
func (r *runner) stop(drain, grace time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	err := r.server.Shutdown(ctx, grace)
	if err != nil {
		r.log.Error("calls of APISIX were cut off", "error", err)
	}
	if n := r.pool.Drain(ctx); n > 0 {
		r.log.Error("records were still queued when the drain timeout ended; they are lost", "records", n)
		return errUnclean
	}
	if err != nil {
		return errUnclean
	}
	return nil
}

// watchParent cancels when the process that started this one is gone: nothing else
// tells a runner that APISIX has died.
func watchParent(ctx context.Context, cancel context.CancelFunc) {
	parent := os.Getppid()
	tick := time.NewTicker(parentInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if os.Getppid() != parent {
				cancel()
				return
			}
		}
	}
}
