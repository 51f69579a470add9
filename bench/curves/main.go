// Command curves measures what a request costs as one thing grows: routes, topics, partitions, connections, bodies, what is in the
// spool, idempotency keys, and the way to the brokers. It measures the processes of bench/runner, by their CPU time, memory and
// latency, and writes JSON that bench/plot draws.
//
//	go run ./bench/curves -json docs/performance/curves.json
//
// In each round a curve has a process of its own, in which what it depends on grows. A point's CPU time and latency are of the requests that were
// answered 200; failed ones are shown beside them. Linux only.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/kafkaupstream/kafkaupstream/bench/rig"
)

type options struct {
	names      []string
	rounds     int
	duration   time.Duration
	json       string
	spoolBytes int64
	keys       int
}

// all are the curves in the order in which they are measured. What takes long has one round.
var all = []struct {
	name, title, x string
	once           bool
	measure        func(*stand, *rig.Curve) error
}{
	{"routes", "Routes of one connection", "routes", false, routes},
	{"topics", "Topics of one route", "topics", true, topics},
	{"partitions", "Partitions of one topic", "partitions", false, partitions},
	{"connections", "Connections of APISIX", "connections", false, connections},
	{"bodies", "Bodies", "bytes of the body", false, bodies},
	{"spool", "What is in the spool", "bytes on disk", true, spool},
	{"keys", "Idempotency keys", "keys seen", true, keys},
	{"distance", "The way to the brokers", "round trip, ms", false, distance},
	{"idle", "Idle producers", "producers", false, idle},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "curves:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	out := &rig.Curves{
		Date: time.Now().UTC().Truncate(time.Second), Machine: rig.DescribeMachine(), Rounds: o.rounds, Duration: o.duration.String(),
	}
	dir, err := os.MkdirTemp("", "kafkaupstream-curves-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	binary, err := rig.BuildRunner(ctx, dir, "")
	if err != nil {
		return err
	}
	s := &stand{ctx: ctx, o: o, dir: dir, binary: binary, out: out}
	for _, c := range all {
		if !slices.Contains(o.names, c.name) {
			continue
		}
		curve := &rig.Curve{Name: c.name, Title: c.title, X: c.x}
		for round := range o.rounds {
			if c.once && round > 0 {
				break
			}
			begin := time.Now()
			if err := c.measure(s, curve); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			fmt.Fprintf(stderr, "%s, round %d: %s\n", c.name, round+1, time.Since(begin).Round(100*time.Millisecond))
		}
		out.Curves = append(out.Curves, curve)
	}
	return write(o.json, out)
}

func parse(args []string, stderr io.Writer) (options, error) {
	o := options{}
	for _, c := range all {
		o.names = append(o.names, c.name)
	}
	names := o.names
	fs := flag.NewFlagSet("curves", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Func("curves", "which of "+strings.Join(names, ",")+" (default all)", func(list string) error {
		o.names = strings.Split(list, ",")
		for _, name := range o.names {
			if !slices.Contains(names, name) {
				return fmt.Errorf("there is no %q", name)
			}
		}
		return nil
	})
	fs.IntVar(&o.rounds, "rounds", 5, "how often each curve is measured; topics, spool and keys once")
	fs.DurationVar(&o.duration, "duration", time.Second, "of the load at one point")
	fs.StringVar(&o.json, "json", "", "file for the result; standard output without it")
	fs.Int64Var(&o.spoolBytes, "spool", 2_000_000_000, "bytes that the spool has at most")
	fs.IntVar(&o.keys, "keys", 1_000_000, "idempotency keys at most")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	if fs.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	if o.rounds < 1 || o.duration <= 0 {
		return o, errors.New("-rounds and -duration must be positive")
	}
	return o, nil
}

func write(path string, out *rig.Curves) error {
	text, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return err
	}
	if path == "" {
		_, err = os.Stdout.Write(append(text, '\n'))
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}
