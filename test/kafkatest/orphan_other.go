//go:build unix && !linux

package kafkatest

import "os/exec"

// tieToParent does nothing here: no other kernel kills a process with its
// parent. A test that is killed leaves its brokers; Ctrl-C ends them, since
// they stay in the terminal's process group.
func tieToParent(*exec.Cmd) {}
