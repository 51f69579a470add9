package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// machine is a PATH with what any system has, and commands that a test writes.
func machine(t *testing.T, commands map[string]string) string {
	t.Helper()
	bin := t.TempDir()
	for _, tool := range []string{"bash", "dirname", "cat", "env"} {
		path, err := exec.LookPath(tool)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(path, filepath.Join(bin, tool)); err != nil {
			t.Fatal(err)
		}
	}
	for name, script := range commands {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return bin
}

func needs(path string) (string, error) {
	cmd := exec.Command("bash", "../../.ci/needs")
	cmd.Env = []string{"PATH=" + path}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// Before anything runs: who lacks five things learns of five, and how to get them.
func TestWhatTestsNeedIsNamedAtOnce(t *testing.T) {
	out, err := needs(machine(t, map[string]string{"id": "echo 1000", "curl": "", "jq": "", "java": "", "python3": "exit 1"}))
	if err == nil {
		t.Error("exit code 0")
	}
	for _, line := range []string{
		"missing: go, of the version in go.mod or newer: https://go.dev/dl/",
		"missing: cc mvn python node npm chromium zsh fish kcat nginx shellcheck promtool (python: 3.11 or 3.12, with venv)",
		"  apt-get install build-essential maven python3-venv nodejs npm chromium zsh fish kcat nginx-light shellcheck prometheus   # as root; make test does it itself",
		"  dnf install gcc maven python3.12 nodejs nodejs-npm chromium zsh fish kcat nginx ShellCheck golang-github-prometheus",
		"  brew install gcc maven python@3.12 node node chromium zsh fish kcat nginx shellcheck prometheus",
	} {
		if !strings.Contains(out, line+"\n") {
			t.Errorf("no %q in\n%s", line, out)
		}
	}
}

// make apisix without a container engine.
func TestContainersThatCannotRunAreAnError(t *testing.T) {
	cmd := exec.Command("bash", "../../examples/verify.sh")
	cmd.Env = []string{"PATH=" + machine(t, map[string]string{"curl": "", "jq": ""})}
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "needs docker, which is not installed") {
		t.Errorf("%v: %s", err, out)
	}
}

// Docker without its compose plugin: what cannot be started leaves no file behind, which would mislead the scripts on dev.
func TestContainersWithoutComposeLeaveNothingBehind(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"examples", "scripts"} {
		if err := os.CopyFS(filepath.Join(dir, name), os.DirFS("../../"+name)); err != nil {
			t.Fatal(err)
		}
	}
	made := filepath.Join(dir, "scripts", ".env")
	if err := os.RemoveAll(made); err != nil { // of whoever works here
		t.Fatal(err)
	}
	cmd := exec.Command("bash", filepath.Join(dir, "examples", "start.sh"))
	cmd.Env = []string{"PATH=" + machine(t, map[string]string{"curl": "", "jq": "", "docker": `[ "$1" != compose ]`})}
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "needs docker's compose plugin") {
		t.Errorf("%v: %s", err, out)
	}
	if _, err := os.Lstat(made); err == nil {
		t.Error("it has made scripts/.env")
	}
}

func TestWhatTestsNeedIsInstalledOnDebianAsRoot(t *testing.T) {
	all := map[string]string{"id": "echo 0", "go": "", "python3.11": "", "cc": "", "java": "", "mvn": "", "node": "", "npm": "", "chromium": "", "zsh": "", "fish": "", "curl": "", "kcat": "", "nginx": "", "promtool": "",
		"apt-get": `echo "apt-get $*"`}
	out, err := needs(machine(t, all))
	if err != nil || out != "installing: jq shellcheck\napt-get update -qq\napt-get install -y -qq --no-install-recommends jq shellcheck\n" {
		t.Errorf("%v: %s", err, out)
	}
	all["jq"], all["shellcheck"] = "", ""
	if out, err := needs(machine(t, all)); err != nil || out != "" {
		t.Errorf("nothing is missing: %v: %s", err, out)
	}
}
