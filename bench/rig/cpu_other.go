//go:build !linux

package rig

import (
	"errors"
	"runtime"
	"time"
)

var errLinux = errors.New("bench measures on Linux only: elsewhere the CPU clock and the memory of another process cannot be read")

func CPUTime(int) (time.Duration, error) { return 0, errLinux }

func Memory(int, string) (int64, error) { return 0, errLinux }

func Threads(int, string) (int, error) { return 0, errLinux }

// DescribeMachine names what numbers depend on.
func DescribeMachine() Machine {
	return Machine{CPU: runtime.GOARCH, Cores: runtime.NumCPU(), Go: runtime.Version(), Kernel: runtime.GOOS}
}
