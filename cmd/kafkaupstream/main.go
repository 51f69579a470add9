// Command kafkaupstream is an Apache APISIX external plugin that answers a request
// by producing its body to Kafka. APISIX starts it (run, the default); dev runs it
// without APISIX and Kafka. This package is wiring only.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
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
	args           []string
	getenv         func(string) string
	stdout, stderr io.Writer
	stdin          io.Reader
	// help is what becomes of a command's flags where --help asks for them; nil: they are printed.
	help func(*flags)
}

// endSignals tell the process to end.
var endSignals = []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), endSignals...)
	defer stop()
	os.Exit(dispatch(ctx, environment{os.Args[1:], os.Getenv, os.Stdout, os.Stderr, os.Stdin, nil}))
}

// dispatch runs the command that the arguments name and returns its exit code.
func dispatch(ctx context.Context, env environment) int {
	name := "run"
	if len(env.args) > 0 {
		switch first := env.args[0]; {
		case first == "-h", first == "-help", first == "--help":
			name, env.args = "help", nil
		case !strings.HasPrefix(first, "-"):
			name, env.args = first, env.args[1:]
		}
	}
	command, ok := named(commands(), name)
	if !ok {
		fmt.Fprintf(env.stderr, "kafkaupstream: there is no command %q\n\n", name)
		_ = printUsage(env.stderr)
		return exitUsage
	}
	switch err := command.run(ctx, env); {
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
