package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/kafkaupstream/kafkaupstream/internal/extplugin"
)

// commands is the table of the commands. It is a function since help, which it names, shows it.
func commands() []command {
	return []command{
		{"run", "", "serve APISIX on the socket that APISIX_LISTEN_ADDRESS names; the default", []string{
			"run --admin 9190 --spool-dir /var/lib/kafkaupstream"}, false, run},
		{"worker", "", "serve on the socket of a supervisor, which starts it", nil, true, work},
		{"serve", "-f FILE", "serve the routes of a file over plain HTTP, for any gateway", []string{
			"serve -f routes.yaml", "serve -f routes.yaml --listen 0.0.0.0:8080 --admin 9190 --spool-dir /var/lib/kafkaupstream"}, false, serve},
		{"dev", "", "HTTP gateway, plugin and broker in one process, for trying out", []string{
			"dev", "dev -f route.json --listen 9081", "dev --brokers localhost:9092"}, false, dev},
		{"check", "-f FILE", "say what is wrong with a route's configuration and its way to Kafka", []string{
			"check -f route.json", "check -f apisix.yaml --offline --json", "check -f route.json --topic orders"}, false, checkRoute},
		{"route", "-f FILE", "print the route for APISIX around a configuration", []string{
			"route -f route.json --curl", "route -f route.json --uri '/orders/*' --yaml"}, false, printRoute},
		{"keys", "[NAME]", "print the keys of a route's configuration, with defaults and examples", []string{"keys", "keys idempotency"}, false, printKeys},
		{"spool", "COMMAND", "show and handle the records that durable routes keep on disk", nil, false, operateSpool},
		{"verify", "", "send records through a gateway, read the topic, and say what was lost", []string{
			"verify --url http://127.0.0.1:9080/orders --brokers localhost:9092 --topic orders"}, false, verifyDelivery},
		{"version", "", "print the version, and those of librdkafka and OpenSSL, which are linked in", []string{"version"}, false, version},
		{"completion", "SHELL", "print what completes commands and flags in bash, zsh or fish", []string{
			"completion bash > /etc/bash_completion.d/kafkaupstream", "completion fish > ~/.config/fish/completions/kafkaupstream.fish"}, false, completion},
		{"man", "DIRECTORY", "write the manual's pages, one for each command", []string{"man ."}, false, writeManual},
		{"help", "[COMMAND]", "show what a command does, and its flags", nil, false, help},
	}
}

// dispatch runs the command that the arguments name and returns its exit code.
func dispatch(ctx context.Context, env environment) int {
	name, unnamed := "run", true
	if len(env.args) > 0 {
		switch first := env.args[0]; {
		case first == "-h", first == "-help", first == "--help":
			name, env.args, unnamed = "help", nil, false
		case !strings.HasPrefix(first, "-"):
			name, env.args, unnamed = first, env.args[1:], false
		}
	}
	command, ok := named(commands(), name)
	if !ok {
		_ = noCommand(env, "kafkaupstream", commands(), name)
		_ = printUsage(env.stderr)
		return exitUsage
	}
	env.table = commands()
	err := command.call(ctx, env)
	code := exitCode(env, err)
	if unnamed && code != exitOK && (code == exitUsage || env.getenv(extplugin.EnvListenAddress) == "") {
		fmt.Fprintln(env.stderr, "kafkaupstream: no command is named, so this is kafkaupstream run, which APISIX starts; "+
			"kafkaupstream dev tries it out without APISIX, kafkaupstream --help shows all commands")
	}
	return code
}

// exitCode prints a command's error, if that is still to be done.
func exitCode(env environment, err error) int {
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return exitOK
	case errors.Is(err, errUsage):
		return exitUsage
	case errors.Is(err, errFound):
		return exitProblem
	case errors.Is(err, errUnclean): // logged already; standard error may be closed
		return exitProblem
	default:
		fmt.Fprintln(env.stderr, "kafkaupstream:", err)
		return exitProblem
	}
}

// help prints the usage, or what --help prints of the command that the arguments name.
func help(ctx context.Context, env environment) error {
	if len(env.args) == 0 || strings.HasPrefix(env.args[0], "-") {
		if err := newFlags(env.command).parse(env, false); err != nil {
			return err
		}
		return printUsage(env.stdout)
	}
	env.args = append(slices.Clone(env.args), "--help")
	switch dispatch(ctx, env) { // which says what is wrong
	case exitOK:
		return nil
	case exitUsage:
		return errUsage
	default:
		return errUnclean
	}
}

// version prints what this binary is.
func version(_ context.Context, env environment) error {
	if err := newFlags(env.command).parse(env, false); err != nil {
		return err
	}
	return printVersion(env)
}

func printUsage(w io.Writer) error {
	return printCommands(w, "kafkaupstream "+programDoes+".", commands(), moreHelp)
}
