// Command compare says what a change does to the CPU time of a request: it builds bench/runner of an earlier revision and of the
// working tree, and lets both take turns under the same load.
//
//	go run ./bench/compare -base main
//
// It exits 1 when a subject is dearer than before in a size: when the median of the rounds' ratios is above -threshold,
// and what the rounds differ by is no explanation (see judge). The load, the broker and the
// measuring are the working tree's; only the processes that are measured are of two revisions. Linux only.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/kafkaupstream/kafkaupstream/bench/rig"
)

type options struct {
	rig.Options
	base      string
	threshold float64
}

// errDearer ends a comparison that found something.
var errDearer = errors.New("the working tree is dearer than the base")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	default:
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o := options{Options: rig.Options{
		Subjects: []string{rig.Host, rig.Async, rig.Sync, rig.Durable}, Sizes: []int{200, 10000}, Connections: []int{1, 32},
		Rounds: 11, Duration: time.Second, WarmUp: 500 * time.Millisecond,
	}}
	fs := flag.NewFlagSet("compare", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&o.base, "base", "main", "the revision to compare the working tree with")
	fs.Float64Var(&o.threshold, "threshold", 1.05, "the ratio of CPU time that is too much")
	o.Register(fs)
	if err := fs.Parse(args); err != nil {
		return err
	}
	if err := o.Validate(); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	return compare(ctx, o, stdout, stderr)
}

// compare measures, prints the table, and returns errDearer where something is.
func compare(ctx context.Context, o options, stdout, progress io.Writer) error {
	dir, err := os.MkdirTemp("", "kafkaupstream-compare-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	binaries, err := build(ctx, dir, o.base)
	if err != nil {
		return err
	}
	broker, err := rig.StartBroker(o.Brokers)
	if err != nil {
		return err
	}
	defer broker.Close()
	tw := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "body\tconnections\trunner\tCPU µs, base\tCPU µs, new\tnew / base\tmedian's interval\trounds\trequests/s, new / base\t\t")
	dearer, compared := false, 0
	for _, name := range o.Subjects {
		p, err := start(ctx, name, dir, binaries, broker)
		if errors.Is(err, errBase) && ctx.Err() == nil {
			fmt.Fprintln(progress, err)
			continue
		}
		if err != nil {
			return err
		}
		found, err := p.measure(ctx, o, tw, progress)
		p.stop()
		if err != nil {
			return err
		}
		dearer, compared = dearer || found, compared+1
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	switch {
	case compared == 0:
		return errBase
	case dearer:
		return errDearer
	}
	return nil
}

// build builds the runners of base and of the working tree, in this order.
func build(ctx context.Context, dir, base string) (binaries [2]string, err error) {
	tree := filepath.Join(dir, "base")
	// Without a shell, a revision cannot be more than an argument; "--" keeps it from being an option.
	if err := git(ctx, "worktree", "add", "--quiet", "--detach", "--", tree, base); err != nil {
		return binaries, err
	}
	// Also after Ctrl-C, which ends ctx.
	defer func() { err = errors.Join(err, git(context.WithoutCancel(ctx), "worktree", "remove", "--force", tree)) }()
	for i, source := range []string{tree, ""} {
		to := filepath.Join(dir, []string{"of-base", "of-new"}[i])
		if err := os.Mkdir(to, 0o755); err != nil {
			return binaries, err
		}
		if binaries[i], err = rig.BuildRunner(ctx, to, source); err != nil {
			return binaries, err
		}
	}
	return binaries, nil
}

func git(ctx context.Context, args ...string) error {
	if out, err := exec.CommandContext(ctx, "git", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("git %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}
