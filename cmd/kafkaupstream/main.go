// Command kafkaupstream is an Apache APISIX external plugin that answers a request
// by producing its body to Kafka. APISIX starts it (run, the default); dev runs it
// without APISIX and Kafka. This package is wiring only.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// endSignals tell the process to end.
var endSignals = []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), endSignals...)
	defer stop()
	os.Exit(dispatch(ctx, environment{args: os.Args[1:], getenv: os.Getenv, environ: os.Environ(), stdout: os.Stdout, stderr: os.Stderr, stdin: os.Stdin}))
}
