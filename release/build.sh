#!/usr/bin/env bash
# Usage: release/build.sh ARCH FILE
#
# Builds one static binary for Linux on ARCH, amd64 or arm64, whatever Linux builds it: zig, from PyPI, is the C compiler for
# both and brings musl. The same commit gives the same bytes in any folder.
#
# Needs Go, and python3 with pip. VERSION, COMMIT: see version.sh.
set -euo pipefail

case ${1-} in
  amd64) target=x86_64-linux-musl ;;
  arm64) target=aarch64-linux-musl ;;
  *)
    echo "usage: release/build.sh amd64|arm64 FILE" >&2
    exit 2
    ;;
esac
arch=$1
file=$(realpath -m "$2")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source-path=SCRIPTDIR source=version.sh
source release/version.sh

zig=$PWD/.cache/zig/ziglang/zig
if [ ! -x "$zig" ]; then
  python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore --upgrade --target .cache/zig \
    --require-hashes --only-binary :all: --requirement release/requirements.txt
fi

# What the binary records of its build must not depend on the environment; -buildid= since Go's has the compiler's path in it.
unset CGO_CFLAGS CGO_CPPFLAGS CGO_CXXFLAGS CGO_LDFLAGS
CGO_ENABLED=1 GOOS=linux GOARCH=$arch GOAMD64=v1 GOARM64=v8.0 CC="$zig cc -target $target" \
  go build -tags musl -trimpath -buildvcs=false -o "$file" \
  -ldflags "-s -w -buildid= -linkmode external -extldflags -static -X main.buildVersion=$VERSION -X main.buildCommit=$COMMIT" \
  ./cmd/kafkaupstream
