#!/usr/bin/env bash
# Usage: release/musl.sh ARCH COMMAND [ARGUMENT…]
#
# Runs a command of Go, or another one, with zig as the C compiler for Linux on ARCH, amd64 or arm64, and for musl. zig comes
# from PyPI into .cache, the first time. The command still says -tags musl, and that it links statically.
#
# Needs python3 with pip.
set -euo pipefail

case ${1-} in
  amd64) target=x86_64-linux-musl ;;
  arm64) target=aarch64-linux-musl ;;
  *)
    echo "usage: release/musl.sh amd64|arm64 COMMAND [ARGUMENT…]" >&2
    exit 2
    ;;
esac
release=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
zig=$release/../.cache/zig/ziglang/zig
[ -x "$zig" ] ||
  python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore --upgrade --target "$release/../.cache/zig" \
    --require-hashes --only-binary :all: --requirement "$release/requirements.txt"

# A binary records these: they must not be the environment's.
unset CGO_CFLAGS CGO_CPPFLAGS CGO_CXXFLAGS CGO_LDFLAGS
export CGO_ENABLED=1 GOOS=linux GOARCH=$1 GOAMD64=v1 GOARM64=v8.0 CC="$zig cc -target $target"
shift
exec "$@"
