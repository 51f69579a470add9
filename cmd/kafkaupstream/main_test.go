package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/test/cli/program"
)

// binary is the built command. The tests start it as users and APISIX do.
var binary string

func TestMain(m *testing.M) {
	os.Exit(program.Main(m, &binary, ".", "-ldflags", "-X main.buildVersion=v1.2.3 -X main.buildCommit=0123abc"))
}

func TestCommandLine(t *testing.T) {
	route := filepath.Join(t.TempDir(), "route.json")
	if err := os.WriteFile(route, []byte(`{"config":{},"topic":"a","topicc":"b"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	const anySocket = "APISIX_LISTEN_ADDRESS=unix:/no/such/folder/r.sock"
	cases := []struct {
		name string
		args string
		env  string
		code int
		// out and err are parts of what is written; where one is "", nothing is.
		out, err string
	}{
		{"version is printed on standard output", "version", "", 0, "kafkaupstream v1.2.3\ncommit 0123abc\nlibrdkafka 2.", ""},
		{"help is the usage", "help", "", 0, "  kafkaupstream dev                HTTP gateway, plugin and broker in one process, for trying out\n", ""},
		{"run -h names the flags, their variables and defaults", "run -h", "", 0,
			"  --drain-timeout DURATION\n        how long calls and queued records may take at the end (default 10s; 800ms when APISIX stops\n        for good, and without --supervise) [KAFKAUPSTREAM_DRAIN_TIMEOUT]\n", ""},
		{"help without a command is all", "-h", "", 0, "  kafkaupstream spool COMMAND ", ""},
		{"a log has one of two formats", "run --log-format xml", anySocket, 2, "", "log format \"xml\": expected text or json"},
		{"dead letters make room in one of two ways", "run --dead-letters keep", anySocket, 2, "", "--dead-letters is drop-oldest or refuse, not \"keep\""},
		{"profiles are served at an address", "run --pprof", anySocket, 2, "", "--pprof is served at --admin, which is not set"},
		{"an address has a port", "run --admin localhost:http", anySocket, 2, "", "--admin: \"http\" is no port: expected a number from 0 to 65535"},
		{"an address in a variable has one, too", "run", anySocket + " KAFKAUPSTREAM_ADMIN=9190x", 2, "", "KAFKAUPSTREAM_ADMIN: \"9190x\" is no port"},
		{"dev -h names its flags", "dev -h", "", 0, "(default 127.0.0.1:9080)\n", ""},

		{"check -h names its flags", "check -h", "", 0, "send records to this topic, for each route; without it none is sent anywhere", ""},
		{"route -h names its flags", "route -h", "", 0, "where the Admin API is, for --curl (default http://127.0.0.1:9180)", ""},

		{"verify -h names its flags", "verify -h", "", 0, "the topic in which the records are to arrive", ""},

		{"verify wants to know where the gateway is", "verify --brokers k:9092 --topic t", "", 2, "", "kafkaupstream verify: --url is where the gateway takes records"},
		{"verify wants to know where Kafka is", "verify --url http://g/ --topic t", "", 2, "", "kafkaupstream verify: --brokers names the Kafka cluster"},
		{"a header has a name", "verify --header x", "", 2, "", `invalid value "x" for flag --header: expected 'Name: value'`},
		{"a file of properties that is not there is named", "verify --config no-such-file", "", 1, "", "kafkaupstream: --config: open no-such-file: no such file or directory\n"},
		{"an unknown command is shown with the usage", "server", "", 2, "", `there is no command "server"; did you mean "serve"?` + "\n\nkafkaupstream answers HTTP requests"},
		{"an unknown flag of run is wrong usage", "run --no-such-flag", "", 2, "", "there is no flag --no-such-flag"},
		{"an unknown flag of dev is wrong usage", "dev --no-such-flag", "", 2, "", "there is no flag --no-such-flag"},
		{"an unknown flag without a command is wrong usage", "--no-such-flag", "", 2, "", "there is no flag --no-such-flag"},
		{"an argument too many is wrong usage", "run now", "", 2, "", `kafkaupstream run: unexpected argument "now"`},
		{"a duration needs a unit", "run --drain-timeout 5", "", 2, "", `invalid value "5" for flag --drain-timeout: it needs a unit: 5s`},
		{"a duration of verify, too", "verify --duration 5", "", 2, "", `invalid value "5" for flag --duration: it needs a unit: 5s`},
		{"a duration is none", "serve --header-timeout soon", "", 2, "", `invalid value "soon" for flag --header-timeout: it is no duration, such as 800ms, 10s or 1m`},
		{"a number is none", "serve --max-connections many", "", 2, "", `invalid value "many" for flag --max-connections: it is no number`},
		{"a number is too large", "serve --max-connections 99999999999999999999", "", 2, "", `for flag --max-connections: it is too large`},
		{"a rate is none", "verify --rate x", "", 2, "", `invalid value "x" for flag --rate: it is no number`},
		{"a port is too large", "serve -f r --listen 99999", "", 2, "", `--listen: "99999" is no port: expected a number from 0 to 65535`},
		{"an address is none", "serve -f r --listen banana", "", 2, "", `--listen: "banana" is no port`},
		{"an address of dev is none", "dev --listen a:b:c", "", 2, "", `--listen: "a:b:c" is no address`},
		{"a log level has a name", "run --log-level loud", "", 2, "", `log level "loud": expected debug, info, warn or error`},
		{"a log level of dev has a name", "dev --log-level loud", "", 2, "", `log level "loud": expected debug, info, warn or error`},
		{"a variable's log level has a name too", "run", "KAFKAUPSTREAM_LOG_LEVEL=loud", 2, "", `log level "loud"`},
		{"a variable that is no duration is named", "run", "KAFKAUPSTREAM_DRAIN_TIMEOUT=soon", 2, "", "KAFKAUPSTREAM_DRAIN_TIMEOUT: it is no duration"},
		{"a variable that is a number of seconds is named", "run", "KAFKAUPSTREAM_DRAIN_TIMEOUT=5", 2, "", "KAFKAUPSTREAM_DRAIN_TIMEOUT: it needs a unit: 5s\n"},
		{"a variable that is no switch is named", "run", "KAFKAUPSTREAM_SUPERVISE=perhaps", 2, "", "KAFKAUPSTREAM_SUPERVISE: it is true or false\n"},

		{"run without APISIX says who sets the address", "run", "", 1, "",
			"kafkaupstream: APISIX_LISTEN_ADDRESS is \"\": expected unix: and the path of a socket; APISIX sets it for the command under ext-plugin\n"},
		{"no command is run", "", "", 1, "", `APISIX_LISTEN_ADDRESS is ""`},
		{"an address that is no Unix socket is shown", "run", "APISIX_LISTEN_ADDRESS=127.0.0.1:80", 1, "", `APISIX_LISTEN_ADDRESS is "127.0.0.1:80"`},
		{"a socket that cannot be made is named", "run", anySocket, 1, "", "listen on /no/such/folder/r.sock: "},
		{"a time to live is a number", "run", anySocket + " APISIX_CONF_EXPIRE_TIME=1h", 1, "", `APISIX_CONF_EXPIRE_TIME is "1h"`},

		{"a file that is not there is named by check", "check -f no-such-file", "", 1, "", "kafkaupstream: open no-such-file: no such file or directory\n"},
		{"an empty file is named", "check --offline -f /dev/null", "", 1, "", "kafkaupstream: /dev/null: it is empty\n"},
		{"a file that is not there is named", "dev --listen 127.0.0.1:0 -f no-such-file", "", 1, "", "no-such-file"},
		{"a wrong key of a route is named with the right one", "dev --listen 127.0.0.1:0 -f " + route, "", 1, "",
			"the route's configuration is invalid:\ntopicc: unknown key; did you mean \"topic\"?\n"},
		{"check prints what is wrong on standard output", "check --offline -f " + route, "", 1, "problem  topicc: unknown key; did you mean \"topic\"?\n", ""},
		{"route prints what is wrong on standard error", "route -f " + route, "", 1, "", "problem  topicc: unknown key; did you mean \"topic\"?\n"},
		{"an address that cannot be listened on is named", "dev --listen 203.0.113.9:9080", "", 1, "", "203.0.113.9:9080"},
		{"an address that is none is wrong usage", "dev --listen 127.0.0.1:99999", "", 2, "", "--listen: \"99999\" is no port"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p, code := program.Run(t, binary, program.Options{Args: strings.Fields(c.args), Env: strings.Fields(c.env)})
			if code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			for _, s := range []struct{ name, got, want string }{{"stdout", p.Stdout.String(), c.out}, {"stderr", p.Stderr.String(), c.err}} {
				if s.want == "" && s.got != "" || !strings.Contains(s.got, s.want) {
					t.Errorf("%s is %q, want %q", s.name, s.got, s.want)
				}
			}
		})
	}
}

func TestVersionNamesWhatIsLinkedIn(t *testing.T) {
	p, _ := program.Run(t, binary, program.Options{Args: []string{"version"}})
	want := `^kafkaupstream v1\.2\.3\ncommit 0123abc\nlibrdkafka 2\.\d+\.\d+\nOpenSSL 3\.\d+\.\d+ .*\nfeatures \S*\bssl\b\S*\n$`
	if got := p.Stdout.String(); !regexp.MustCompile(want).MatchString(got) {
		t.Errorf("got %q", got)
	}
}

// fakeProcess is what a command that is called directly sees.
func fakeProcess(vars map[string]string, args ...string) (env environment, stdout, stderr *bytes.Buffer) {
	stdout, stderr = &bytes.Buffer{}, &bytes.Buffer{}
	env = environment{args: args, getenv: func(name string) string { return vars[name] }, stdout: stdout, stderr: stderr, stdin: strings.NewReader("")}
	return env, stdout, stderr
}

func TestDispatchTouchesNothingButItsEnvironment(t *testing.T) {
	t.Setenv("KAFKAUPSTREAM_LOG_LEVEL", "of the real process")
	cases := []struct {
		name     string
		args     []string
		code     int
		out, err string
	}{
		{"version", []string{"version"}, exitOK, "kafkaupstream (development)\n", ""},
		{"unknown command", []string{"x"}, exitUsage, "", `there is no command "x"`},
		{"run without an address", nil, exitProblem, "", "APISIX_LISTEN_ADDRESS"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			env, stdout, stderr := fakeProcess(nil, c.args...)
			if code := dispatch(context.Background(), env); code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			if !strings.HasPrefix(stdout.String(), c.out) || !strings.Contains(stderr.String(), c.err) {
				t.Errorf("stdout %q\nstderr %q", stdout, stderr)
			}
		})
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "r.sock")
	env, stdout, stderr := fakeProcess(map[string]string{"APISIX_LISTEN_ADDRESS": "unix:" + socket, "KAFKAUPSTREAM_SUPERVISE": "false"}, "run")
	ctx, cancel := context.WithCancel(context.Background())
	code := make(chan int)
	go func() { code <- dispatch(ctx, env) }()
	program.Until(t, "it listens", func() bool { _, err := os.Stat(socket); return err == nil })
	cancel()
	if got := <-code; got != exitOK || stdout.Len() > 0 || complaints(stderr) != nil {
		t.Errorf("exit code %d, stdout %q, stderr %q", got, stdout, stderr)
	}
	if _, err := os.Stat(socket); err == nil {
		t.Error("the socket is still there")
	}
}
