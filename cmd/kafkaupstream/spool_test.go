package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kafkaupstream/kafkaupstream/internal/durable"
	"github.com/kafkaupstream/kafkaupstream/internal/durable/operator"
	"github.com/kafkaupstream/kafkaupstream/test/cli/program"
)

// These tests call `kafkaupstream spool` as a person does, beside a runner and
// without one.

// gone is where no broker answers.
const gone = "127.0.0.1:1"

// person runs commands on a spool.
type person struct {
	t   *testing.T
	dir string
}

// does runs a command and returns what it prints.
func (p person) does(code int, args ...string) (stdout, stderr string) {
	p.t.Helper()
	proc, got := program.Run(p.t, binary, program.Options{Args: append([]string{"spool"}, args...), Env: []string{"KAFKAUPSTREAM_SPOOL_DIR=" + p.dir}})
	if got != code {
		p.t.Errorf("spool %q: exit code %d, want %d\nstdout: %s\nstderr: %s", args, got, code, proc.Stdout, proc.Stderr)
	}
	return proc.Stdout.String(), proc.Stderr.String()
}

// sees runs a command that succeeds and prints something like each of the patterns.
func (p person) sees(args string, patterns ...string) {
	p.t.Helper()
	stdout, stderr := p.does(exitOK, strings.Fields(args)...)
	for _, pattern := range patterns {
		if !regexp.MustCompile(pattern).MatchString(stdout) || stderr != "" {
			p.t.Errorf("spool %s: want %q in stdout\n%s\nstderr: %s", args, pattern, stdout, stderr)
		}
	}
}

// fails runs a command that fails, says why and prints nothing else.
func (p person) fails(code int, args, why string) {
	p.t.Helper()
	stdout, stderr := p.does(code, strings.Fields(args)...)
	if stdout != "" || !strings.Contains(stderr, why) {
		p.t.Errorf("spool %s: want %q in stderr\n%s\nstdout: %s", args, why, stderr, stdout)
	}
}

func (p person) streams() (infos []durable.StreamInfo) {
	p.t.Helper()
	stdout, _ := p.does(exitOK, "ls", "--json")
	if err := json.Unmarshal([]byte(stdout), &infos); err != nil {
		p.t.Fatalf("%v: %s", err, stdout)
	}
	return infos
}

// startDurable starts a runner with a spool, and a person who looks after it.
func startDurable(t *testing.T, dir string, args ...string) (*program.Process, string, person) {
	t.Helper()
	socket := socketPath(t)
	r := startRun(t, socket, program.Options{Args: slices.Concat([]string{"--spool-dir", dir}, unhurried, args)})
	program.Until(t, "it has the spool", func() bool { return listens(filepath.Join(dir, "control.sock")) })
	return r, socket, person{t, dir}
}

func stopRun(t *testing.T, r *program.Process) {
	t.Helper()
	r.Signal(syscall.SIGTERM)
	if code := r.Exit(); code != 0 {
		t.Errorf("exit code %d, stderr %s", code, r.Stderr)
	}
}

const durableRest = `,"delivery":"durable","timeout_ms":300`

func durableRoute(brokers string) string {
	return fmt.Sprintf(`{"config":{"bootstrap.servers":%q,"client.id":"secret-name"},"topic":"t"%s}`, brokers, durableRest)
}

// kept leaves n records of brokers that are gone in a spool, without a runner.
func kept(t *testing.T, n int) person {
	t.Helper()
	r, socket, p := startDurable(t, shortDir(t))
	a := connect(t, socket, durableRoute(gone))
	for i := range n {
		a.mustPost(t, fmt.Sprintf("value-%d", i), 202)
	}
	stopRun(t, r)
	return p
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "route.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// How docs/delivery.md gives a record up that waits, line by line.
func TestSpoolDropsARecordAsTheDocumentHasIt(t *testing.T) {
	t.Parallel()
	p := kept(t, 2)
	stream := p.streams()[0].Stream
	stdout, _ := p.does(exitOK, "show", stream, "--json", "--limit", "1")
	var first struct{ Receipt string }
	if err := json.NewDecoder(strings.NewReader(stdout)).Decode(&first); err != nil {
		t.Fatal(err)
	}
	p.fails(exitProblem, "drop --yes "+first.Receipt, "it is still to be sent: once its stream is suspended, by `kafkaupstream spool suspend "+stream+"`, --pending means it")
	lines := regexp.MustCompile(`(?m)^kafkaupstream spool (suspend|drop RECEIPT --pending|resume)( STREAM)? +#`).FindAllStringSubmatch(repository(t, "docs/delivery.md"), -1)
	if len(lines) != 3 {
		t.Fatal(lines)
	}
	for _, line := range lines {
		args := strings.NewReplacer("RECEIPT", first.Receipt+" --yes", "STREAM", stream).Replace(line[1] + line[2])
		p.sees(args)
	}
	if left := p.streams()[0]; left.Pending != 1 || left.Suspension != nil {
		t.Errorf("%+v", left)
	}
}

func TestSpoolIsUsedWronglyInManyWays(t *testing.T) {
	t.Parallel()
	p := person{t, shortDir(t)}
	cases := []struct {
		says, args string
		code       int
		why        string
	}{
		{"no command", "", 2, "kafkaupstream spool ls"},
		{"a command that is none", "list", 2, `there is no command "list"`},
		{"a flag that is none", "ls --jason", 2, "there is no flag --jason; did you mean --json?"},
		{"an argument too many", "ls everything", 2, `spool ls: unexpected argument "everything"`},
		{"three arguments", "show a b c", 2, `unexpected argument "c"`},
		{"no stream", "show", 2, "STREAM|RECEIPT is missing"},
		{"no stream to resume", "resume", 2, "STREAM is missing"},
		{"two streams to resume", "resume a b", 2, `unexpected argument "b"`},
		{"a limit of nothing", "show a --limit 0", 2, "--limit is at least 1"},
		{"a number that is none", "show a --limit many", 2, `invalid value "many"`},
		{"pending ones replayed to nowhere", "replay a --pending", 2, "--pending is for -f"},
		{"a configuration that is not there", "replay a -f /no/such/file", 1, "/no/such/file"},
		{"a configuration with a typo", "replay a -f " + write(t, `{"config":{"bootstrap.servers":"x"},"topik":"t"}`), 1, `did you mean "topic"?`},
		{"a configuration that is not durable", "replay a -f " + write(t, `{"config":{"bootstrap.servers":"x"},"topic":"t"}`), 1, `"delivery": "durable" is missing`},
		{"a stream that is not there", "show abc", 1, `there is no stream "abc"`},
		{"a receipt of another place", "show 0123456789abcdef-01234567-0", 1, "there is no record 0123456789abcdef-01234567-0"},
		{"a spool that is not there", "ls --spool-dir /no/such/folder", 1, "there is no spool at /no/such/folder"},
		{"something that is no spool", "ls --spool-dir /usr", 1, "/usr is no spool"},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			person{t, p.dir}.fails(c.code, c.args, c.why)
		})
	}
	for _, args := range [][]string{{"drop", "a", "", "--yes"}, {"replay", "a", ""}, {"show", "", "b"}, {"resume", ""}} {
		t.Run(fmt.Sprintf("a variable that is not set: %q", args), func(t *testing.T) {
			if _, stderr := (person{t, p.dir}).does(2, args...); !strings.Contains(stderr, " is missing; `kafkaupstream spool ls` shows") {
				t.Error(stderr)
			}
		})
	}
	t.Run("no spool is named", func(t *testing.T) {
		person{t, ""}.fails(2, "ls", "which spool? --spool-dir or KAFKAUPSTREAM_SPOOL_DIR")
	})
	t.Run("a spool that is not there is not made", func(t *testing.T) {
		missing := filepath.Join(t.TempDir(), "spool")
		person{t, missing}.fails(1, "ls", "there is no spool at "+missing)
		if _, err := os.Lstat(missing); err == nil {
			t.Error("it was made")
		}
	})
	t.Run("help is no mistake", func(t *testing.T) {
		p := person{t, ""}
		p.sees("help", regexp.QuoteMeta("  kafkaupstream spool replay STREAM|RECEIPT   send dead letters again"))
	})
}

func TestEmptySpoolSaysSo(t *testing.T) {
	t.Parallel()
	p := person{t, shortDir(t)}
	p.sees("ls", `^The spool is empty\.\n$`)
	p.sees("ls --json", `^\[\]\n$`)
}

func TestSpoolWithoutARunner(t *testing.T) {
	t.Parallel()
	p := kept(t, 3)
	infos := p.streams()
	if len(infos) != 1 || infos[0].Pending != 3 || infos[0].Brokers != gone {
		t.Fatalf("got %+v", infos)
	}
	id := infos[0].Stream
	p.sees("ls", `(?m)^STREAM +BROKERS +ON PERMANENT ERROR +PENDING +OLDEST`,
		`(?m)^`+id+` +127\.0\.0\.1:1 +deadletter +3 +20\d\d-\d\d-\d\dT\S+Z \(\d+s ago\) +0 +\d+ +0 +- +open$`)
	if stdout, _ := p.does(0, "ls"); strings.Contains(stdout, "secret-name") {
		t.Error("a property is shown")
	}
	p.sees("show "+id[:4], `(?s)\nvalue +value-0\n.*\nvalue +value-1\n.*\nvalue +value-2\n`, `(?m)^key +\(null\)$`, `(?m)^topic +t$`)
	p.sees("show --limit 1 "+id[:4]+" --bytes 3", `(?m)^value +val … \(3 of 7 bytes\)$`)
	p.sees("show --dead "+id, `^There are no dead letters\.\n$`)

	var first operator.RecordInfo
	stdout, _ := p.does(0, "show", id, "--json", "--limit=1")
	if err := json.Unmarshal([]byte(stdout), &first); err != nil || *first.Value != "value-0" || first.Dead || first.Stream != id {
		t.Errorf("%v: %s", err, stdout)
	}
	p.sees("show "+first.Receipt, `(?m)^value +value-0$`)
	p.fails(1, "show "+id+" not-a-receipt", "is no receipt")

	p.fails(1, "resume "+id, "is not suspended")
	p.fails(1, "drop --yes --pending "+id, "is not suspended")
	p.sees("suspend "+id, `^Stream `+id+` is suspended`)
	p.sees("ls", `(?m)^`+id+` is suspended since \S+ \(\d+s ago\): by the operator$`, `(?m) suspended$`)
	p.fails(2, "drop --pending "+first.Receipt, "use --yes to drop without asking")
	p.fails(1, "drop "+first.Receipt+" --yes", "--pending means it")
	p.sees("drop --yes --pending "+first.Receipt, `^1 record dropped from stream `+id)
	p.sees("resume "+id, `^Stream `+id+` resumed, with 2 records\.`)

	b := startBroker(t)
	p.sees("replay --pending "+id+" -f "+write(t, durableRoute(b.ListenAddrs()[0])), `^2 records put at the end of stream `)
	if infos := p.streams(); len(infos) != 1 || infos[0].Pending != 2 || infos[0].Stream == id {
		t.Errorf("got %+v", infos)
	}
	r, _, _ := startDurable(t, p.dir) // the next runner sends them
	waitForValue(t, b, "value-2")
	program.Until(t, "nothing waits", func() bool { infos := p.streams(); return len(infos) == 1 && infos[0].Pending == 0 })
	stopRun(t, r)
	p.sees("ls", `^The spool is empty\.\n$`)
}

func TestSpoolBesideARunner(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	r, socket, p := startDurable(t, shortDir(t))
	a := connect(t, socket, strings.Replace(durableRoute(b.ListenAddrs()[0]), `"timeout_ms":300`, `"timeout_ms":20000`, 1))
	a.mustPost(t, "first", 200)
	id := p.streams()[0].Stream
	p.sees("suspend "+id[:6], `is suspended`)
	a.mustPost(t, "large", 202)
	p.sees("show "+id[:6], `(?m)^value +large$`)

	// It is too large for Kafka until the answer is another.
	large := b.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "t", Err: kerr.MessageTooLarge, Count: -1})
	p.sees("resume "+id, `resumed, with 1 record\.`)
	program.Until(t, "it is a dead letter", func() bool { return p.streams()[0].DeadLetters == 1 })
	large.Remove()
	p.sees("show --dead "+id, `(?m)^dead letter +\S`, `(?m)^value +large$`)
	p.sees("replay "+id, `^1 record put at the end of stream `+id)
	waitForValue(t, b, "large")
	p.sees("replay "+id+" --json", `"records": 0`)
	stopRun(t, r)
}

func TestFullSpoolIsNamedWithItsSizeAndFlag(t *testing.T) {
	t.Parallel()
	r, socket, p := startDurable(t, shortDir(t), "--spool-max-bytes", "1MiB")
	conf := durableRoute(gone)
	a := connect(t, socket, conf)
	p.sees("ls", `(?m)^The spool has 0 bytes of 1MiB \(--spool-max-bytes\), of which dead letters have 0 of 128KiB\.$`)
	a.mustPost(t, strings.Repeat("x", 700_000), 202)
	if stdout, _ := p.does(exitOK, "ls"); strings.Contains(stdout, "refused") {
		t.Errorf("with room: %s", stdout)
	}
	a.mustPost(t, strings.Repeat("y", 700_000), 503)
	const why = `the spool is full: --spool-max-bytes is 1MiB, of which records may have 896KiB`
	p.sees("ls", `(?m)^The spool has 70\d{4} bytes of 1MiB \(--spool-max-bytes\)`, `(?m)^Records are refused: `+why+`\.$`)
	checked, code := program.Run(t, binary, program.Options{Args: []string{"check", "--offline", "-f", write(t, conf)}, Env: []string{"KAFKAUPSTREAM_SPOOL_DIR=" + p.dir}})
	if code != exitOK || !regexp.MustCompile(`(?m)^warning.*; `+why+`$`).MatchString(checked.Stdout.String()) {
		t.Errorf("check: exit code %d\n%s", code, checked.Stdout)
	}
	stopRun(t, r)
	if stdout, _ := p.does(exitOK, "ls"); strings.Contains(stdout, "max-bytes") {
		t.Errorf("nobody bounds it now: %s", stdout)
	}
}

func TestHeldSpoolThatDoesNotAnswerIsToldOf(t *testing.T) {
	t.Parallel()
	p := kept(t, 1)
	lock, err := os.OpenFile(filepath.Join(p.dir, "lock"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	p.fails(1, "ls", "another process has the spool and does not answer")
	if took := time.Since(start); took < startWait {
		t.Errorf("a runner that starts got %v only", took)
	}
}

func TestTerminalSeesNoControlCharactersOfStrangers(t *testing.T) {
	cases := []struct{ says, in, want string }{
		{"text", `{"a":"ü"}`, `{"a":"ü"}`},
		{"a terminal's command", "\x1b[2J", `\x1b[2J`},
		{"lines and columns", "a\nb\tc", `a\nb\tc`},
		{"text that turns around", "a\u202eb", `a\u202eb`},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			if got := printable(c.in); got != c.want {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestAges(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s ago", 59 * time.Second: "59s ago", time.Minute: "1m ago", 61 * time.Minute: "1h01m ago",
		49 * time.Hour: "2d ago", -time.Minute: "1m ahead",
	} {
		if got := age(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}
