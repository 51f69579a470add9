// Command bench measures what a request costs an ext-plugin runner, as APISIX
// would start it: whole processes, driven over a real Unix socket by
// internal/gateway's client, one call at a time on a connection.
//
//	go run ./bench
//
// It compares, round by round so that a noisy machine disturbs all alike: this
// project's host and the stock runner, both with a plugin that reads the body and
// answers (host, stock); and the Kafka plugin, producing to a broker in bench's
// own process, or to a real Kafka beside it (async, sync, durable). It prints the CPU time of the runner's process per
// request, the throughput, latencies of the closed loop, and whether the project's goals are reached.
//
// It is not a load test of Kafka or of APISIX. It
// runs on Linux only. README.md says how to read the numbers.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/kafkaupstream/kafkaupstream/bench/rig"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	switch err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage):
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// errUsage ends a run with wrong flags; what is wrong has been printed.
var errUsage = errors.New("wrong usage")

type options struct {
	rig.Options
	profiles string
	json     string
	benchfmt string
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	if o.profiles != "" {
		if err := os.MkdirAll(o.profiles, 0o755); err != nil {
			return err
		}
	}
	fmt.Fprintf(stderr, "about %s; Ctrl-C ends it\n", o.estimate().Round(time.Second))
	machine := rig.DescribeMachine() // what others do is that before the benchmark's own
	rows, err := measure(ctx, o, stderr)
	if err != nil {
		return err
	}
	report := newReport(o, machine, rows)
	if err := report.writeText(stdout); err != nil {
		return err
	}
	return errors.Join(writeFile(o.json, report.writeJSON), writeFile(o.benchfmt, report.writeBenchfmt))
}

// writeFile writes a file, unless path is "".
func writeFile(path string, write func(io.Writer) error) error {
	if path == "" {
		return nil
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}

func parse(args []string, stderr io.Writer) (options, error) {
	o := options{Options: rig.Options{
		Subjects: rig.Subjects(), Sizes: []int{200, 10000, 60000}, Connections: []int{1, 32}, Rounds: 7, Duration: time.Second, WarmUp: 500 * time.Millisecond,
	}}
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.SetOutput(stderr)
	o.Register(fs)
	fs.StringVar(&o.profiles, "profiles", "", "directory for CPU and allocation profiles of the runners; they cost CPU time themselves")
	fs.StringVar(&o.json, "json", "", "file for the result as JSON")
	fs.StringVar(&o.benchfmt, "benchfmt", "", "file for each round in Go's benchmark format, which benchstat reads")
	switch err := fs.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return o, err
	case err != nil:
		return o, errUsage
	case fs.NArg() > 0:
		fmt.Fprintf(stderr, "bench: unexpected argument %q\n", fs.Arg(0))
		return o, errUsage
	}
	if err := o.Validate(); err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return o, errUsage
	}
	return o, nil
}
