#!/usr/bin/env bash
# Usage: release/image.sh
#
# Builds both targets of the Dockerfile to their end, with build.sh and buildah, and runs the binary in each result by chroot.
# The bases are stand-ins, so no registry of images is asked: Debian and this machine's Go to build with, and busybox where the
# images have busybox and APISIX. What it does not show is that APISIX's own image starts; `make apisix` does.
#
# Needs Debian, as root: buildah, debootstrap, busybox-static, iproute2, jq, and Go; 4 GB in TMPDIR. It takes as long as a cold
# build, minutes; the compilers' caches stay in buildah's own folder for the next one. Exit: 0 when both are as they should be.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

work=$(mktemp -d)
export ENGINE=buildah IMAGE=localhost/kafkaupstream VERSION=1.2.3 BUILDAH_ISOLATION=chroot CONTAINERS_STORAGE_CONF=$work/storage.conf
cat >"$CONTAINERS_STORAGE_CONF" <<CONF
[storage]
driver = "vfs"
graphroot = "$work/storage"
runroot = "$work/run"
CONF
finish() {
  buildah umount --all >/dev/null || true
  rm -rf --one-file-system "$work"
}
trap finish EXIT

# wrong MESSAGE
wrong() {
  echo "$*" >&2
  exit 1
}

# The building stage's base: what golang's image has of what the Dockerfile uses.
builder() {
  local container folder
  container=$(buildah from scratch)
  folder=$(buildah mount "$container")
  debootstrap --variant=minbase --include=ca-certificates bookworm "$folder" >/dev/null
  # This network may have a proxy with a certificate of its own.
  cp -L /etc/ssl/certs/ca-certificates.crt "$folder/etc/ssl/certs/"
  cp -r "$(go env GOROOT)" "$folder/usr/local/go"
  buildah config --env PATH=/usr/local/go/bin:/usr/sbin:/usr/bin:/sbin:/bin --env GOTOOLCHAIN=local "$container"
  buildah commit --quiet --rm "$container" localhost/stand-in/go >/dev/null
}

# The base of both images: busybox, and the folders that are written into.
base() {
  local container folder name
  container=$(buildah from scratch)
  folder=$(buildah mount "$container")
  mkdir -p "$folder"/{bin,dev,etc,tmp,var/lib,usr/share,usr/local/apisix/plugins}
  cp "$(command -v busybox)" "$folder/bin/busybox"
  for name in sh cp wget; do ln -s busybox "$folder/bin/$name"; done
  buildah commit --quiet --rm "$container" localhost/stand-in/base >/dev/null
}

# image TARGET BINARY: builds it, and looks at what every image has. $folder is its root then.
image() {
  local container label
  LATEST='' ./build.sh --pull-never --target "$1" --build-arg GO_IMAGE=localhost/stand-in/go \
    --build-arg BUSYBOX_IMAGE=localhost/stand-in/base --build-arg APISIX_IMAGE=localhost/stand-in/base \
    --build-arg GOPROXY="$(go env GOPROXY)"
  container=$(buildah from --pull-never "$IMAGE:$VERSION")
  folder=$(buildah mount "$container")
  label=$(buildah inspect --format '{{index .OCIv1.Config.Labels "org.opencontainers.image.version"}}' "$container")
  [ "$label" = "$VERSION" ] || wrong "$1: the label says version $label"
  gateway "$2" version | grep -xF "kafkaupstream $VERSION" || wrong "$1: $2 says another version"
  [ "$(stat -c '%u:%g %a' "$folder/var/lib/kafkaupstream")" = "636:636 700" ] || wrong "$1: the spool's directory is not the gateway's"
  gateway /bin/sh -c 'echo >/var/lib/kafkaupstream/record' || wrong "$1: the gateway cannot write into the spool's directory"
  [ "$(stat -c '%u %a' "$folder$2")" = "0 755" ] || wrong "$1: $2 could be replaced by the gateway, or not run"
  jq -e .bomFormat "$folder/usr/share/doc/kafkaupstream/kafkaupstream.cdx.json" >/dev/null || wrong "$1: no bill of materials"
  [ -s "$folder/usr/share/doc/kafkaupstream/THIRD_PARTY_NOTICES" ] || wrong "$1: no notices"
}

# gateway COMMAND [ARGUMENT…] runs it in the image as the gateway's user.
gateway() { chroot --userspec=636:636 "$folder" "$@"; }

# The image's own command becomes healthy, by its own health check; in a network of its own, since its ports are fixed.
serves() {
  local config command variables health
  config=$(buildah inspect --type image "$IMAGE:$VERSION" | jq .Docker.config)
  [ "$(jq -r .User <<<"$config")" = 636:636 ] || wrong "binary: it runs as another user"
  mapfile -t command < <(jq -r '.Entrypoint[], .Cmd[]' <<<"$config")
  mapfile -t variables < <(jq -r '.Env[]' <<<"$config")
  mapfile -t health < <(jq -r '.Healthcheck.Test[1:][]' <<<"$config")
  mkdir "$folder/etc/kafkaupstream"
  echo '{"routes": [{"id": "orders", "match": {"path": "/orders"}, "topic": "orders", "config": {"bootstrap.servers": "127.0.0.1:1"}}]}' \
    >"$folder/etc/kafkaupstream/routes.yaml"
  mknod -m 0666 "$folder/dev/null" c 1 3 # as in a container
  # shellcheck disable=SC2016 # for the inner shell
  env "${variables[@]}" folder="$folder" unshare --net bash -euo pipefail -c '
    ip link set lo up
    chroot --userspec=636:636 "$folder" "${@:2:$1}" &
    server=$!
    until chroot --userspec=636:636 "$folder" "${@:2+$1}" 2>/dev/null; do
      kill -0 "$server" 2>/dev/null || exit 1
      sleep 0.1
    done
    kill "$server"
    wait "$server"' bash "${#command[@]}" "${command[@]}" "${health[@]}" || wrong "binary: it does not become healthy, or does not end"
}

builder
base
image binary /usr/local/bin/kafkaupstream
serves
image apisix /usr/local/apisix/plugins/kafkaupstream
echo "both images are as they should be"
