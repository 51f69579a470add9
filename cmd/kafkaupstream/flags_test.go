package main

import (
	"errors"
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestFlagWinsOverItsVariableWhichWinsOverTheDefault(t *testing.T) {
	type vars = map[string]string
	both := vars{"KAFKAUPSTREAM_LOG_LEVEL": "info", "KAFKAUPSTREAM_DRAIN_TIMEOUT": "2s"}
	cases := []struct {
		name  string
		vars  vars
		args  string
		level string
		drain time.Duration
	}{
		{"nothing said: the defaults", nil, "", "warn", time.Second},
		{"variables win over defaults", both, "", "info", 2 * time.Second},
		{"flags win over defaults", nil, "--log-level debug --drain-timeout 3s", "debug", 3 * time.Second},
		{"flags win over variables", both, "--log-level debug --drain-timeout 3s", "debug", 3 * time.Second},
		{"a flag wins over a variable that is wrong", vars{"KAFKAUPSTREAM_DRAIN_TIMEOUT": "soon"}, "--drain-timeout 3s", "warn", 3 * time.Second},
		{"each on its own", both, "--drain-timeout=3s", "info", 3 * time.Second},
		{"an empty variable says nothing", vars{"KAFKAUPSTREAM_LOG_LEVEL": ""}, "", "warn", time.Second},
		{"a variable without the prefix is another program's", vars{"LOG_LEVEL": "info"}, "", "warn", time.Second},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			fs := newFlags(command{name: "run"})
			level := fs.String("log-level", "warn", "")
			drain := fs.Duration("drain-timeout", time.Second, "")
			env, _, stderr := fakeProcess(c.vars, strings.Fields(c.args)...)
			if err := fs.parse(env, true); err != nil {
				t.Fatalf("%v\n%s", err, stderr)
			}
			if *level != c.level || *drain != c.drain {
				t.Errorf("log level %s, drain timeout %v; want %s, %v", *level, *drain, c.level, c.drain)
			}
		})
	}
}

func TestCommandWithoutVariablesReadsNone(t *testing.T) {
	fs := newFlags(command{name: "dev"})
	listen := fs.String("listen", "here", "")
	env, _, _ := fakeProcess(map[string]string{"KAFKAUPSTREAM_LISTEN": "there"})
	if err := fs.parse(env, false); err != nil || *listen != "here" {
		t.Errorf("%v, %s", err, *listen)
	}
}

func TestSizesHaveUnitsInFlagsAndVariables(t *testing.T) {
	const variable = "KAFKAUPSTREAM_SPOOL_MAX_BYTES"
	for _, c := range []struct {
		variable, args string
		want           int64
	}{
		{"", "", 1 << 30},
		{"", "--spool-max-bytes 4GiB", 4 << 30},
		{"", "--spool-max-bytes 1048576", 1 << 20},
		{"10MB", "", 10_000_000},
		{"10MB", "--spool-max-bytes=2MiB", 2 << 20},
	} {
		env, _, stderr := fakeProcess(map[string]string{"APISIX_LISTEN_ADDRESS": "unix:/s", variable: c.variable}, strings.Fields(c.args)...)
		if o, err := readRunOptions(env); err != nil || o.core.SpoolMaxBytes != c.want {
			t.Errorf("%+v: %d, %v\n%s", c, o.core.SpoolMaxBytes, err, stderr)
		}
	}
	for _, c := range []struct{ args, wrong string }{
		{"run --spool-max-bytes 1G", "kafkaupstream run: invalid value \"1G\" for flag --spool-max-bytes: \"1G\" is no size: G is no unit"},
		{"run --max-inflight-bytes 1MB", "kafkaupstream run: --spool-max-bytes is at least 1MiB, --max-inflight-bytes at least 1MiB\n"},
		{"serve -f r --max-header-bytes 32KX", "\"32KX\" is no size"},
		{"verify --size many", "\"many\" is no size"},
		{"spool show a --bytes -3", "\"-3\" is no size"},
	} {
		if code, _, stderr := runHere(nil, strings.Fields(c.args)...); code != exitUsage || !strings.Contains(stderr, c.wrong) {
			t.Errorf("%s: exit code %d, %s", c.args, code, stderr)
		}
	}
	for command, want := range map[string]string{
		"run": "--max-inflight-bytes SIZE the size that requests and queued records may have in memory at most (default 256MiB) [KAFKAUPSTREAM_MAX_INFLIGHT_BYTES]", "serve": "--max-header-bytes SIZE the size of the largest header (default 32KiB)",
		"verify": "--size SIZE ", "spool show": "--bytes SIZE ",
	} {
		if _, stdout, _ := runHere(nil, append(strings.Fields(command), "--help")...); !strings.Contains(strings.Join(strings.Fields(stdout), " "), want) || strings.Contains(stdout, "bytes NUMBER") {
			t.Errorf("%s: %s", command, stdout)
		}
	}
}

func TestWrongVariableIsWrongUsage(t *testing.T) {
	fs := newFlags(command{name: "run"})
	fs.Duration("drain-timeout", 0, "")
	env, _, stderr := fakeProcess(map[string]string{"KAFKAUPSTREAM_DRAIN_TIMEOUT": "soon"})
	if err := fs.parse(env, true); !errors.Is(err, errUsage) || !strings.Contains(stderr.String(), "KAFKAUPSTREAM_DRAIN_TIMEOUT") {
		t.Errorf("%v, stderr %q", err, stderr)
	}
}

func TestDrainTimeoutDependsOnTheSupervisorUnlessItIsGiven(t *testing.T) {
	for args, want := range map[string]time.Duration{
		"": 10 * time.Second, "--supervise=false": 800 * time.Millisecond, "--drain-timeout 0": 0, "--supervise=false --drain-timeout 3s": 3 * time.Second,
	} {
		env, _, stderr := fakeProcess(map[string]string{"APISIX_LISTEN_ADDRESS": "unix:/s"}, strings.Fields(args)...)
		o, err := readRunOptions(env)
		if err != nil || o.drain != want {
			t.Errorf("%q: %v, %v\n%s", args, o.drain, err, stderr)
		}
	}
}

func TestFlagsOfRunReachThePluginInTheExamples(t *testing.T) {
	env, usage, _ := fakeProcess(nil, "--help")
	if _, err := readRunOptions(env); !errors.Is(err, flag.ErrHelp) {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`\[(KAFKAUPSTREAM_[A-Z_]+)\]`).FindAllStringSubmatch(usage.String(), -1)
	if len(names) < 15 {
		t.Fatalf("%d variables in\n%s", len(names), usage)
	}
	for _, path := range []string{"examples/apisix_conf/config.yaml", "examples/apisix_conf/standalone/config.yaml", "docs/apisix.md"} {
		text, err := os.ReadFile("../../" + path)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if !strings.Contains(string(text), "- "+name[1]+"\n") {
				t.Errorf("%s: envs does not name %s", path, name[1])
			}
		}
	}
}

func TestVariableOfNoFlagIsWarnedOf(t *testing.T) {
	const warning = "kafkaupstream run: warning: the variable KAFKAUPSTREAM_"
	for _, c := range []struct{ name, want string }{
		{"SPOOLDIR", "SPOOLDIR is of no flag; did you mean \"KAFKAUPSTREAM_SPOOL_DIR\"?\n"},
		{"LISTENS", "LISTENS is of no flag\n"},
		{"SPOOL_DIR", ""},
		{"WORKER_SOCKET", ""}, // of the program's own
		// Kubernetes makes these of a Service that is called kafkaupstream, and of one that is called kafkaupstream-admin.
		{"PORT", ""}, {"SERVICE_HOST", ""}, {"SERVICE_PORT", ""}, {"SERVICE_PORT_HTTP_ADMIN", ""}, {"PORT_80_TCP", ""}, {"PORT_80_TCP_PROTO", ""},
		{"PORT_80_TCP_PORT", ""}, {"PORT_80_UDP_ADDR", ""}, {"ADMIN_PORT", ""}, {"ADMIN_SERVICE_HOST", ""}, {"ADMIN_PORT_9190_TCP_ADDR", ""},
		{"PORTS", "PORTS is of no flag\n"},
	} {
		env, _, stderr := fakeProcess(map[string]string{"APISIX_LISTEN_ADDRESS": "unix:/s"})
		env.environ = []string{"KAFKAUPSTREAM_" + c.name + "=/x", "KAFKAUPSTREAM_EMPTY=", "OTHER=1"}
		env.command = command{name: "run"}
		want := ""
		if c.want != "" {
			want = warning + c.want
		}
		if _, err := readRunOptions(env); err != nil || stderr.String() != want {
			t.Errorf("%s: %v, %q", c.name, err, stderr)
		}
	}
}

func TestFileThatIsGivenTwiceIsRefused(t *testing.T) {
	for args, want := range map[string]string{
		"check -f a -f b":                        "kafkaupstream check: -f is given twice\n",
		"serve --listen 1 -f a -f b --listen 2":  "kafkaupstream serve: -f is given twice\n",
		"dev --variable a=b --variable c=d -f x": "kafkaupstream dev: --variable is of --front http\n", // which is a list
	} {
		if code, _, stderr := runHere(map[string]string{"KAFKAUPSTREAM_LISTEN": "8081"}, strings.Fields(args)...); code != exitUsage || !strings.HasPrefix(stderr, want) {
			t.Errorf("%s: exit code %d, %q", args, code, stderr)
		}
	}
}
