// Package child starts processes that do not outlive this one, for tests and benchmarks.
package child

import (
	"os/exec"
	"runtime"
	"sync"
)

// Start starts a command. On Linux it gets a process group of its own, which keeps Ctrl-C for the caller alone, and the kernel
// kills it when this process dies, however that dies: a test's timeout and SIGKILL leave no time for a clean-up.
func Start(cmd *exec.Cmd) error {
	tie(cmd)
	started := make(chan error)
	launcher() <- func() { started <- cmd.Start() }
	return <-started
}

// launcher starts processes on a thread that never ends: what the kernel calls the parent is the thread that started a process,
// and Go ends threads as it pleases.
var launcher = sync.OnceValue(func() chan<- func() {
	work := make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range work {
			f()
		}
	}()
	return work
})
