package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

const (
	// maxOutput is how much of a failed command's output is logged, in bytes.
	maxOutput = 200
	// outputWait is how long a command's output is waited for after its end, when a
	// process that it has started still holds it. It is less than grace.
	outputWait = 100 * time.Millisecond
)

// command returns what runs a line of shell for an event. The line gets a process
// group of its own, of which nothing outlives it.
func command(line string) func(context.Context, Event) error {
	return func(ctx context.Context, e Event) error {
		text, err := json.Marshal(e)
		if err != nil {
			return err
		}
		var output beginning
		cmd := exec.CommandContext(ctx, "/bin/sh", "-c", line)
		cmd.Env = append(os.Environ(), e.environment()...)
		cmd.Stdin = bytes.NewReader(text)
		cmd.Stdout, cmd.Stderr = &output, &output
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		cmd.WaitDelay = outputWait
		if err := cmd.Start(); err != nil {
			return err
		}
		// When ctx ends, Wait kills the shell; what the shell has started goes with the
		// group. Usually nobody is left in it.
		err = cmd.Wait()
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		// ErrWaitDelay means that the status was 0, too.
		if err == nil || errors.Is(err, exec.ErrWaitDelay) {
			return nil
		}
		return failure(ctx, err, output)
	}
}

func failure(ctx context.Context, err error, output beginning) error {
	if ctx.Err() != nil {
		err = fmt.Errorf("killed: %w", ctx.Err())
	}
	if len(output) == 0 {
		return err
	}
	return fmt.Errorf("%w; its output begins with %q", err, string(output))
}

// beginning keeps the first maxOutput bytes of what is written to it.
type beginning []byte

// Write never fails: a command must not stop because it says much.
func (b *beginning) Write(p []byte) (int, error) {
	*b = append(*b, p[:min(len(p), maxOutput-len(*b))]...)
	return len(p), nil
}
