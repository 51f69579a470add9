package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/kafkaupstream/kafkaupstream/internal/durable"
	"github.com/kafkaupstream/kafkaupstream/internal/durable/operator"
	"github.com/kafkaupstream/kafkaupstream/internal/spool"
)

// spoolCommand is one of the commands, with its arguments and flags read.
type spoolCommand struct {
	env environment
	fs  *flags
	dir string

	json, dead, pending, yes bool
	from, file               string
	limit, bytes             int

	stream, receipt string
}

const (
	takesStream  = "STREAM"
	takesRecords = "STREAM|RECEIPT"
)

// spoolCommands is the table of spool's commands. Their args are what they take.
func spoolCommands() []command {
	return []command{
		spoolAction("ls", "", "the streams: one for each connection to Kafka",
			func(*spoolCommand) {}, (*spoolCommand).ls, "spool ls --json"),
		spoolAction("show", takesRecords, "one record, or those of a stream that wait; its dead letters with --dead",
			(*spoolCommand).showFlags, (*spoolCommand).show, "spool show 3f2a --dead --limit 5"),
		spoolAction("replay", takesRecords, "send dead letters again; with -f elsewhere",
			(*spoolCommand).replayFlags, (*spoolCommand).replay, "spool replay 3f2a", "spool replay 3f2a -f elsewhere.json"),
		spoolAction("drop", takesRecords, "give dead letters up; with --pending records that wait",
			(*spoolCommand).dropFlags, (*spoolCommand).drop, "spool drop 3f2a --yes"),
		spoolAction("suspend", takesStream, "stop sending a stream; its records are still kept",
			func(*spoolCommand) {}, (*spoolCommand).suspend, "spool suspend 3f2a"),
		spoolAction("resume", takesStream, "resume a suspended stream",
			func(*spoolCommand) {}, (*spoolCommand).resume, "spool resume 3f2a"),
	}
}

// spoolAction is a row of the table, which do runs once flags and arguments are read.
func spoolAction(name, takes, does string, flags func(*spoolCommand), do func(*spoolCommand, context.Context) error, examples ...string) command {
	row := command{name: "spool " + name, args: takes, does: does, examples: examples}
	row.run = func(ctx context.Context, env environment) error {
		c := &spoolCommand{env: env, fs: newFlags(env.command)}
		c.fs.StringVar(&c.dir, "spool-dir", env.getenv("KAFKAUPSTREAM_SPOOL_DIR"), "the runner's --spool-dir, a `directory` [KAFKAUPSTREAM_SPOOL_DIR]")
		c.fs.BoolVar(&c.json, "json", false, "print JSON")
		flags(c)
		if err := c.parse(env.args, takes); err != nil {
			return err
		}
		return do(c, ctx)
	}
	return row
}

const spoolAbout = "\nThe beginning of a stream's name is enough where no other has it: 3f2a; 3f2a-t for the\ntransactional routes of that connection, 3f2a-s for those with on_permanent_error suspend.\nWhile a runner has the spool, it does the work; otherwise this command does, and sends\nnothing itself.\n"

func printSpoolUsage(w io.Writer) error {
	return printCommands(w, "kafkaupstream spool shows and handles the records that durable routes keep on disk.", spoolCommands(), spoolAbout+moreHelp)
}

// operateSpool runs `kafkaupstream spool`.
func operateSpool(ctx context.Context, env environment) error {
	if len(env.args) == 0 {
		_ = printSpoolUsage(env.stderr)
		return errUsage
	}
	first, rest := env.args[0], env.args[1:]
	switch {
	case first == "-h", first == "-help", first == "--help":
		return printSpoolUsage(env.stdout)
	case first == "help":
		env.args = append(slices.Clone(rest), "--help")
		return operateSpool(ctx, env)
	case strings.HasPrefix(first, "-"):
		if err := newFlags(env.command).parse(env, false); err != nil {
			return err
		}
	}
	row, ok := named(spoolCommands(), "spool "+first)
	if !ok {
		err := noCommand(env, "kafkaupstream spool", spoolCommands(), first)
		_ = printSpoolUsage(env.stderr)
		return err
	}
	env.args = rest
	return row.call(ctx, env)
}

func (c *spoolCommand) showFlags() {
	c.fs.BoolVar(&c.dead, "dead", false, "dead letters instead of the records that wait")
	c.fs.StringVar(&c.from, "from", "", "begin at this `receipt`")
	c.fs.IntVar(&c.limit, "limit", operator.DefaultShown, "how many records")
	sizeVar(c.fs, &c.bytes, "bytes", defaultShownBytes, "the `size` that is shown of each value, 0: all; with --json all where nothing is said")
}

func (c *spoolCommand) replayFlags() {
	c.fs.StringVar(&c.file, "f", "", "`file` of a durable route's configuration, to send the records there")
	c.fs.BoolVar(&c.pending, "pending", false, "with -f: also the records that wait, of a suspended stream or while no runner has the spool")
}

func (c *spoolCommand) dropFlags() {
	c.fs.BoolVar(&c.pending, "pending", false, "records of a suspended stream that wait, instead of dead letters")
	c.fs.BoolVar(&c.yes, "yes", false, "do not ask")
}

// parse reads flags and arguments, in any order.
func (c *spoolCommand) parse(args []string, takes string) error {
	var rest []string
	for {
		if err := c.fs.parseArgs(c.env, args); err != nil {
			return err
		}
		if c.fs.NArg() == 0 {
			break
		}
		rest, args = append(rest, c.fs.Arg(0)), c.fs.Args()[1:]
	}
	switch {
	case takes == "" && len(rest) > 0:
		return c.misused("unexpected argument %q", rest[0])
	case takes != "" && (len(rest) == 0 || slices.Contains(rest, "")): // of a variable that is not set
		return c.misused("%s is missing; `kafkaupstream spool ls` shows the streams", takes)
	case takes == takesStream && len(rest) > 1, len(rest) > 2:
		return c.misused("unexpected argument %q", rest[len(rest)-1])
	case c.dir == "":
		return c.misused("which spool? --spool-dir or KAFKAUPSTREAM_SPOOL_DIR names the runner's")
	case c.limit < 0 || c.bytes < 0 || c.limit == 0 && c.fs.given("limit"):
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

func (c *spoolCommand) misused(format string, args ...any) error {
	return c.fs.misused(c.env, format, args...)
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
		if err := printStreams(c.env.stdout, infos); err != nil {
			return err
		}
		room, err := o.Room(ctx)
		if err != nil {
			return err
		}
		return printRoom(c.env.stdout, room)
	})
}

func (c *spoolCommand) show(ctx context.Context) error {
	req := operator.ShowRequest{Selection: c.selection(), From: c.from, Limit: c.limit, Bytes: c.bytes}
	req.Pending = !c.dead
	print := printRecord
	if c.json {
		print = printRecordJSON
		if !c.fs.given("bytes") {
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
	what := c.selection()
	if !c.yes {
		var found operator.Done
		err := c.with(ctx, func(o spoolOperator) (err error) {
			found, err = o.Find(ctx, what)
			return err
		})
		if err != nil {
			return err
		}
		question := fmt.Sprintf("Drop %d of the %s of stream %s for good?", found.Records, c.kind(c.pending), found.Stream)
		if err := c.confirm(ctx, os.Stdin, question); err != nil {
			return err
		}
		what.Stream, what.Records = found.Stream, &found.Records // more may have come meanwhile
	}
	return c.with(ctx, func(o spoolOperator) error {
		done, err := o.Drop(ctx, what)
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
