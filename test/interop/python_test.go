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
	"github.com/kafkaupstream/kafkaupstream/test/cli/program"
	"github.com/kafkaupstream/kafkaupstream/test/kafkatest"
)

// python is the interpreter of a virtual environment that has a neighbour's packages.
type python string

// install makes the environment of a folder with requirements.txt, unless it is there: one
// for each content of the file. Processes that come at the same time wait for the first.
func install(t *testing.T, folder string) python {
	t.Helper()
	requirements, err := os.ReadFile(filepath.Join(folder, "requirements.txt"))
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
	dir := filepath.Join(home, fmt.Sprintf("%s-%.6x", filepath.Base(folder), sha256.Sum256(requirements)))
	if err := os.MkdirAll(home, 0o755); err != nil {
		t.Fatal(err)
	}
	defer lockFile(t, dir+".lock")()
	complete := filepath.Join(dir, "complete")
	if _, err := os.Stat(complete); err != nil {
		makeVenv(t, dir, filepath.Join(folder, "requirements.txt"))
		if err := os.WriteFile(complete, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return python(filepath.Join(dir, "bin", "python"))
}

// lockFile waits until this process alone has the file, until it unlocks it.
func lockFile(t *testing.T, path string) (unlock func()) {
	t.Helper()
	lock, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := filelock.Try(lock, syscall.LOCK_EX); err != nil { // which waits
		t.Fatal(err)
	}
	return func() { lock.Close() }
}

// interpreter is a Python that the pinned packages are made for.
func interpreter(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"python3.12", "python3.11", "python3"} {
		if exec.Command(name, "-c", "import sys, ensurepip; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))").Run() == nil {
			return name
		}
	}
	t.Fatal("Python 3.11 or 3.12 is needed, with venv: make deps installs it, or says how")
	return ""
}

// makeVenv takes every package as it is pinned: to let pip resolve what fits takes
// minutes, and gives another answer every week.
func makeVenv(t *testing.T, dir, requirements string) {
	t.Helper()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{interpreter(t), "-m", "venv", dir},
		{filepath.Join(dir, "bin", "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
			"--no-deps", "--only-binary", ":all:", "-r", requirements},
	} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%q: %v\n%s", args, err, out)
		}
	}
}

func (p python) start(t *testing.T, env []string, args ...string) *program.Process {
	t.Helper()
	return p.startIn(t, "", env, args...)
}

func (p python) startIn(t *testing.T, dir string, env []string, args ...string) *program.Process {
	t.Helper()
	return program.Start(t, string(p), program.Options{Dir: dir, Args: args, Env: append(env, "PYTHONUNBUFFERED=1")})
}

func createTopics(t *testing.T, k *kafkatest.Cluster, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := k.CreateTopic(name, 1, 1, nil); err != nil {
			t.Fatal(err)
		}
	}
}
