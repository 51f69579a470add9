package main

import (
	"cmp"
	"fmt"
	"runtime/debug"

	"github.com/kafkaupstream/kafkaupstream/internal/librdkafka"
	"github.com/kafkaupstream/kafkaupstream/internal/metrics"
)

// Set by the linker: -ldflags "-X main.buildVersion=… -X main.buildCommit=…".
var buildVersion, buildCommit string

// printVersion prints the version, the commit and what is linked in.
func printVersion(env environment) error {
	b, linked := build(), librdkafka.LinkedIn()
	_, err := fmt.Fprintf(env.stdout, "kafkaupstream %s\ncommit %s\nlibrdkafka %s\n%s\nfeatures %s\n",
		b.Version, b.Commit, b.Librdkafka, cmp.Or(linked.OpenSSL, "OpenSSL (unknown)"), linked.Features)
	return err
}

// build says what this binary is.
func build() metrics.Build {
	commit := buildCommit
	if info, ok := debug.ReadBuildInfo(); ok && commit == "" {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				commit = s.Value
			}
		}
	}
	return metrics.Build{Version: cmp.Or(buildVersion, "(development)"), Commit: cmp.Or(commit, "(unknown)"), Librdkafka: librdkafka.LinkedIn().Librdkafka}
}
