package logging

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestFileOnADiskThatWasFullHasEachLineByItself(t *testing.T) {
	dir, instead, page := t.TempDir(), &bytes.Buffer{}, os.Getpagesize()
	if err := syscall.Mount("none", dir, "tmpfs", 0, fmt.Sprint("size=", 4*page)); err != nil {
		t.Fatalf("this test mounts a small file system, which needs root and CAP_SYS_ADMIN: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	path, other := filepath.Join(dir, "log"), filepath.Join(dir, "other")
	if err := os.WriteFile(other, make([]byte, 2*page), 0o600); err != nil {
		t.Fatal(err)
	}
	f := NewFile(path, instead)
	t.Cleanup(f.Close) // before its disk goes
	line := func(name string) string { return name + strings.Repeat(".", page*3/4) }
	piece := 2*page - 2*len(line("1")+"\n")
	full := line("1") + "\n" + line("2") + "\n" + line("3")[:piece]
	write(t, f, line("1"), line("2"), line("3"), line("4")) // there is room for two and a piece
	if err := os.Remove(other); err != nil {
		t.Fatal(err)
	}
	write(t, f, line("5"), line("6"), line("7")) // and now for two more and a piece
	contains(t, path, full+"\n"+line("5")+"\n"+line("6")+"\n"+line("7")[:piece-1])
	if err := os.Rename(path, filepath.Join(dir, "log.1")); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(dir, "log.1"), 0); err != nil {
		t.Fatal(err)
	}
	write(t, f, "8")
	contains(t, path, "8\n")
	if got := instead.String(); strings.Count(got, "cannot be written") != 2 || !strings.Contains(got, "\n"+line("3")+"\n"+line("4")+"\n") || !strings.HasSuffix(got, "\n"+line("7")+"\n") {
		t.Errorf("instead: %q", instead)
	}
}
