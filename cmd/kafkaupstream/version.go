package main

import (
	"cmp"
	"context"
	"fmt"
	"runtime/debug"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// Set by the linker: -ldflags "-X main.buildVersion=… -X main.buildCommit=…".
var buildVersion, buildCommit string

// version prints the version, the commit and librdkafka's version.
func version(_ context.Context, env environment) error {
	_, librdkafka := kafka.LibraryVersion()
	commit := buildCommit
	if info, ok := debug.ReadBuildInfo(); ok && commit == "" {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				commit = s.Value
			}
		}
	}
	_, err := fmt.Fprintf(env.stdout, "kafkaupstream %s\ncommit %s\nlibrdkafka %s\n",
		cmp.Or(buildVersion, "(development)"), cmp.Or(commit, "(unknown)"), librdkafka)
	return err
}
