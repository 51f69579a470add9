package rig

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// CPUTime returns the CPU time, user and system together, that a process has used.
//
// It reads the process's CPU clock (clock_getcpuclockid(3)): nanoseconds as the
// scheduler counts them, of all its threads including those that have ended.
// /proc/PID/stat has the same number in steps of 10 ms, /proc/PID/task/*/schedstat
// has no ended threads, and getrusage tells of other processes only when they
// have ended. The clock may lag behind a thread that is running on another
// processor by one tick, so read it while the process is idle.
func CPUTime(pid int) (time.Duration, error) {
	const schedulerClock = 2          // CPUCLOCK_SCHED of linux/posix-timers_types.h
	clock := ^pid<<3 | schedulerClock // MAKE_PROCESS_CPUCLOCK
	var ts syscall.Timespec
	_, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, uintptr(clock), uintptr(unsafe.Pointer(&ts)), 0)
	if errno != 0 {
		return 0, fmt.Errorf("the CPU clock of process %d: %w", pid, errno)
	}
	return time.Duration(ts.Nano()), nil
}

// Memory reads a number of /proc/PID/status in bytes: "VmRSS" is what the process has in memory, "VmHWM" the most it ever had.
func Memory(pid int, name string) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, value, found := strings.Cut(string(text), name+":")
	value, _, _ = strings.Cut(value, " kB")
	kilobytes, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
	if err != nil || !found {
		return 0, fmt.Errorf("/proc/%d/status has no %s", pid, name)
	}
	return kilobytes << 10, nil
}

// Threads counts the threads of a process that have a name: each producer of librdkafka has one "rdk:main".
func Threads(pid int, name string) (n int, err error) {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/comm", pid))
	for _, thread := range threads {
		if text, err := os.ReadFile(thread); err == nil && strings.TrimSpace(string(text)) == name {
			n++
		}
	}
	return n, err
}

// DescribeMachine returns what numbers depend on. On Linux it takes two seconds.
func DescribeMachine() Machine {
	m := Machine{CPU: "unknown", Cores: runtime.NumCPU(), Go: runtime.Version(), Kernel: "unknown"}
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
	before := idleTime()
	time.Sleep(idleLook)
	m.Others = float64(m.Cores) - (idleTime()-before).Seconds()/idleLook.Seconds()
	return m
}

// idleLook is how long DescribeMachine looks at what others do.
const idleLook = 2 * time.Second

// idleTime is how long all cores together have had nothing to do, since the start of the machine.
func idleTime() time.Duration {
	text, err := os.ReadFile("/proc/uptime")
	if err != nil {
		return 0
	}
	_, idle, _ := strings.Cut(string(text), " ")
	seconds, err := strconv.ParseFloat(strings.TrimSpace(idle), 64)
	if err != nil {
		return 0
	}
	return time.Duration(seconds * float64(time.Second))
}
