package main

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// callable are the names of all commands that help shows, those of spool included.
func callable() (names []string) {
	for _, c := range slices.Concat(commands(), spoolCommands()) {
		if !c.hidden {
			names = append(names, c.name)
		}
	}
	return names
}

// runHere starts a command in this process.
func runHere(vars map[string]string, args ...string) (code int, stdout, stderr string) {
	env, out, err := fakeProcess(vars, args...)
	code = dispatch(context.Background(), env)
	return code, out.String(), err.String()
}

func TestHelpOfEveryCommandIsOnStandardOutputHoweverItIsAskedFor(t *testing.T) {
	for _, name := range callable() {
		words := strings.Fields(name)
		_, want, _ := runHere(nil, append(words, "--help")...)
		for _, args := range [][]string{append(words, "--help"), append(words, "-h"), append(words, "-help"), append([]string{"help"}, words...)} {
			code, stdout, stderr := runHere(nil, args...)
			if code != exitOK || stderr != "" || stdout != want || !strings.Contains(stdout, "kafkaupstream "+name) {
				t.Errorf("%q: exit code %d, stdout %q, stderr %q", args, code, stdout, stderr)
			}
		}
		if !strings.Contains(want, "Examples:\n  kafkaupstream "+words[0]) && name != "help" && name != "spool" {
			t.Errorf("%s: no example in\n%s", name, want)
		}
		if single := regexp.MustCompile(`(?m)(^|[ (])-[a-z][a-z]`).FindString(want); single != "" {
			t.Errorf("%s: a flag with one dash, %q, in\n%s", name, single, want)
		}
		for line := range strings.Lines(want) {
			if len([]rune(line)) > helpWidth+1 && !strings.Contains(line, "kafkaupstream ") {
				t.Errorf("%s: a long line: %s", name, line)
			}
		}
	}
}

func TestVersionCanBeAskedOfEveryCommand(t *testing.T) {
	_, want, _ := runHere(nil, "version")
	for _, name := range append(callable(), "") {
		args := append(strings.Fields(name), "--version")
		if code, stdout, stderr := runHere(nil, args...); code != exitOK || stdout != want || stderr != "" {
			t.Errorf("%q: exit code %d, stdout %q, stderr %q", args, code, stdout, stderr)
		}
	}
}

func TestHelpNeedsNoVariableToBeRight(t *testing.T) {
	code, stdout, stderr := runHere(map[string]string{"KAFKAUPSTREAM_DRAIN_TIMEOUT": "soon"}, "run", "--help")
	if code != exitOK || stderr != "" || !strings.Contains(stdout, "--drain-timeout DURATION") {
		t.Errorf("exit code %d, stdout %q, stderr %q", code, stdout, stderr)
	}
}

func TestHelpThatCannotBePrintedIsAFailure(t *testing.T) {
	for _, args := range []string{"run --help", "help run", "help spool ls", "help", "spool --help"} {
		env, _, stderr := fakeProcess(nil, strings.Fields(args)...)
		env.stdout = fullDisk{}
		if code := dispatch(t.Context(), env); code != exitProblem || !strings.Contains(stderr.String(), "no space left") {
			t.Errorf("%s: exit code %d, stderr %q", args, code, stderr)
		}
	}
}

// fullDisk has no room for a byte.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

func TestWhatAWorkerIsNobodyNeedsToKnow(t *testing.T) {
	for _, args := range [][]string{{"help"}, {"--help"}, {"help", "run"}} {
		if _, stdout, _ := runHere(nil, args...); strings.Contains(stdout, "kafkaupstream worker") || strings.Contains(stdout, "\n  worker") {
			t.Errorf("%q: %s", args, stdout)
		}
	}
}

// A script that calls a command wrongly logs a line or two, and not every flag.
func TestWrongFlagIsNamedAsItIsTyped(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"run --drain-timeuot 5s", "kafkaupstream run: there is no flag --drain-timeuot; did you mean --drain-timeout?\nkafkaupstream run --help shows its flags\n"},
		{"run --no-such", "kafkaupstream run: there is no flag --no-such\nkafkaupstream run --help shows its flags\n"},
		{"run --drain-timeout", "kafkaupstream run: flag needs an argument: --drain-timeout\nkafkaupstream run --help shows its flags\n"},
		{"check -f", "kafkaupstream check: flag needs an argument: -f\nkafkaupstream check --help shows its flags\n"},
		{"run --supervise=perhaps", "kafkaupstream run: invalid boolean value \"perhaps\" for --supervise: it is true or false\nkafkaupstream run --help shows its flags\n"},
		{"spool ls --no-such", "kafkaupstream spool ls: there is no flag --no-such\nkafkaupstream spool ls --help shows its flags\n"},
	} {
		if code, stdout, stderr := runHere(nil, strings.Fields(c.args)...); code != exitUsage || stdout != "" || stderr != c.want {
			t.Errorf("%s: exit code %d, stdout %q, stderr %q", c.args, code, stdout, stderr)
		}
	}
}

func TestCheckNamesTheFilesThatItTakes(t *testing.T) {
	_, usage, _ := runHere(nil, "check", "--help")
	if !strings.Contains(usage, "the file of serve") || !strings.Contains(repository(t, "docs/check.md"), "- the file of [`serve`](serve.md#the-file)") {
		t.Error("check takes serve's file, and does not say so: ", usage)
	}
	_, usage, _ = runHere(nil, "serve", "--help")
	if strings.Contains(usage, "which is APISIX's error.log") {
		t.Error("serve's standard error is nobody's error.log")
	}
	if !strings.Contains(repository(t, "README.md"), "`go build -o kafkaupstream ./cmd/kafkaupstream`") {
		t.Error("README does not say how to get the binary")
	}
}

func TestWordThatIsNoCommandIsNamedWithTheOneThatWasMeant(t *testing.T) {
	for args, want := range map[string]string{
		"chek -f x":        `kafkaupstream: there is no command "chek"; did you mean "check"?` + "\n",
		"worke":            `kafkaupstream: there is no command "worke"` + "\n",
		"help srve":        `kafkaupstream: there is no command "srve"; did you mean "serve"?` + "\n",
		"spool lst":        `kafkaupstream spool: there is no command "lst"; did you mean "ls"?` + "\n",
		"spool show-all x": `kafkaupstream spool: there is no command "show-all"` + "\n",
	} {
		if code, stdout, stderr := runHere(nil, strings.Fields(args)...); code != exitUsage || stdout != "" || !strings.HasPrefix(stderr, want) {
			t.Errorf("%s: exit code %d, stdout %q, stderr %q", args, code, stdout, stderr)
		}
	}
}

func TestWithoutACommandItIsSaidWhatThatMeans(t *testing.T) {
	const none = "kafkaupstream: no command is named, so this is kafkaupstream run, which APISIX starts; kafkaupstream dev tries it out without APISIX, kafkaupstream --help shows all commands\n"
	for args, code := range map[string]int{"": exitProblem, "-f x": exitUsage, "--log-level loud": exitUsage} {
		got, _, stderr := runHere(nil, strings.Fields(args)...)
		if got != code || !strings.HasSuffix(stderr, none) {
			t.Errorf("%q: exit code %d, %q", args, got, stderr)
		}
		if _, _, stderr := runHere(nil, append([]string{"run"}, strings.Fields(args)...)...); strings.Contains(stderr, "no command is named") {
			t.Errorf("run %s: %q", args, stderr)
		}
	}
}
