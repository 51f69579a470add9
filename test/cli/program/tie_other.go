//go:build unix && !linux

package program

import (
	"os/exec"
	"syscall"
)

// tieToParent gives the process a process group of its own; no other kernel kills
// a process with its parent.
func tieToParent(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
