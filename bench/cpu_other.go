//go:build !linux

package main

import (
	"errors"
	"runtime"
	"time"
)

func cpuTime(int) (time.Duration, error) {
	return 0, errors.New("bench measures on Linux only: elsewhere the CPU clock of another process cannot be read")
}

func describeMachine() machine {
	return machine{CPU: runtime.GOARCH, Cores: runtime.NumCPU(), Go: runtime.Version(), Kernel: runtime.GOOS}
}
