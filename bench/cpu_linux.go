package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// cpuTime returns the CPU time, user and system together, that a process has used.
//
// It reads the process's CPU clock (clock_getcpuclockid(3)): nanoseconds as the
// scheduler counts them, of all its threads including those that have ended.
// /proc/PID/stat has the same number in steps of 10 ms, /proc/PID/task/*/schedstat
// has no ended threads, and getrusage tells of other processes only when they
// have ended. The clock may lag behind a thread that is running on another
// processor by one tick, so read it while the process is idle.
func cpuTime(pid int) (time.Duration, error) {
	const schedulerClock = 2          // CPUCLOCK_SCHED of linux/posix-timers_types.h
	clock := ^pid<<3 | schedulerClock // MAKE_PROCESS_CPUCLOCK
	var ts syscall.Timespec
	_, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, uintptr(clock), uintptr(unsafe.Pointer(&ts)), 0)
	if errno != 0 {
		return 0, fmt.Errorf("the CPU clock of process %d: %w", pid, errno)
	}
	return time.Duration(ts.Nano()), nil
}

// describeMachine names what the numbers depend on.
func describeMachine() machine {
	m := machine{CPU: "unknown", Cores: runtime.NumCPU(), Go: runtime.Version(), Kernel: "unknown"}
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
				m.CPU = strings.TrimSpace(value)
				break
			}
		}
	}
	if text, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.Kernel = "Linux " + strings.TrimSpace(string(text))
	}
	return m
}
