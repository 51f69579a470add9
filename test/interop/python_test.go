package interop

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/test/cli/program"
	"github.com/kafkaupstream/kafkaupstream/test/kafkatest"
)

// python is the interpreter of a virtual environment that has a neighbour's packages.
type python string

// install makes the environment of a folder with requirements.txt, unless it is there.
func install(t *testing.T, folder string) python {
	t.Helper()
	const requirements = "requirements.txt"
	dir := installOnce(t, folder, requirements, func(dir string) { makeVenv(t, dir, filepath.Join(folder, requirements)) })
	return python(filepath.Join(dir, "bin", "python"))
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
	command(t, "", interpreter(t), "-m", "venv", dir)
	command(t, "", filepath.Join(dir, "bin", "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
		"--no-deps", "--only-binary", ":all:", "-r", requirements)
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
