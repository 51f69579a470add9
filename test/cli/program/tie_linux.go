package program

import (
	"os/exec"
	"syscall"
)

// tieToParent has the kernel kill the process when its parent dies, however that
// dies, and gives it a process group of its own.
func tieToParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
