package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/durable"
	"github.com/kafkaupstream/kafkaupstream/internal/durable/control"
	"github.com/kafkaupstream/kafkaupstream/internal/durable/operator"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/internal/routeconf"
	"github.com/kafkaupstream/kafkaupstream/plugins/kafkaupstream/apisix"
)

// spoolOperator does what the commands ask for: the runner that has the spool, or this
// process.
type spoolOperator interface {
	Streams(ctx context.Context) ([]durable.StreamInfo, error)
	Room(ctx context.Context) (durable.Room, error)
	Find(ctx context.Context, sel operator.Selection) (operator.Done, error)
	Show(ctx context.Context, req operator.ShowRequest, f func(*operator.RecordInfo) error) error
	Replay(ctx context.Context, sel operator.Selection, to *durable.Target) (operator.Done, error)
	Drop(ctx context.Context, sel operator.Selection) (operator.Done, error)
	Suspend(ctx context.Context, stream string) (operator.Done, error)
	Resume(ctx context.Context, stream string) (operator.Done, error)
	Close() error
}

const (
	// startWait is how long a runner may have the spool and not answer: while it
	// starts or stops.
	startWait = time.Second
	// startPause is between two attempts to reach it.
	startPause = 50 * time.Millisecond
)

// with calls f with the operator of the spool.
func (c *spoolCommand) with(ctx context.Context, f func(spoolOperator) error) error {
	o, err := openOperator(ctx, c.dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no spool at %s; --spool-dir names the runner's", c.dir)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w; run this as the runner's user", err)
	case err != nil:
		return err
	}
	return errors.Join(f(o), o.Close())
}

func openOperator(ctx context.Context, dir string) (spoolOperator, error) {
	for deadline := time.Now().Add(startWait); ; {
		client, err := control.Dial(ctx, dir)
		if err == nil {
			return client, nil
		}
		if !errors.Is(err, control.ErrNoAnswer) {
			return nil, err
		}
		o, idleErr := operator.OpenIdle(dir, slog.New(slog.DiscardHandler))
		held := errors.Is(idleErr, durable.ErrHeld)
		late := time.Now().After(deadline)
		switch {
		case idleErr == nil:
			return o, nil
		case !held && (late || !errors.Is(idleErr, operator.ErrOtherUser)):
			return nil, idleErr
		case late:
			return nil, fmt.Errorf("another process has the spool and does not answer: a runner that is starting or stopping, or another command; try again in a moment (%w)", err)
		}
		select {
		case <-time.After(startPause):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// maxTargetFile bounds a route's configuration, in bytes.
const maxTargetFile = 512 << 10

// readTarget reads a route's configuration, to send records where it sends them.
func readTarget(path string) (*durable.Target, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxTargetFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxTargetFile {
		return nil, fmt.Errorf("%s is no route's configuration: it has more than %d bytes", path, maxTargetFile)
	}
	route, err := routeconf.ParseRoute(text, apisix.Limits)
	if err != nil {
		return nil, fmt.Errorf("the configuration in %s is invalid:\n%w", path, err)
	}
	if route.Mode.Delivery != record.Durable {
		return nil, fmt.Errorf("the configuration in %s is not for durable delivery: \"delivery\": \"durable\" is missing", path)
	}
	return &durable.Target{Config: route.Conn.Route(), OnPermanentError: durable.Policy(route.Suspend).String(), Transactional: route.Mode.Transactional}, nil
}

// confirm asks a person; the error says that the answer was not yes.
func (c *spoolCommand) confirm(ctx context.Context, in *os.File, question string) error {
	if !isTerminal(in) {
		return c.misused("cannot ask for confirmation here: use --yes to drop without asking")
	}
	fmt.Fprint(c.env.stderr, question, " [y/N] ")
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(in).ReadString('\n') // without an answer it is no
		answer <- line
	}()
	select {
	case line := <-answer:
		if isYes(line) {
			return nil
		}
	case <-ctx.Done():
	}
	return errors.New("nothing was dropped")
}

// isTerminal reports whether a person may be at the other end. Of the character
// devices that programs get as their input, the other usual one is /dev/null.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}
