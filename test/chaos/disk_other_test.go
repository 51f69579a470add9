//go:build !linux

package chaos

func smallDisk(s *scene, _ *lane) {
	s.t.Helper()
	s.t.Fatal("this scenario mounts a small file system, which it can do on Linux only")
}

func (s *scene) setReadOnly(*lane, bool) {}
