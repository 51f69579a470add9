package extplugin

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
)

// peersKnown: the system says who connects.
const peersKnown = true

// peerOf returns the process that has made the connection and its user, as they were then.
func peerOf(conn *net.UnixConn) (pid, uid int, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, 0, err
	}
	var cred *syscall.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		cred, credErr = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	}); err != nil {
		return 0, 0, err
	}
	if credErr != nil {
		return 0, 0, credErr
	}
	return int(cred.Pid), int(cred.Uid), nil
}

// processStatus reads a process's parent and effective user (proc_pid_status(5)).
func processStatus(pid int) (p process, ok bool) {
	file, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return p, false
	}
	defer file.Close()
	found := 0
	for lines := bufio.NewScanner(file); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), ":")
		var real int
		switch name {
		case "PPid":
			_, err = fmt.Sscan(value, &p.parent)
		case "Uid":
			_, err = fmt.Sscan(value, &real, &p.uid)
		default:
			continue
		}
		if err != nil {
			return p, false
		}
		found++
	}
	return p, found == 2
}
