package kafkatest

import (
	"os/exec"
	"syscall"
)

// tieToParent has the kernel kill the process when its parent dies, however
// that dies: a test's timeout and SIGKILL leave no time for a clean-up. What
// the kernel calls the parent is the thread, hence launcher. The process group
// keeps Ctrl-C for the test alone, which may still need its brokers.
func tieToParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
