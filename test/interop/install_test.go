package interop

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/internal/filelock"
)

// installOnce returns a folder of the cache that makeDir has made for a neighbour's folder:
// one for each content of the file in it that pins the packages. Processes that come at
// the same time wait for the first.
func installOnce(t *testing.T, folder, pins string, makeDir func(dir string)) (dir string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, pins))
	if err != nil {
		t.Fatal(err)
	}
	home := os.Getenv("KAFKAUPSTREAM_INTEROP")
	if home == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			t.Fatalf("no place for %s: set KAFKAUPSTREAM_INTEROP: %v", folder, err)
		}
		home = filepath.Join(cache, "kafkaupstream")
	}
	dir = filepath.Join(home, fmt.Sprintf("%s-%.6x", filepath.Base(folder), sha256.Sum256(text)))
	if err := os.MkdirAll(home, 0o755); err != nil {
		t.Fatal(err)
	}
	lock, err := os.OpenFile(dir+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if _, err := filelock.Try(lock, syscall.LOCK_EX); err != nil { // which waits
		t.Fatal(err)
	}
	complete := filepath.Join(dir, "complete")
	if _, err := os.Stat(complete); err != nil {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		makeDir(dir)
		if err := os.WriteFile(complete, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// command runs a program in a folder, "" for the test's, to its end.
func command(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
}
