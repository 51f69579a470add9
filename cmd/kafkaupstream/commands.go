package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// command is a row of a table of commands: what dispatch runs, and what help shows of it.
type command struct {
	name, args string // as they are typed, flags left out
	does       string
	examples   []string // without the program's name
	hidden     bool
	run        func(context.Context, environment) error
}

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
		{"spool", "COMMAND", "show and handle the records that durable routes keep on disk", nil, false, operateSpool},
		{"verify", "", "send records through a gateway, read the topic, and say what was lost", []string{
			"verify --url http://127.0.0.1:9080/orders --brokers localhost:9092 --topic orders"}, false, verifyDelivery},
		{"version", "", "print the version, and those of librdkafka and OpenSSL, which are linked in", []string{"version"}, false, version},
		{"completion", "SHELL", "print what completes commands and flags in bash, zsh or fish", []string{
			"completion bash > /etc/bash_completion.d/kafkaupstream", "completion fish > ~/.config/fish/completions/kafkaupstream.fish"}, false, completion},
		{"man", "DIRECTORY", "write the manual's pages", nil, true, writeManual},
		{"help", "[COMMAND]", "show what a command does, and its flags", nil, false, help},
	}
}

// named finds a command.
func named(table []command, name string) (c command, ok bool) {
	i := slices.IndexFunc(table, func(c command) bool { return c.name == name })
	if i < 0 {
		return command{}, false
	}
	return table[i], true
}

// described are the flags of a command of a table, as --help would show them; nil: it has commands instead.
func described(ctx context.Context, env environment, c command) (found *flags) {
	env.args, env.stdout, env.stderr = []string{"--help"}, io.Discard, io.Discard
	env.help = func(f *flags) { found = f }
	_ = c.run(ctx, env) // its help is all that it does
	return found
}

// flagsOf begins the flags of a command of the table.
func flagsOf(name string) *flags {
	c, _ := named(commands(), name)
	return newFlags(c)
}

// help prints the usage, or what --help prints of the command that the arguments name.
func help(ctx context.Context, env environment) error {
	if len(env.args) == 0 || strings.HasPrefix(env.args[0], "-") {
		if err := flagsOf("help").parse(env, false); err != nil {
			return err
		}
		return printUsage(env.stdout)
	}
	env.args = append(slices.Clone(env.args), "--help")
	if dispatch(ctx, env) != exitOK {
		return errUsage
	}
	return nil
}

// version prints what this binary is.
func version(_ context.Context, env environment) error {
	if err := flagsOf("version").parse(env, false); err != nil {
		return err
	}
	return printVersion(env)
}

const (
	programDoes = "answers HTTP requests by producing them to Kafka, in Apache APISIX or on its own"

	moreHelp = "\nkafkaupstream help COMMAND shows a command's flags. --help and --version stand behind any command.\n"

	spoolAbout = "\nThe beginning of a stream's name is enough where no other has it. While a runner has the\nspool, it does the work; otherwise this command does, and sends nothing itself.\n"
)

func printUsage(w io.Writer) error {
	return printCommands(w, "kafkaupstream "+programDoes+".", commands(), moreHelp)
}

func printSpoolUsage(w io.Writer) error {
	return printCommands(w, "kafkaupstream spool shows and handles the records that durable routes keep on disk.", spoolCommands(), spoolAbout+moreHelp)
}

// printCommands prints a table of commands with what goes before and behind it.
func printCommands(w io.Writer, about string, table []command, more string) error {
	fmt.Fprintf(w, "%s\n\n", about)
	lines := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	for _, c := range table {
		if !c.hidden {
			fmt.Fprintf(lines, "  kafkaupstream %s\t%s\n", strings.TrimSpace(c.name+" "+c.args), c.does)
		}
	}
	if err := lines.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprint(w, more)
	return err
}
