//go:build !linux || race

package extplugin

import "syscall"

// The race detector needs these: they tell it that what one side of a socket wrote
// happened before what the other reads.
func sysRead(fd uintptr, p []byte) (int, error)  { return syscall.Read(int(fd), p) }
func sysWrite(fd uintptr, p []byte) (int, error) { return syscall.Write(int(fd), p) }
