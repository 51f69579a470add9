package main

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/test/cli/program"
)

func TestReferencesAreWhatTheOperatorAllows(t *testing.T) {
	t.Parallel()
	const conf = `{"config":{"bootstrap.servers":"127.0.0.1:1","security.protocol":"SASL_PLAINTEXT","sasl.mechanism":"PLAIN","sasl.username":"$env://KAFKA_USER",` +
		`"sasl.password":"$env://ADMIN_KEY"},"topic":"t"}`
	for _, c := range []struct {
		says, env, args string
		status          int
	}{
		{"by default a variable whose name begins with KAFKA_", "", "", 500},
		{"what a flag lists", "", "--secrets-env KAFKA_USER,ADMIN_KEY", 503},
		{"what a variable lists", "KAFKAUPSTREAM_SECRETS_ENV=*", "", 503},
	} {
		t.Run(c.says, func(t *testing.T) {
			socket := socketPath(t)
			p := startRun(t, socket, program.Options{
				Env: append(strings.Fields(c.env), "KAFKA_USER=alice", "ADMIN_KEY=s3cret"), Args: strings.Fields(c.args),
			})
			connect(t, socket, conf).mustPost(t, "x", c.status)
			p.Signal(syscall.SIGTERM)
			p.Exit()
			log := p.Stderr.String()
			if strings.Contains(log, "config.sasl.password: $env://: only these variables may be named: KAFKA_*") != (c.status == 500) {
				t.Errorf("the log:\n%s", log)
			}
			if strings.Contains(log, "s3cret") {
				t.Errorf("the log shows a secret:\n%s", log)
			}
		})
	}
}

func TestListThatCannotBeReadIsWrongUsage(t *testing.T) {
	for args, want := range map[string]string{
		"run --secrets-env A-B":             `--secrets-env: "A-B" is no name of an environment variable`,
		"check -f x.json --secrets-env A-B": `--secrets-env: "A-B" is no name of an environment variable`,
		"run --socket-users no-such-user":   `--socket-users: no user has the name "no-such-user"`,
		"run --socket-users=-1":             `--socket-users: no user has the name "-1"`,
	} {
		p, code := program.Run(t, binary, program.Options{Args: strings.Fields(args)})
		if code != 2 || !strings.Contains(p.Stderr.String(), want) {
			t.Errorf("%s: exit code %d, %s", args, code, p.Stderr)
		}
	}
}

func TestSocketsUsersAreTheOperatorsToSay(t *testing.T) {
	socket := socketPath(t)
	p := startRun(t, socket, program.Options{Args: []string{"--socket-users", "*"}})
	if info, err := os.Stat(socket); err != nil || info.Mode().Perm() != 0o622 {
		t.Errorf("%v, %v", info, err)
	}
	p.Signal(syscall.SIGTERM)
	p.Exit()
}
