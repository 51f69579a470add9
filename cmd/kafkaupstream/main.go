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

const usage = `kafkaupstream answers HTTP requests in Apache APISIX by producing them to Kafka.

  kafkaupstream [run]      serve APISIX on the socket that APISIX_LISTEN_ADDRESS names
  kafkaupstream serve      serve the routes of a file over plain HTTP, for any gateway
  kafkaupstream dev        HTTP gateway, plugin and broker in one process, for trying out
  kafkaupstream check      say what is wrong with a route's configuration and its way to Kafka
  kafkaupstream route      print the route for APISIX around a configuration
  kafkaupstream spool      show and handle the records that durable routes keep on disk
  kafkaupstream verify     send records through a gateway, read the topic, and say what was lost
  kafkaupstream version    print the version

A command's flags: kafkaupstream COMMAND -h
`

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
}

// endSignals tell the process to end.
var endSignals = []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), endSignals...)
	defer stop()
	os.Exit(dispatch(ctx, environment{os.Args[1:], os.Getenv, os.Stdout, os.Stderr, os.Stdin}))
}

// dispatch runs the command that the arguments name and returns its exit code.
func dispatch(ctx context.Context, env environment) int {
	commands := map[string]func(context.Context, environment) error{
		"run":     run,
		"worker":  work, // which run starts
		"serve":   serve,
		"dev":     dev,
		"check":   checkRoute,
		"route":   printRoute,
		"spool":   operateSpool,
		"verify":  verifyDelivery,
		"version": version,
		"help":    help,
	}
	name := "run"
	if len(env.args) > 0 && !strings.HasPrefix(env.args[0], "-") {
		name, env.args = env.args[0], env.args[1:]
	}
	command, ok := commands[name]
	if !ok {
		fmt.Fprintf(env.stderr, "kafkaupstream: there is no command %q\n\n%s", name, usage)
		return exitUsage
	}
	switch err := command(ctx, env); {
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

func help(_ context.Context, env environment) error {
	_, err := fmt.Fprint(env.stdout, usage)
	return err
}
