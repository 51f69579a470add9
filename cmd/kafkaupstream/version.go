package main

import (
	"cmp"
	"context"
	"fmt"
	"runtime/debug"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/kafkaupstream/kafkaupstream/internal/metrics"
)

// Set by the linker: -ldflags "-X main.buildVersion=… -X main.buildCommit=…".
var buildVersion, buildCommit string

// version prints what this binary is.
func version(_ context.Context, env environment) error {
	if err := flagsOf("version").parse(env, false); err != nil {
		return err
	}
	return printVersion(env)
}

// printVersion prints the version, the commit and librdkafka's version.
func printVersion(env environment) error {
	b := build()
	_, err := fmt.Fprintf(env.stdout, "kafkaupstream %s\ncommit %s\nlibrdkafka %s\n", b.Version, b.Commit, b.Librdkafka)
	return err
}

// build says what this binary is.
func build() metrics.Build {
	_, librdkafka := kafka.LibraryVersion()
	commit := buildCommit
	if info, ok := debug.ReadBuildInfo(); ok && commit == "" {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				commit = s.Value
			}
		}
	}
	return metrics.Build{Version: cmp.Or(buildVersion, "(development)"), Commit: cmp.Or(commit, "(unknown)"), Librdkafka: librdkafka}
}
