package rig

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/extplugin"
)

const (
	runnerPackage = "github.com/kafkaupstream/kafkaupstream/bench/runner"
	// startWait is how long a runner may take to listen.
	startWait = 10 * time.Second
	// stopWait is how long a runner may take to end before it is killed.
	stopWait = 5 * time.Second
	// logTail is how much of a runner's output goes into an error, in bytes.
	logTail = 2000
)

// BuildRunner builds the program of the runners into dir and returns its path. source is a directory of the module to build it
// from; "": this one.
func BuildRunner(ctx context.Context, dir, source string) (string, error) {
	binary := filepath.Join(dir, "runner")
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, runnerPackage)
	build.Dir = source
	out, err := build.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", runnerPackage, err, out)
	}
	return binary, nil
}

// Process is a runner that has been started.
type Process struct {
	Socket string // where it listens
	name   string
	cmd    *exec.Cmd
	stdin  io.Closer // its end ends the runner, even when this process is killed
	output string    // file
	exited chan struct{}
}

// StartProcess starts a runner and waits until it listens on a socket in dir, which has its name and that of its output.
func StartProcess(ctx context.Context, dir, binary, name string, args ...string) (*Process, error) {
	p := &Process{
		Socket: filepath.Join(dir, name+".sock"),
		name:   name,
		output: filepath.Join(dir, name+".log"),
		exited: make(chan struct{}),
	}
	output, err := os.Create(p.output)
	if err != nil {
		return nil, err
	}
	defer output.Close()
	p.cmd = exec.Command(binary, args...)
	p.cmd.Env = append(os.Environ(), extplugin.EnvListenAddress+"=unix:"+p.Socket, extplugin.EnvConfExpireTime+"=3600")
	p.cmd.Stdout, p.cmd.Stderr = output, output
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.exited)
	}()
	if err := p.awaitSocket(ctx); err != nil {
		p.Stop()
		return nil, fmt.Errorf("runner %s: %w%s", name, err, p.Tail())
	}
	return p, nil
}

func (p *Process) PID() int { return p.cmd.Process.Pid }

func (p *Process) awaitSocket(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startWait)
	defer cancel()
	for {
		conn, err := net.Dial("unix", p.Socket)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-p.exited:
			return fmt.Errorf("it has ended: %s", p.cmd.ProcessState)
		case <-ctx.Done():
			return fmt.Errorf("it does not listen: %w", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Stop ends the runner and waits for its end.
func (p *Process) Stop() {
	_ = p.stdin.Close()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.exited:
	case <-time.After(stopWait):
		_ = p.cmd.Process.Kill()
		<-p.exited
	}
}

// Tail returns the end of what the runner has written, to be put behind an error.
func (p *Process) Tail() string {
	text, err := os.ReadFile(p.output)
	if err != nil || len(text) == 0 {
		return ""
	}
	return "\nit wrote:\n" + string(text[max(0, len(text)-logTail):])
}
