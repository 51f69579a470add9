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
		{"each on its own", both, "--drain-timeout=3s", "info", 3 * time.Second},
		{"an empty variable says nothing", vars{"KAFKAUPSTREAM_LOG_LEVEL": ""}, "", "warn", time.Second},
		{"a variable without the prefix is another program's", vars{"LOG_LEVEL": "info"}, "", "warn", time.Second},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			fs := flagsOf("run")
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
	fs := flagsOf("dev")
	listen := fs.String("listen", "here", "")
	env, _, _ := fakeProcess(map[string]string{"KAFKAUPSTREAM_LISTEN": "there"})
	if err := fs.parse(env, false); err != nil || *listen != "here" {
		t.Errorf("%v, %s", err, *listen)
	}
}

func TestWrongVariableIsWrongUsage(t *testing.T) {
	fs := flagsOf("run")
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
		o, err := readRunOptions("run", env)
		if err != nil || o.drain != want {
			t.Errorf("%q: %v, %v\n%s", args, o.drain, err, stderr)
		}
	}
}

func TestFlagsOfRunReachThePluginInTheExamples(t *testing.T) {
	env, usage, _ := fakeProcess(nil, "--help")
	if _, err := readRunOptions("run", env); !errors.Is(err, flag.ErrHelp) {
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
