package extplugin

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestSocketTakesThePlaceOfSocketsOnly has something of somebody else's at each of the two paths that a socket takes.
func TestSocketTakesThePlaceOfSocketsOnly(t *testing.T) {
	const words = "of somebody else's"
	for what, put := range map[string]func(path string) error{
		"a file":             func(path string) error { return os.WriteFile(path, []byte(words), 0o600) },
		"a directory":        func(path string) error { return os.Mkdir(path, 0o700) },
		"a link to a file":   func(path string) error { return os.Symlink(os.Args[0], path) },
		"a link to nothing":  func(path string) error { return os.Symlink("nothing", path) },
		"an empty file":      func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"a link to a socket": linkToASocket,
	} {
		for _, ending := range []string{"", fmt.Sprint(".", os.Getpid())} {
			t.Run(fmt.Sprintf("%s at PATH%s", what, ending), func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "s")
				if err := put(path + ending); err != nil {
					t.Fatal(err)
				}
				before, err := os.Lstat(path + ending)
				if err != nil {
					t.Fatal(err)
				}
				if s, err := OpenSocket(path, Peers{}); err == nil || !strings.Contains(err.Error(), path+ending+" is in the way: it is no socket") {
					t.Error(s, err)
				}
				if after, err := os.Lstat(path + ending); err != nil || !os.SameFile(before, after) {
					t.Error("it is not there any more:", err)
				}
				if made, err := filepath.Glob(path + "*"); len(made) > 1 && what != "a link to a socket" {
					t.Error(made, err)
				}
			})
		}
	}
}

func linkToASocket(path string) error {
	s, err := OpenSocket(path+".real", Peers{})
	if err != nil {
		return err
	}
	return errors.Join(s.Close(), os.Symlink(path+".real", path))
}

// A file system may give the number of a socket that is closed to the next one.
func TestClosedSocketLeavesTheOneWithItsNumber(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	first, err := OpenSocket(path, Peers{})
	if err != nil {
		t.Fatal(err)
	}
	first.Close()
	next, err := OpenSocket(path, Peers{})
	if err != nil {
		t.Fatal(err)
	}
	first.id = next.ID() // as if it had
	if first.RemoveClosed(); !next.Ours() {
		t.Error("the next one's path is gone")
	}
	next.Close()
	if first.RemoveClosed(); next.Ours() {
		t.Error("the path of a socket that nobody listens at is still there")
	}
}

func TestSocketLeavesAtItsEndWhatHasTakenItsPlace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	s, err := OpenSocket(path, Peers{})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil { // from here on a file may get the socket's number
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	stat := info.Sys().(*syscall.Stat_t)
	s.id = fmt.Sprintf("%d:%d", stat.Dev, stat.Ino) // as if it had
	if s.Remove(); s.Ours() {
		t.Error("a file is taken for the socket")
	}
	if text, err := os.ReadFile(path); string(text) != "precious" {
		t.Error(string(text), err)
	}
}
