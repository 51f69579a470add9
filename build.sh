#!/usr/bin/env bash
# Usage: build.sh [BUILD OPTION…]
#
# Builds the image of the Dockerfile with docker, buildah or podman, whichever works here first (ENGINE=… chooses), and
# tags it IMAGE:VERSION and IMAGE:latest. The options go to the engine's build command:
#
#   ./build.sh --build-arg APISIX_IMAGE=docker.io/apache/apisix:3.18.0-ubuntu
#   ./build.sh --platform linux/amd64,linux/arm64 --push        # docker with buildx
#
# IMAGE (kafkaupstream/apisix), VERSION and COMMIT (both from git) can be set in the environment.

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
version=${VERSION:-$(git describe --tags --always --dirty 2>/dev/null || echo dev)}
commit=${COMMIT:-$(git rev-parse HEAD 2>/dev/null || echo unknown)}

tag=$image:${version//+/-}

echo "building $tag with $engine"
exec "$engine" build --build-arg "VERSION=$version" --build-arg "COMMIT=$commit" \
  --tag "$tag" --tag "$image:latest" "$@" .
