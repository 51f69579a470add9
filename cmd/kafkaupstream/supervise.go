package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kafkaupstream/kafkaupstream/internal/extplugin"
	"github.com/kafkaupstream/kafkaupstream/internal/supervisor"
)

// run is two processes. The supervisor is the one that APISIX starts, stops and, a second later,
// kills: it opens the socket, keeps a worker that serves, and ends at once. The worker is stopped by
// nobody. Without its supervisor it serves on until the next one's socket is at the path, and then
// drains. Where APISIX stops for good there will be no next one, and in a container the kernel kills the worker
// when APISIX has ended, which waits a second for the supervisor: so that waits for the worker.

// What a supervisor that ends tells its worker.
const (
	wordReload = 'r' // APISIX reloads: the next runner will come
	wordStop   = 's' // APISIX stops: no other will come, and there is little time
	wordEnd    = 'e' // somebody else ends the supervisor: another may come
)

// stopWait is how long a supervisor waits for its worker where APISIX stops, which kills it after a second.
const stopWait = 900 * time.Millisecond

const (
	// envSocket and envFamily tell a worker which socket it has, and who has started its supervisor.
	envSocket = envPrefix + "WORKER_SOCKET"
	envFamily = envPrefix + "WORKER_FAMILY"
	// noConnection is for how long APISIX has to have no connection to a worker without supervisor
	// until it is taken to have ended: nginx's workers connect anew on a reload.
	noConnection = time.Second
	// stopIdle is the same where APISIX has said that it stops: its last requests still get their replies.
	stopIdle = 20 * time.Millisecond
)

// errSupervisorGone ends a worker that waits for its successor.
var errSupervisorGone = errors.New("APISIX has stopped the runner")

// supervise keeps a worker until a signal comes or the parent is gone.
func supervise(ctx context.Context, env environment, o runOptions) error {
	log := openLog(env, &o)
	defer log.Close(logWait)
	o.peers.Family = extplugin.Ancestors()
	socket, err := extplugin.OpenSocket(o.socket, o.peers)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go watchParent(ctx, cancel)
	command := func() (*exec.Cmd, *os.File, error) {
		if socket.Dead() { // somebody removed it, or the worker made another and has died
			again, err := extplugin.OpenSocket(o.socket, o.peers)
			if err != nil {
				return nil, nil, err
			}
			socket.Close()
			socket = again
		}
		file, err := socket.File()
		if err != nil {
			return nil, nil, err
		}
		cmd := &exec.Cmd{
			Path: ownBinary(), Args: append([]string{os.Args[0], "worker"}, env.args...),
			Env:    append(os.Environ(), envSocket+"="+socket.ID(), envFamily+"="+o.peers.Family.String()),
			Stdout: os.Stdout, Stderr: os.Stderr,
		}
		return cmd, file, nil
	}
	lifeline := supervisor.Run(ctx, supervisor.Options{Command: command, Farewell: func() (byte, time.Duration) { return farewell(o.peers.Family) }, Log: o.log})
	if lifeline == nil {
		socket.Remove() // nobody will accept from it
	}
	o.log.Info("the supervisor ends; its worker serves until the next runner's does", "reason", context.Cause(ctx))
	return nil // with its end lifeline is closed
}

// ownBinary is this process's own, also when another is in its place by now: supervisor and worker
// are of one version.
func ownBinary() string {
	if runtime.GOOS == "linux" {
		return "/proc/self/exe"
	}
	path, err := os.Executable()
	if err != nil {
		return os.Args[0]
	}
	return path
}

// work serves APISIX on the supervisor's socket until a signal comes or the supervisor is gone.
func work(ctx context.Context, env environment) error {
	o, err := readRunOptions(env)
	if err != nil {
		return err
	}
	in, err := supervisor.Inherit()
	if err != nil {
		return err
	}
	if o.peers.Family, err = extplugin.ParseFamily(env.getenv(envFamily)); err != nil {
		return fmt.Errorf("%s: %w", envFamily, err)
	}
	if o.inherited, err = extplugin.InheritSocket(in.File, o.socket, env.getenv(envSocket)); err != nil {
		return err
	}
	signalled := ctx
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-in.Gone():
			if _, word := in.Orphaned(); word == 0 {
				silence()
			}
			cancel(errSupervisorGone)
		case <-ctx.Done():
		}
	}()
	return serveAPISIX(ctx, env, o, func(r *runner) error {
		var err error
		switch orphaned, word := in.Orphaned(); {
		case !orphaned || signalled.Err() != nil: // what connects from now on waits for the next worker, if there is one
			r.server.LeaveSocket()
			err = r.end(time.Now(), o.drain)
		case word == wordStop:
			err = r.stop(signalled, min(o.drain, unsupervisedDrain), stopIdle)
		default:
			idle := noConnection
			if word == wordReload || word == 0 && alive(o.peers.Family) { // APISIX will start the next runner, busy or not
				idle = 0
			}
			r.awaitSuccessor(signalled, o.takeover, idle)
			err = r.end(time.Now(), o.drain)
		}
		if orphaned, _ := in.Orphaned(); orphaned { // there is no next worker
			o.inherited.RemoveClosed()
		}
		return err
	})
}

// alive reports whether the process that started the supervisor is still there.
func alive(f extplugin.Family) bool {
	return len(f) > 0 && !errors.Is(syscall.Kill(f[0].Pid, 0), syscall.ESRCH)
}

// silence closes standard output and error where they are pipes. APISIX starts the next runner when it reads the end of
// those of a runner that was killed, and this process has them too.
func silence() {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return
	}
	defer null.Close()
	for _, fd := range []int{syscall.Stdout, syscall.Stderr} {
		var stat unix.Stat_t
		if unix.Fstat(fd, &stat) == nil && stat.Mode&unix.S_IFMT == unix.S_IFIFO {
			_ = unix.Dup2(int(null.Fd()), fd) // or it stays: the next runner comes later
		}
	}
}
