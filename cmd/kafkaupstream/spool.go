package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/kafkaupstream/kafkaupstream/internal/durable"
	"github.com/kafkaupstream/kafkaupstream/internal/durable/operator"
	"github.com/kafkaupstream/kafkaupstream/internal/spool"
)

const spoolUsage = `kafkaupstream spool shows and handles the records that durable routes keep on disk.

  kafkaupstream spool ls                        the streams: one for each connection to Kafka
  kafkaupstream spool show STREAM [--dead]      the records of a stream that wait, or its dead letters
  kafkaupstream spool show RECEIPT              one record
  kafkaupstream spool replay STREAM|RECEIPT     send dead letters again; with -f elsewhere
  kafkaupstream spool drop STREAM|RECEIPT       give dead letters up; with --pending records that wait
  kafkaupstream spool suspend STREAM            stop sending a stream; its records are still kept
  kafkaupstream spool resume STREAM             resume a suspended stream

The beginning of a stream's name is enough where no other has it. While a runner has
the spool, it does the work; otherwise this command does, and sends nothing itself.
A command's flags: kafkaupstream spool COMMAND -h
`

// spoolCommand is one of the commands, with its arguments and flags read.
type spoolCommand struct {
	env environment
	fs  *flag.FlagSet
	dir string

	json, dead, pending, yes bool
	from, file               string
	limit, bytes             int

	stream, receipt string
}

// spoolCommands is the table of the commands.
var spoolCommands = map[string]struct {
	flags func(*spoolCommand)
	takes string // "", "STREAM" or "STREAM or RECEIPT"
	run   func(*spoolCommand, context.Context) error
}{
	"ls":      {func(*spoolCommand) {}, "", (*spoolCommand).ls},
	"show":    {(*spoolCommand).showFlags, takesRecords, (*spoolCommand).show},
	"replay":  {(*spoolCommand).replayFlags, takesRecords, (*spoolCommand).replay},
	"drop":    {(*spoolCommand).dropFlags, takesRecords, (*spoolCommand).drop},
	"suspend": {func(*spoolCommand) {}, takesStream, (*spoolCommand).suspend},
	"resume":  {func(*spoolCommand) {}, takesStream, (*spoolCommand).resume},
}

const (
	takesStream  = "STREAM"
	takesRecords = "STREAM or RECEIPT"
)

// operateSpool runs `kafkaupstream spool`.
func operateSpool(ctx context.Context, env environment) error {
	if len(env.args) == 0 {
		fmt.Fprint(env.stderr, spoolUsage)
		return errUsage
	}
	name := env.args[0]
	switch name {
	case "help", "-h", "-help", "--help":
		_, err := fmt.Fprint(env.stdout, spoolUsage)
		return err
	}
	command, ok := spoolCommands[name]
	if !ok {
		fmt.Fprintf(env.stderr, "kafkaupstream spool: there is no command %q\n\n%s", name, spoolUsage)
		return errUsage
	}
	c := &spoolCommand{env: env, fs: flag.NewFlagSet("spool "+name, flag.ContinueOnError)}
	c.fs.StringVar(&c.dir, "spool-dir", env.getenv("KAFKAUPSTREAM_SPOOL_DIR"), "the runner's --spool-dir [KAFKAUPSTREAM_SPOOL_DIR]")
	c.fs.BoolVar(&c.json, "json", false, "print JSON")
	command.flags(c)
	if err := c.parse(env.args[1:], command.takes); err != nil {
		return err
	}
	return command.run(c, ctx)
}

func (c *spoolCommand) showFlags() {
	c.fs.BoolVar(&c.dead, "dead", false, "dead letters instead of the records that wait")
	c.fs.StringVar(&c.from, "from", "", "begin at this receipt")
	c.fs.IntVar(&c.limit, "limit", operator.DefaultShown, "how many records")
	c.fs.IntVar(&c.bytes, "bytes", defaultShownBytes, "how much of each value, 0: all; with --json all where nothing is said")
}

func (c *spoolCommand) replayFlags() {
	c.fs.StringVar(&c.file, "f", "", "file of a durable route's configuration, to send the records there")
	c.fs.BoolVar(&c.pending, "pending", false, "with -f: also the records that wait, of a suspended stream or while no runner has the spool")
}

func (c *spoolCommand) dropFlags() {
	c.fs.BoolVar(&c.pending, "pending", false, "records of a suspended stream that wait, instead of dead letters")
	c.fs.BoolVar(&c.yes, "yes", false, "do not ask")
}

// parse reads flags and arguments, in any order.
func (c *spoolCommand) parse(args []string, takes string) error {
	c.fs.SetOutput(c.env.stderr)
	var rest []string
	for {
		if err := c.fs.Parse(args); errors.Is(err, flag.ErrHelp) {
			return err
		} else if err != nil {
			return errUsage
		}
		if c.fs.NArg() == 0 {
			break
		}
		rest, args = append(rest, c.fs.Arg(0)), c.fs.Args()[1:]
	}
	switch {
	case takes == "" && len(rest) > 0:
		return c.misused("unexpected argument %q", rest[0])
	case takes != "" && (len(rest) == 0 || rest[0] == ""):
		return c.misused("%s is missing; `kafkaupstream spool ls` shows the streams", takes)
	case takes == takesStream && len(rest) > 1, len(rest) > 2:
		return c.misused("unexpected argument %q", rest[len(rest)-1])
	case c.dir == "":
		return c.misused("which spool? --spool-dir or KAFKAUPSTREAM_SPOOL_DIR names the runner's")
	case c.limit < 0 || c.bytes < 0 || c.limit == 0 && c.given("limit"):
		return c.misused("--limit is at least 1, and --bytes at least 0")
	}
	if len(rest) > 0 {
		c.stream = rest[0]
	}
	if takes == takesRecords {
		c.readReceipt(rest)
	}
	return nil
}

// readReceipt reads STREAM, RECEIPT or STREAM RECEIPT.
func (c *spoolCommand) readReceipt(args []string) {
	if _, err := spool.ParseReceipt(args[0]); err == nil && len(args) == 1 {
		c.stream, c.receipt = "", args[0]
	}
	if len(args) == 2 {
		c.receipt = args[1]
	}
}

func (c *spoolCommand) given(name string) (found bool) {
	c.fs.Visit(func(f *flag.Flag) { found = found || f.Name == name })
	return found
}

func (c *spoolCommand) misused(format string, args ...any) error {
	fmt.Fprintf(c.env.stderr, "kafkaupstream %s: %s\n", c.fs.Name(), fmt.Sprintf(format, args...))
	return errUsage
}

func (c *spoolCommand) selection() operator.Selection {
	return operator.Selection{Stream: c.stream, Receipt: c.receipt, Pending: c.pending}
}

func (c *spoolCommand) ls(ctx context.Context) error {
	return c.with(ctx, func(o spoolOperator) error {
		infos, err := o.Streams(ctx)
		if err != nil {
			return err
		}
		if c.json {
			return c.printJSON(infos)
		}
		return printStreams(c.env.stdout, infos)
	})
}

func (c *spoolCommand) show(ctx context.Context) error {
	req := operator.ShowRequest{Selection: c.selection(), From: c.from, Limit: c.limit, Bytes: c.bytes}
	req.Pending = !c.dead
	print := printRecord
	if c.json {
		print = printRecordJSON
		if !c.given("bytes") {
			req.Bytes = 0
		}
	}
	shown := 0
	err := c.with(ctx, func(o spoolOperator) error {
		return o.Show(ctx, req, func(r *operator.RecordInfo) error {
			shown++
			return print(c.env.stdout, r)
		})
	})
	if err == nil && shown == 0 && !c.json {
		_, err = fmt.Fprintf(c.env.stdout, "There are no %s.\n", c.kind(!c.dead))
	}
	return err
}

func (c *spoolCommand) kind(pending bool) string {
	if pending {
		return "records that wait"
	}
	return "dead letters"
}

func (c *spoolCommand) replay(ctx context.Context) error {
	var to *durable.Target
	if c.file != "" {
		var err error
		if to, err = readTarget(c.file); err != nil {
			return err
		}
	} else if c.pending {
		return c.misused("--pending is for -f: the records that wait are sent to where they belong anyway")
	}
	return c.with(ctx, func(o spoolOperator) error {
		done, err := o.Replay(ctx, c.selection(), to)
		return c.tell(done, err, fmt.Sprintf("%s put at the end of stream %s.", records(done.Records), done.Stream))
	})
}

func (c *spoolCommand) drop(ctx context.Context) error {
	if !c.yes {
		var found operator.Done
		err := c.with(ctx, func(o spoolOperator) (err error) {
			found, err = o.Find(ctx, c.selection())
			return err
		})
		if err != nil {
			return err
		}
		what := fmt.Sprintf("Drop %d of the %s of stream %s for good?", found.Records, c.kind(c.pending), found.Stream)
		if err := c.confirm(ctx, os.Stdin, what); err != nil {
			return err
		}
	}
	return c.with(ctx, func(o spoolOperator) error {
		done, err := o.Drop(ctx, c.selection())
		return c.tell(done, err, fmt.Sprintf("%s dropped from stream %s.", records(done.Records), done.Stream))
	})
}

func (c *spoolCommand) suspend(ctx context.Context) error {
	return c.with(ctx, func(o spoolOperator) error {
		done, err := o.Suspend(ctx, c.stream)
		text := fmt.Sprintf("Stream %s is suspended; `kafkaupstream spool resume %s` resumes it.", done.Stream, done.Stream)
		if done.UnderWay > 0 {
			text += fmt.Sprintf("\nOf its records, %d are still under way to Kafka.", done.UnderWay)
		}
		return c.tell(done, err, text)
	})
}

func (c *spoolCommand) resume(ctx context.Context) error {
	return c.with(ctx, func(o spoolOperator) error {
		done, err := o.Resume(ctx, c.stream)
		return c.tell(done, err, fmt.Sprintf("Stream %s resumed, with %s.", done.Stream, records(done.Records)))
	})
}

// tell prints what was done. Where an error ended it early, that is part of it.
func (c *spoolCommand) tell(done operator.Done, err error, text string) error {
	if err != nil {
		if done.Records > 0 {
			err = fmt.Errorf("after %s: %w", records(done.Records), err)
		}
		return err
	}
	if c.json {
		return c.printJSON(done)
	}
	_, err = fmt.Fprintln(c.env.stdout, text)
	return err
}

func (c *spoolCommand) printJSON(v any) error {
	e := json.NewEncoder(c.env.stdout)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

func records(n int64) string {
	if n == 1 {
		return "1 record"
	}
	return fmt.Sprintf("%d records", n)
}

// isYes reads a person's answer.
func isYes(answer string) bool {
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes"
}
