#!/usr/bin/env bash
# Usage: release/build.sh ARCH FILE
#
# Builds one static binary for Linux on ARCH, amd64 or arm64, whatever Linux builds it. The same commit gives the same bytes
# in any folder (release/reproducible.sh).
#
# Needs Go, and what musl.sh needs. VERSION, COMMIT: see version.sh.
set -euo pipefail
file=$(realpath -m "${2?usage: release/build.sh amd64|arm64 FILE}")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source-path=SCRIPTDIR source=version.sh
source release/version.sh

# -buildid= since Go's has the compiler's path in it. The linker's -s comes last: zig forgets the one that Go gives it at the -g
# that follows, and the symbols of C code name the folder that it was compiled in.
release/musl.sh "$1" go build -tags musl -trimpath -buildvcs=false -o "$file" \
  -ldflags "-s -w -buildid= -linkmode external -extldflags '-static -s' -X main.buildVersion=$VERSION -X main.buildCommit=$COMMIT" \
  ./cmd/kafkaupstream
