package logging

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func write(t *testing.T, f *File, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if n, err := f.Write([]byte(line + "\n")); err != nil || n != len(line)+1 {
			t.Fatal(n, err)
		}
	}
}

func contains(t *testing.T, path, want string) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("%s: %q, %v; want %q", filepath.Base(path), got, err, want)
	}
}

func TestFileFollowsItsPath(t *testing.T) {
	path, instead := filepath.Join(t.TempDir(), "log"), &bytes.Buffer{}
	if err := os.WriteFile(path, []byte("before\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := NewFile(path, instead)
	defer f.Close()
	other := NewFile(path, instead) // another process's
	defer other.Close()
	write(t, f, "1")
	write(t, other, "2")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	write(t, f, "3")
	write(t, other, "4")
	write(t, f, "5")
	contains(t, path+".1", "before\n1\n2\n")
	contains(t, path, "3\n4\n5\n")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	write(t, other, "6")
	contains(t, path, "6\n")
	if err := os.Truncate(path, 0); err != nil { // logrotate's copytruncate
		t.Fatal(err)
	}
	write(t, f, "7")
	contains(t, path, "7\n")
	if instead.Len() > 0 {
		t.Error(instead)
	}
}

func TestFileThatCannotBeWrittenLosesNoLine(t *testing.T) {
	dir, instead := filepath.Join(t.TempDir(), "logs"), &bytes.Buffer{}
	path := filepath.Join(dir, "log")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	f := NewFile(path, instead)
	defer f.Close()
	write(t, f, "0")
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	write(t, f, "1", "2")
	if !strings.HasPrefix(instead.String(), "kafkaupstream: the log cannot be written to its file") || !strings.HasSuffix(instead.String(), "directory\n1\n2\n") {
		t.Errorf("%q", instead)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, f, "3")
	contains(t, path, "3\n")
}

func TestFileIsARegularOne(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{dir, "/dev/null", filepath.Join(dir, "missing", "log")} {
		if err := CheckFile(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if err := CheckFile(filepath.Join(dir, "log")); err != nil {
		t.Error(err)
	}
}
