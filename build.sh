#!/usr/bin/env bash
# Usage: build.sh [BUILD OPTION…]
#
# Builds the image of the Dockerfile with docker, buildah or podman, whichever works here first (ENGINE=… chooses), and
# tags it IMAGE:VERSION and IMAGE:latest, or not latest with LATEST= (empty). The options go to the engine's build command:
#
#   ./build.sh --build-arg APISIX_IMAGE=docker.io/apache/apisix:3.18.0-ubuntu
#   ./build.sh --platform linux/amd64,linux/arm64 --push        # docker with buildx
#
# IMAGE (kafkaupstream/apisix), VERSION and COMMIT (see release/version.sh) can be set in the environment.

set -euo pipefail

case ${1-} in
  -h | --help)
    awk 'NR > 1 && !/^#/ { exit } NR > 1 { sub(/^# ?/, ""); print }' "$0"
    exit
    ;;
esac
cd "$(dirname "${BASH_SOURCE[0]}")"

# The docker client alone builds nothing, so each engine has to answer.
engine() {
  local name
  for name in docker buildah podman; do
    if "$name" info >/dev/null 2>&1; then
      echo "$name"
      return
    fi
  done
  echo "build.sh: none of docker, buildah and podman works here" >&2
  return 1
}

engine=${ENGINE:-$(engine)}
image=${IMAGE:-kafkaupstream/apisix}
# shellcheck source-path=SCRIPTDIR source=release/version.sh
source release/version.sh

tag=$image:${VERSION//+/-}
tags=(--tag "$tag")
[ -z "${LATEST-yes}" ] || tags+=(--tag "$image:latest")
# What docker does by itself. zig opens a file for each object of the C library at once, and buildah's steps have 1024 by
# default; their own format of images has no HEALTHCHECK.
options=()
[ "$engine" = docker ] || options=(--ulimit nofile=16384:16384 --format docker)

echo "building $tag with $engine"
exec "$engine" build "${options[@]}" --build-arg "VERSION=$VERSION" --build-arg "COMMIT=$COMMIT" \
  --build-arg "SOURCE_DATE_EPOCH=$SOURCE_DATE_EPOCH" "${tags[@]}" "$@" .
