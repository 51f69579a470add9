// Package supervisor keeps a worker process running for a process that others stop and kill: the
// worker is in a session of its own and outlives its supervisor, by as long as it wants. Each learns
// of the other's end: the supervisor starts the next worker, and the worker's [Inheritance] says
// that the supervisor is going, and with which word, or was killed. The package knows nothing of what a worker does; cmd/kafkaupstream,
// which uses it, has the supervisor hold the socket that workers accept from.
package supervisor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/logging"
)

const (
	// firstFile is the descriptor of a worker's first file (os/exec).
	firstFile = 3
	// healthy is how long a worker has to live for the next one to be started at once.
	healthy = 10 * time.Second
	// firstPause and maxPause are between two starts when workers die sooner.
	firstPause = 100 * time.Millisecond
	maxPause   = 5 * time.Second
	// lastLook is how long a supervisor that ends looks whether its worker does, too.
	lastLook = 10 * time.Millisecond
)

type Options struct {
	// Command returns the command of a worker that is about to be started, without files,
	// and the file that it inherits, which is closed then.
	Command func() (*exec.Cmd, *os.File, error)
	// Farewell returns the byte, not 0, that the supervisor sends to the worker when it ends, and how long
	// it then waits for the worker.
	Farewell func() (word byte, wait time.Duration)
	Log      *slog.Logger
}

// Run keeps a worker running until ctx ends, tells it so then, and returns. The last worker may live on;
// lifeline is to be kept open until this process ends. It is nil where no worker is alive.
func Run(ctx context.Context, o Options) (lifeline *os.File) {
	pause := time.Duration(0)
	for {
		began := time.Now()
		ended, lifeline, err := o.start()
		if err == nil {
			select {
			case err = <-ended:
				lifeline.Close()
			case <-ctx.Done():
				return o.leave(ended, lifeline)
			}
		}
		if ctx.Err() != nil {
			return nil
		}
		if time.Since(began) >= healthy {
			pause = 0
		}
		o.Log.ErrorContext(logging.Every, "the worker has ended, and is started again", "error", err, "after", time.Since(began).Round(time.Millisecond), "pause", pause)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil
		}
		pause = min(max(2*pause, firstPause), maxPause)
	}
}

// leave tells the worker and returns its lifeline, nil if the worker has ended.
func (o *Options) leave(ended <-chan error, lifeline *os.File) *os.File {
	word, wait := o.Farewell()
	_, _ = lifeline.Write([]byte{word}) // fails only for a worker that is gone
	select {
	case err := <-ended:
		o.Log.Info("the worker has ended with its supervisor", "status", err)
		lifeline.Close()
		return nil
	case <-time.After(max(wait, lastLook)):
		return lifeline
	}
}

// start starts a worker. ended gets why it has ended.
func (o *Options) start() (ended <-chan error, lifeline *os.File, err error) {
	cmd, file, err := o.Command()
	if err != nil {
		return nil, nil, err
	}
	defer file.Close()
	theirs, ours, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer theirs.Close()
	cmd.ExtraFiles = []*os.File{file, theirs}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		ours.Close()
		return nil, nil, fmt.Errorf("it cannot be started: %w", err)
	}
	end := make(chan error, 1)
	go func() {
		err := cmd.Wait()
		if err == nil {
			err = errors.New("exit status 0")
		}
		end <- err
	}()
	return end, ours, nil
}

// Inheritance is what a worker has of its supervisor.
type Inheritance struct {
	File *os.File // that Options.Command returned
	gone chan struct{}
	word byte
}

// Inherit returns what this process, which a supervisor has started, has of it. It is called once.
func Inherit() (*Inheritance, error) {
	for fd := firstFile; fd <= firstFile+1; fd++ {
		if syscall.Fstat(fd, &syscall.Stat_t{}) != nil { // it is not open
			return nil, errors.New("this command is started by `kafkaupstream run`, and by nobody else")
		}
		syscall.CloseOnExec(fd)
	}
	_ = syscall.SetNonblock(firstFile+1, true) // of a descriptor that is open: cannot fail
	i := &Inheritance{File: os.NewFile(firstFile, "inherited"), gone: make(chan struct{})}
	lifeline := os.NewFile(firstFile+1, "supervisor")
	go func() {
		defer close(i.gone)
		word := make([]byte, 1)
		if n, _ := lifeline.Read(word); n > 0 { // or the other end has been closed
			i.word = word[0]
		}
	}()
	return i, nil
}

// Gone is closed when the supervisor ends or has ended.
func (i *Inheritance) Gone() <-chan struct{} { return i.gone }

// Orphaned reports whether the supervisor ends or has ended, and its last word: 0 if it was killed.
func (i *Inheritance) Orphaned() (is bool, word byte) {
	select {
	case <-i.gone:
		return true, i.word
	default:
		return false, 0
	}
}
