package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/kafkaupstream/kafkaupstream/internal/nearest"
)

// Exit codes.
const (
	exitOK      = 0
	exitProblem = 1
	exitUsage   = 2
)

// errUsage ends a command that was called wrongly; what is wrong has been printed.
var errUsage = errors.New("wrong usage")

// errFound ends a command that has printed what is wrong.
var errFound = errors.New("problems were found")

// environment is what a command sees of the process.
type environment struct {
	command        command   // itself
	table          []command // of the program, for help and completion
	args           []string
	getenv         func(string) string
	environ        []string // NAME=value of each variable
	stdout, stderr io.Writer
	stdin          io.Reader
	// help is what becomes of a command's flags where --help asks for them; nil: they are printed.
	help func(*flags)
}

// command is a row of a table of commands: what runs, and what help shows of it.
type command struct {
	name, args string // as they are typed, flags left out
	does       string
	examples   []string // without the program's name
	hidden     bool
	run        func(context.Context, environment) error
}

func (c command) call(ctx context.Context, env environment) error {
	env.command = c
	return c.run(ctx, env)
}

func named(table []command, name string) (c command, ok bool) {
	i := slices.IndexFunc(table, func(c command) bool { return c.name == name })
	if i < 0 {
		return command{}, false
	}
	return table[i], true
}

// noCommand says of a word that no command of a table is called by it, and which was probably meant. program is before the names.
func noCommand(env environment, program string, table []command, word string) error {
	var names []string
	for _, c := range table {
		if !c.hidden {
			names = append(names, strings.TrimPrefix("kafkaupstream "+c.name, program+" "))
		}
	}
	fmt.Fprintf(env.stderr, "%s: there is no command %q%s\n\n", program, word, nearest.Hint(word, names, min(len(word)/2+1, 3)))
	return errUsage
}

// described are the flags of a command of a table, as --help would show them; nil: it has commands instead.
func described(ctx context.Context, env environment, c command) (found *flags) {
	env.args, env.stdout, env.stderr = []string{"--help"}, io.Discard, io.Discard
	env.help = func(f *flags) { found = f }
	_ = c.call(ctx, env) // its help is all that it does
	return found
}

const (
	programDoes = "answers HTTP requests by producing them to Kafka, in Apache APISIX or on its own"

	moreHelp = "\nkafkaupstream help COMMAND shows a command's flags. --help and --version stand behind any command.\n"
)

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
