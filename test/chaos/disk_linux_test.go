package chaos

import (
	"os"
	"syscall"
)

// smallDisk gives a lane's spool a file system of its own that a few hundred records
// fill. Only root can.
func smallDisk(s *scene, l *lane) {
	s.t.Helper()
	s.must(os.Mkdir(l.spool, 0o700))
	if err := syscall.Mount("none", l.spool, "tmpfs", 0, "size=512k"); err != nil {
		s.t.Fatalf("this scenario mounts a small file system, which needs root and CAP_SYS_ADMIN: %v", err)
	}
	s.t.Cleanup(func() {
		if err := syscall.Unmount(l.spool, 0); err != nil {
			s.t.Error(err)
		}
	})
}

// setReadOnly makes the disk of smallDisk read-only, or writable again.
func (s *scene) setReadOnly(l *lane, readOnly bool) {
	s.t.Helper()
	flags := uintptr(syscall.MS_REMOUNT)
	if readOnly {
		flags |= syscall.MS_RDONLY
	}
	if err := syscall.Mount("none", l.spool, "tmpfs", flags, "size=512k"); err != nil {
		s.t.Fatalf("remount %s: %v", l.spool, err)
	}
}
