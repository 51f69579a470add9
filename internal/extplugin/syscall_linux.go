//go:build linux && !race

package extplugin

import (
	"syscall"
	"unsafe"
)

// sysRead and sysWrite are syscall.Read and syscall.Write without telling the
// scheduler. The descriptors are non-blocking, so a call takes microseconds; telling
// keeps the runtime's monitor thread awake, which costs as much CPU time as a
// quarter of a small call. The monitor wakes by itself for timers, and the server's
// watch sets one every watchInterval: no goroutine runs longer unpreempted.
func sysRead(fd uintptr, p []byte) (int, error)  { return transfer(syscall.SYS_READ, fd, p) }
func sysWrite(fd uintptr, p []byte) (int, error) { return transfer(syscall.SYS_WRITE, fd, p) }

func transfer(trap, fd uintptr, p []byte) (int, error) {
	n, _, errno := syscall.RawSyscall(trap, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
	if errno != 0 {
		return -1, errno
	}
	return int(n), nil
}
