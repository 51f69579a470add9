#!/usr/bin/env bash
# Usage: start.sh [standalone]
#
# Builds the image and starts APISIX, etcd and Kafka; standalone: APISIX with its routes in a file, and Kafka. Without a
# scripts/.env it makes one that fits these containers, with a random key for the Admin API.
#
# Needs docker with compose, curl and jq. Exit: 0 when all is healthy, 2 wrong usage.

# shellcheck source-path=SCRIPTDIR source=../scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../scripts/lib.sh"

services=()
case ${1-} in
  '') ;;
  standalone) services=(kafka apisix-standalone) ;;
  *) wrong_usage "unknown argument $1" ;;
esac
need docker
docker compose version >/dev/null 2>&1 || die "needs docker's compose plugin"

if [ ! -e "$here/.env" ]; then
  ADMIN_KEY=key-$(head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n')
  (
    umask 077
    sed -e 's|^ADMIN_URL=.*|ADMIN_URL=http://127.0.0.1:9180|' -e "s|^ADMIN_KEY=.*|ADMIN_KEY=$ADMIN_KEY|" \
      -e 's|^KAFKA_BROKERS=.*|KAFKA_BROKERS=kafka:19092|' -e 's|^KCAT_BROKERS=.*|KCAT_BROKERS=localhost:9092|' \
      "$here/.env.backup" >"$here/.env"
  )
  echo "made scripts/.env"
fi
[ -n "$ADMIN_KEY" ] ||
  die "scripts/.env has no ADMIN_KEY: set one, and ADMIN_URL=http://127.0.0.1:9180, or delete the file"
export ADMIN_KEY

docker compose --file "$(dirname "${BASH_SOURCE[0]}")/docker-compose.yml" \
  up --build --detach --wait ${services[@]+"${services[@]}"}
echo "gateway http://127.0.0.1:9080"
