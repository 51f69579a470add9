// Command runner is one of the processes that bench measures: an ext-plugin runner
// that APISIX could start. Its argument says which one:
//
//	host    this project's host with a plugin that reads the body and answers
//	stock   the runner of apisix-go-plugin-runner with the same plugin
//	plugin  this project's host with the Kafka plugin
//	serve   the plugin's core behind plain HTTP, with the configuration that -conf has
//
// It listens where APISIX_LISTEN_ADDRESS says, logs little, and ends on SIGTERM
// or at the end of its standard input: bench holds the other end, so no runner
// outlives it. Nothing but bench starts it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"syscall"
	"time"

	"github.com/apache/apisix-go-plugin-runner/pkg/plugin"
	"github.com/apache/apisix-go-plugin-runner/pkg/runner"

	"github.com/kafkaupstream/kafkaupstream/internal/core"
	"github.com/kafkaupstream/kafkaupstream/internal/extplugin"
	"github.com/kafkaupstream/kafkaupstream/internal/httpfront"
	"github.com/kafkaupstream/kafkaupstream/internal/routefile"
	"github.com/kafkaupstream/kafkaupstream/internal/secrets"
	"github.com/kafkaupstream/kafkaupstream/plugins/kafkaupstream/apisix"
)

const (
	// drainTimeout is how long calls and queued records may take at the end.
	drainTimeout = 2 * time.Second
	// maxInflightBytes is the default of `kafkaupstream run`.
	maxInflightBytes = 256 << 20
	// spoolMaxBytes has room for what bench/curves puts there.
	spoolMaxBytes = 16 << 30
)

func main() {
	profiles := flag.String("profiles", "", "directory for a CPU and an allocation profile of the whole life of the process")
	conf := flag.String("conf", "", "the route's configuration, of serve")
	spool := flag.String("spool", "", "directory for durable delivery; none without it")
	flag.Parse()
	if err := run(flag.Arg(0), *profiles, *conf, *spool); err != nil {
		fmt.Fprintln(os.Stderr, "runner:", err)
		os.Exit(1)
	}
}

func run(mode, profiles, conf, spool string) (err error) {
	modes := map[string]func() error{
		"host": host, "stock": stock, "plugin": func() error { return kafka(spool) }, "serve": func() error { return plainHTTP(conf, spool) },
	}
	serve, ok := modes[mode]
	if !ok {
		return fmt.Errorf("expected host, stock, plugin or serve, got %q", mode)
	}
	go endWithParent()
	if profiles != "" {
		stop, err := startProfiles(profiles)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, stop()) }()
	}
	return serve()
}

// endWithParent makes the end of standard input a SIGTERM, on which every mode
// ends: the stock runner cannot be stopped otherwise.
func endWithParent() {
	_, _ = io.Copy(io.Discard, os.Stdin)
	_ = syscall.Kill(os.Getpid(), syscall.SIGTERM)
}

func host() error { return serve(answer{}, nil) }

// newCore is built as `kafkaupstream run` does without --admin.
func newCore(spool string, log *slog.Logger) *core.Core {
	return core.New(core.Options{
		SpoolDir: spool, SpoolMaxBytes: spoolMaxBytes, MaxInflightBytes: maxInflightBytes,
		Secrets: secrets.New(secrets.DefaultDir, os.Getenv, secrets.Names{}), Getenv: os.Getenv, Log: log,
	})
}

func kafka(spool string) error {
	log := logger()
	c := newCore(spool, log)
	err := serve(apisix.New(c.Handler, log), c)
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	c.Drain(ctx)
	return err
}

// plainHTTP serves the route to all paths, as `kafkaupstream serve` does.
func plainHTTP(conf, spool string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	path, err := extplugin.SocketPath(os.Getenv(extplugin.EnvListenAddress))
	if err != nil {
		return err
	}
	log, trust := logger(), &httpfront.Trust{Socket: true}
	c := newCore(spool, log)
	match := routefile.Match{Paths: []string{"/{path...}"}}
	routes, _, err := httpfront.Build([]routefile.Route{{Place: "-conf", ID: "bench", Match: match, Conf: conf}}, c.Handler, trust, nil)
	if err != nil {
		return err
	}
	bounds := httpfront.Bounds{HeaderTimeout: time.Minute, ReadTimeout: time.Minute, IdleTimeout: time.Minute, HeaderBytes: 32 << 10, Connections: 10000}
	server := httpfront.New(httpfront.Options{Handler: c.Handler, Trust: trust, Bounds: bounds, Log: log}, routes)
	listener, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	_, err = server.Shutdown(ctx)
	c.Drain(ctx)
	return err
}

// serve runs the plugin under this project's host until SIGTERM or Ctrl-C.
func serve(p extplugin.Plugin, memory extplugin.Memory) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	path, err := extplugin.SocketPath(os.Getenv(extplugin.EnvListenAddress))
	if err != nil {
		return err
	}
	server, err := extplugin.Listen(extplugin.Options{SocketPath: path, Log: logger(), Memory: memory}, p)
	if err != nil {
		return err
	}
	<-ctx.Done()
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	return server.Shutdown(ctx)
}

func logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// stockLogLevel is zap's error level. The runner's default, info, writes a line or
// more for every call.
const stockLogLevel = 2

// stock runs the same plugin under apisix-go-plugin-runner.
func stock() error {
	if err := plugin.RegisterPlugin(answer{}); err != nil {
		return err
	}
	runner.Run(runner.RunnerConfig{LogLevel: stockLogLevel, LogOutput: os.Stderr})
	return nil
}

func startProfiles(dir string) (stop func() error, err error) {
	name := filepath.Join(dir, fmt.Sprintf("%s.%d", flag.Arg(0), os.Getpid()))
	cpu, err := os.Create(name + ".cpu.pprof")
	if err != nil {
		return nil, err
	}
	runtime.MemProfileRate = 64 << 10
	if err := pprof.StartCPUProfile(cpu); err != nil {
		return nil, err
	}
	return func() error {
		pprof.StopCPUProfile()
		allocs, err := os.Create(name + ".allocs.pprof")
		if err == nil {
			err = pprof.Lookup("allocs").WriteTo(allocs, 0)
			err = errors.Join(err, allocs.Close())
		}
		return errors.Join(err, cpu.Close())
	}, nil
}
