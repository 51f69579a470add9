#!/usr/bin/env bash
# Usage: release/reproducible.sh [ARCH…]
#
# Makes the release of the current commit twice, in two folders with nothing in common, caches included, and compares the
# bytes. It takes as long as two cold builds: minutes. Exit: 0 when they are the same.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for folder in one/folder another/place/further/down; do
  git clone --quiet . "$work/$folder"
  (
    # Tags are cloned, so the version is the same.
    export GOCACHE=$work/$folder.go ZIG_GLOBAL_CACHE_DIR=$work/$folder.zig ZIG_LOCAL_CACHE_DIR=$work/$folder.zig
    umask 027
    "$work/$folder/release/release.sh" "$@" >/dev/null
  )
done
if ! diff <(cd "$work/one/folder/dist" && sha256sum -- *) <(cd "$work/another/place/further/down/dist" && sha256sum -- *); then
  echo "two builds of the same commit differ" >&2
  exit 1
fi
echo "the same bytes:"
cat "$work/one/folder/dist/SHA256SUMS"
