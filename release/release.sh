#!/usr/bin/env bash
# Usage: release/release.sh [ARCH…]
#
# Makes a release in ./dist, for amd64 and arm64 unless told: an archive, a deb and an rpm for each, its bill of materials
# (CycloneDX), and SHA256SUMS. Two runs on one commit give the same bytes, in whatever folder; release/reproducible.sh holds
# it to that. `make release` calls it.
#
# Needs Linux, Go, GNU tar, and python3 with pip.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source-path=SCRIPTDIR source=version.sh
source release/version.sh

nfpm=github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.0
umask 022
rm -rf dist
mkdir dist

# release ARCH
release() {
  local arch=$1 name=kafkaupstream-$VERSION-linux-$1
  local tree=dist/$name
  mkdir "$tree"
  release/build.sh "$arch" "$tree/kafkaupstream"
  go run ./release/bom -binary "$tree/kafkaupstream" -version "$VERSION" \
    -notices "$tree/THIRD_PARTY_NOTICES" -sbom "dist/$name.cdx.json"
  cp LICENSE README.md CHANGELOG.md "$tree"
  cp -r dist/man dist/completion "$tree"
  find "$tree" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
  tar --create --format=ustar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" \
    --directory=dist "$name" | gzip -n -9 >"$tree.tar.gz"
  for kind in deb rpm; do
    ARCH=$arch TREE=$tree go run "$nfpm" package --config release/nfpm.yaml --packager "$kind" --target dist/
  done
  rm -r "$tree"
}

# The manual and the shells' scripts are the same for both, and the binary writes them: the one that runs here.
release/build.sh "$(go env GOARCH)" dist/own
mkdir dist/man dist/completion
dist/own man dist/man
for shell in bash zsh fish; do dist/own completion "$shell" >"dist/completion/$shell"; done
gzip -n -9 dist/man/*
[ $# -gt 0 ] || set -- amd64 arm64
for arch; do release "$arch"; done
rm -r dist/own dist/man dist/completion
(cd dist && sha256sum -- * >SHA256SUMS)
ls -l dist
