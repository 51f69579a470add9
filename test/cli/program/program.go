// Package program builds commands of this module and runs them as processes, for
// the tests of what users and APISIX start. It knows nothing of what the commands
// do. The tests in cmd/kafkaupstream, test/cli and plugins/kafkaupstream/apisix
// call it.
//
// A process sees the environment that its test gives it and PATH, nothing else of
// the tester's. It ends with its test at the latest, and on Linux with the test
// binary even when that is killed.
package program

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kafkaupstream/kafkaupstream/test/await"
	"github.com/kafkaupstream/kafkaupstream/test/child"
	"github.com/kafkaupstream/kafkaupstream/test/ports"
)

// Patience is how long tests wait for what takes milliseconds, on a busy machine.
const Patience = time.Minute

// Build builds the package, a path as go build takes it, and returns the binary's
// path. The caller removes the folder that it is in.
func Build(pkg string, flags ...string) (string, error) {
	dir, err := os.MkdirTemp("", "program-")
	if err != nil {
		return "", err
	}
	if err := os.Chmod(dir, 0o711); err != nil { // for Options.User
		return "", err
	}
	binary := filepath.Join(dir, "program")
	args := append(append([]string{"build"}, flags...), "-o", binary, pkg)
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		os.RemoveAll(dir)
		return "", fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return binary, nil
}

// Main builds the package for the tests of m, runs them with the binary's path in
// binary, and returns the exit code.
func Main(m *testing.M, binary *string, pkg string, flags ...string) (code int) {
	path, err := Build(pkg, flags...)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(filepath.Dir(path))
	*binary = path
	return m.Run()
}

type Options struct {
	Args []string
	// Env are NAME=value pairs beside PATH.
	Env []string
	// Dir is the working directory; "" is the test's.
	Dir   string
	Stdin io.Reader
	// User is the id of the user and the group that it runs as; 0: the test's own. Only root's tests may set it.
	User int
	// Stdout and Stderr replace the process's texts of that name.
	Stdout, Stderr *os.File
}

// Process is a program that runs or has run.
type Process struct {
	// Stdout and Stderr are what it has written so far.
	Stdout, Stderr *Text
	// Pid is its process ID, and the ID of its process group.
	Pid int

	t      testing.TB
	cmd    *exec.Cmd
	exited chan struct{}
}

// Start starts a program. At the end of the test it is killed if it still runs.
func Start(t testing.TB, path string, o Options) *Process {
	t.Helper()
	p := &Process{Stdout: &Text{}, Stderr: &Text{}, t: t, exited: make(chan struct{})}
	p.cmd = exec.Command(path, o.Args...)
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, o.Env...)
	p.cmd.Dir, p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = o.Dir, o.Stdin, p.Stdout, p.Stderr
	if o.Stdout != nil {
		p.cmd.Stdout = o.Stdout
	}
	if o.Stderr != nil {
		p.cmd.Stderr = o.Stderr
	}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if o.User != 0 {
		p.cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(o.User), Gid: uint32(o.User)}
	}
	if err := child.Start(p.cmd); err != nil {
		t.Fatal(err)
	}
	p.Pid = p.cmd.Process.Pid
	go func() {
		defer close(p.exited)
		_ = p.cmd.Wait() // what it says is in ProcessState
	}()
	t.Cleanup(p.end)
	return p
}

// end kills what is left of the process's group, which nothing has waited for yet.
func (p *Process) end() {
	_ = syscall.Kill(-p.Pid, syscall.SIGKILL)
	<-p.exited
	if p.t.Failed() {
		p.t.Logf("%s %q\nstdout:\n%s\nstderr:\n%s", filepath.Base(p.cmd.Path), p.cmd.Args[1:], p.Stdout, p.Stderr)
	}
}

// Signal sends a signal to the process alone.
func (p *Process) Signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatal(err)
	}
}

// Exit waits until the process has ended and its output is closed, and returns the
// exit code: -1 when a signal ended it.
func (p *Process) Exit() int {
	p.t.Helper()
	select {
	case <-p.exited:
	case <-time.After(Patience):
		p.t.Fatalf("the process is still there after %v", Patience)
	}
	return p.cmd.ProcessState.ExitCode()
}

// Ended reports whether the process has ended.
func (p *Process) Ended() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// GroupEmpty reports whether the process and all that it has started are gone.
func (p *Process) GroupEmpty() bool {
	return errors.Is(syscall.Kill(-p.Pid, 0), syscall.ESRCH)
}

// Run runs a program to its end and returns the exit code.
func Run(t testing.TB, path string, o Options) (p *Process, code int) {
	t.Helper()
	p = Start(t, path, o)
	return p, p.Exit()
}

// Text is what a process writes. It may be read meanwhile.
type Text struct{ await.Log }

// Lines returns the complete lines so far.
func (x *Text) Lines() []string {
	lines := strings.Split(x.String(), "\n")
	return lines[:len(lines)-1]
}

// Until waits for a condition, and fails the test when it does not come true.
func Until(t testing.TB, what string, condition func() bool) {
	t.Helper()
	await.Within(t, Patience, what, condition)
}

// FreeAddress returns an address of the loopback interface at which nobody listens. It is the test's own until its end.
func FreeAddress(t testing.TB) string {
	t.Helper()
	port, held, err := ports.Reserve()
	if err != nil {
		t.Fatal(err)
	}
	if held != nil {
		t.Cleanup(func() { held.Close() })
	}
	return fmt.Sprint("127.0.0.1:", port)
}

// SilentAddress returns the address of something that takes connections and never says anything, until the test ends.
func SilentAddress(t testing.TB) string {
	t.Helper()
	l := listen(t)
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}
