package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// words are what a line is completed with.
func words(t *testing.T, line ...string) (found []string) {
	t.Helper()
	code, stdout, stderr := runHere(nil, append([]string{"completion", "words"}, line...)...)
	if code != exitOK || stderr != "" {
		t.Errorf("%q: exit code %d, %s", line, code, stderr)
	}
	for l := range strings.Lines(stdout) {
		word, _, _ := strings.Cut(strings.TrimSpace(l), "\t")
		found = append(found, word)
	}
	return found
}

func TestCompletionKnowsCommandsAndFlags(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"ver", "verify version"},
		{"worker", ""},
		{"spool re", "replay resume"},
		{"help sp", "spool"},
		{"help spool dr", "drop"},
		{"completion ", "bash zsh fish"},
		{"run --admi", "--admin"},
		{"--admi", "--admin"},
		{"run --admin --spool-di", ""}, // which is its value
		{"run --pprof --spool-di", "--spool-dir"},
		{"run --spool-dir=/x --admi", "--admin"},
		{"spool show 3f2a --de", "--dead"},
		{"check -", ""},
		{"check -f ro", ""}, // a file
		{"no-such -", ""},
		{"spool no-such --", ""},
		{"help", "help"},
		{"run --log-level d", "debug"},
		{"serve --log-format ", "text json"},
		{"serve --dead-letters r", "refuse"},
		{"dev --front ", "ext-plugin http"},
		{"dev --log-level w", "warn"},
		{"route --output k", "k8s"},
		{"route --phase p", "post-req pre-req"},
		{"ma", "man"},
	} {
		got := words(t, strings.Split(c.line, " ")...)
		if c.line == "check -" { // its flags are other tests' concern
			if !slices.Contains(got, "-f") || !slices.Contains(got, "--offline") || !slices.Contains(got, "--help") {
				t.Errorf("%s: %q", c.line, got)
			}
			continue
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %q, not %q", c.line, got, c.want)
		}
	}
	words(t)
}

func TestCompletionOfAnUnknownShellIsRefused(t *testing.T) {
	for _, args := range [][]string{{}, {"tcsh"}, {"../completion.go"}, {"bash", "zsh"}, {""}} {
		if code, stdout, stderr := runHere(nil, append([]string{"completion"}, args...)...); code != exitUsage || stdout != "" || !strings.Contains(stderr, "which shell? bash, zsh or fish") {
			t.Errorf("%q: exit code %d, %q, %q", args, code, stdout, stderr)
		}
	}
}

// keysInZsh types on a terminal of its own, which zsh completes on only.
const keysInZsh = `zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell 'autoload -U compinit; compinit -u -D; source <(kafkaupstream completion zsh)'
zpty -w shell $'kafkaupstream versi\t'
zpty -w shell $'kafkaupstream compl\tf\t'
zpty -w shell $'kafkaupstream spool sh\t--de\t--hel\t'
zpty -w shell exit
while zpty -r shell line; do print -r -- $line; done
`

// Each shell completes a command, its argument, and the commands of spool. bash and zsh read keys; fish is asked.
func TestCompletionWorksIn(t *testing.T) {
	for _, c := range []struct {
		shell, input string
		args, says   []string
	}{
		{"bash", "source <(kafkaupstream completion bash)\nkafkaupstream versi\t\nkafkaupstream compl\tz\t\nkafkaupstream spool sh\t--de\t--hel\t\nexit\n",
			[]string{"--norc", "--noprofile", "-i", "-o", "emacs"},
			[]string{"\ncommit 0123abc", "#compdef kafkaupstream", "Usage: kafkaupstream spool show STREAM|RECEIPT"}},
		{"zsh", keysInZsh, []string{"-f"},
			[]string{"\ncommit 0123abc", "complete -c kafkaupstream", "Usage: kafkaupstream spool show STREAM|RECEIPT"}},
		{"fish", "kafkaupstream completion fish | source\nfor line in versi 'compl' 'completion z' 'spool sh' 'spool show --de'\ncomplete -C \"kafkaupstream $line\"\nend\n",
			[]string{"--no-config"},
			[]string{"version\tprint the version", "completion\tprint what completes", "\nzsh\n", "show\tone record", "--dead\tdead letters"}},
	} {
		t.Run(c.shell, func(t *testing.T) {
			bin := t.TempDir()
			if err := os.Symlink(binary, filepath.Join(bin, "kafkaupstream")); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			shell := exec.CommandContext(ctx, c.shell, c.args...)
			shell.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "TERM=dumb", "HISTFILE=", "HOME="+bin, "PS1=")
			shell.Stdin = strings.NewReader(c.input)
			out, err := shell.CombinedOutput()
			for _, part := range c.says {
				if !strings.Contains(strings.ReplaceAll(string(out), "\r", ""), part) {
					t.Errorf("%q is not in\n%s\n%v", part, out, err)
				}
			}
		})
	}
}

func TestManualHasAPageForEachCommandWithAllItsFlags(t *testing.T) {
	dir := t.TempDir()
	if code, _, stderr := runHere(nil, "man", dir); code != exitOK {
		t.Fatal(stderr)
	}
	for _, name := range append(callable(), "") {
		page := "kafkaupstream-" + strings.ReplaceAll(name, " ", "-") + ".1"
		if name == "" || name == "spool" {
			page = "kafkaupstream.1"
		}
		text, err := os.ReadFile(filepath.Join(dir, page))
		if err != nil {
			t.Error(err)
			continue
		}
		_, help, _ := runHere(nil, append(strings.Fields(name), "--help")...)
		for line := range strings.Lines(help) {
			if flag := strings.Fields(line); strings.HasPrefix(line, "  -") && !strings.Contains(string(text), ".B "+roff(strings.Join(flag, " "))+"\n") {
				t.Errorf("%s: no %q in\n%s", page, flag, text)
			}
		}
		if strings.Contains(string(text), "worker") && name == "" {
			t.Errorf("%s: %s", page, text)
		}
	}
	for _, args := range [][]string{{"man", "--help"}, {"help", "man"}} {
		if code, stdout, _ := runHere(nil, args...); code != exitOK || !strings.Contains(stdout, "Usage: kafkaupstream man DIRECTORY [FLAGS]\n") {
			t.Errorf("%q: exit code %d, %s", args, code, stdout)
		}
	}
	if code, _, stderr := runHere(nil, "man", dir, dir); code != exitUsage {
		t.Errorf("exit code %d with two directories, %s", code, stderr)
	}
	if code, _, _ := runHere(nil, "man"); code != exitUsage {
		t.Errorf("exit code %d without a directory", code)
	}
	if code, _, _ := runHere(nil, "man", filepath.Join(dir, "no", "such")); code != exitProblem {
		t.Errorf("exit code %d for a directory that is not there", code)
	}
}

// What stands in a flag's text is shown, and not obeyed.
func TestManualsTextIsNoCommandOfRoff(t *testing.T) {
	for text, want := range map[string]string{".SH x": `\&.SH x`, "'x": `\&'x`, `a\b--c`: `a\eb\-\-c`} {
		if got := roff(text); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}
