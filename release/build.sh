#!/usr/bin/env bash
# Usage: release/build.sh ARCH FILE
#
# Builds one static binary for Linux on ARCH, amd64 or arm64, whatever Linux builds it. The same commit is to give the same bytes
# in any folder.
#
# Needs Go, and what musl.sh needs. VERSION, COMMIT: see version.sh.
set -euo pipefail
file=$(realpath -m "${2?usage: release/build.sh amd64|arm64 FILE}")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source-path=SCRIPTDIR source=version.sh
source release/version.sh

# -buildid= since Go's has the compiler's path in it.
release/musl.sh "$1" go build -tags musl -trimpath -buildvcs=false -o "$file" \
  -ldflags "-s -w -buildid= -linkmode external -extldflags -static -X main.buildVersion=$VERSION -X main.buildCommit=$COMMIT" \
  ./cmd/kafkaupstream
