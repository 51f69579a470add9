package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/extplugin"
)

// ticks are those of a second in /proc (USER_HZ).
const ticks = 100

// farewell says what has ended the supervisor that the first of the family has started. nginx, on a reload, starts its new
// processes before it stops the old ones: where its privileged agent has a younger sibling, that is a reload. A worker
// of nginx's that has died and been replaced is one, too: then a stop is taken for a reload.
func farewell(f extplugin.Family) (word byte, wait time.Duration) {
	if len(f) < 2 || !isAgent(f[0].Pid) {
		return wordEnd, 0
	}
	_, born, ok := statOf(f[0].Pid)
	if !ok {
		return wordEnd, 0
	}
	all, _ := filepath.Glob("/proc/[0-9]*") // fails only for a wrong pattern
	for _, dir := range all {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		// nginx takes less than a second to start all its processes.
		if parent, at, ok := statOf(pid); ok && parent == f[1].Pid && at > born+ticks {
			return wordReload, 0
		}
	}
	return wordStop, stopWait
}

// isAgent reports whether the process is nginx's privileged agent, in which APISIX starts its runner.
func isAgent(pid int) bool {
	title, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && bytes.HasPrefix(title, []byte("nginx: ")) && bytes.Contains(title, []byte("privileged agent"))
}

// statOf reads a process's parent, and when it was started, in ticks (proc_pid_stat(5)).
func statOf(pid int) (parent int, born int64, ok bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, false
	}
	_, rest, found := strings.Cut(string(text[max(bytes.LastIndexByte(text, ')'), 0):]), ") ") // a name may hold anything
	fields := strings.Fields(rest)
	if !found || len(fields) < 20 {
		return 0, 0, false
	}
	parent, err = strconv.Atoi(fields[1])
	if err != nil {
		return 0, 0, false
	}
	born, err = strconv.ParseInt(fields[19], 10, 64)
	return parent, born, err == nil
}
