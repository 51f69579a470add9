#!/usr/bin/env bash
# Usage: verify.sh
#
# Starts the containers as start.sh does, and lets `kafkaupstream verify` judge them: the scripts, a route with key-auth whose topic
# is the consumer's, four reloads of APISIX under load, a worker that is killed under load. `make apisix` calls it. The
# containers go on running; ./stop.sh ends them.
#
# Needs docker with compose, curl, jq and Go. Exit: 0 when every promise was kept, else 1.

examples=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# It may make the scripts/.env that lib.sh reads.
[ $# -gt 0 ] || "$examples/start.sh" || exit
# shellcheck source-path=SCRIPTDIR source=../scripts/lib.sh
source "$examples/../scripts/lib.sh"

[ $# -eq 0 ] || wrong_usage "unknown argument $1"
need docker go

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
go build -C "$examples/.." -o "$work/kafkaupstream" ./cmd/kafkaupstream

compose() { docker compose --file "$examples/docker-compose.yml" "$@"; }

step() { printf '\n== %s\n' "$*"; }

# put PATH BODY: through the Admin API.
put() {
  http PUT "$ADMIN_URL/apisix/admin/$1" "$2" --header @<(printf 'X-API-KEY: %s\n' "$ADMIN_KEY")
  case $status in
    200 | 201) ;;
    *) die "$1: HTTP $status $(admin_error)" ;;
  esac
}

step "the scripts"
"$here/upstream_create.sh"
for script in request request_fail request_header_key request_header_topic request_key_object; do
  "$here/upstream_$script.sh"
done

step "key-auth, and a topic for each consumer"
key=$(head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n')
put consumers/alice "$(jq -nc --arg key "$key" '{username: "alice", plugins: {"key-auth": {key: $key}}}')"
for delivery in sync async; do
  config=$(jq -nc --arg delivery "$delivery" --arg brokers "$KAFKA_BROKERS" \
    '{config: {"bootstrap.servers": $brokers}, topic: "orders.$consumer_name", overrides: [], jsonkey: "key", delivery: $delivery}')
  put "routes/$delivery" "$(jq -nc --arg id "$delivery" --arg config "$config" \
    '{uri: "/\($id)", methods: ["POST"], plugins: {"key-auth": {}, "ext-plugin-post-req": {conf: [{name: "kafkaupstream", value: $config}]}}}')"
done
# APISIX takes a moment to learn of a route from etcd.
for _ in {1..50}; do
  http POST "$GATEWAY_URL/sync" '{"key":"first"}' --header "apikey: $key"
  [ "$status" != 200 ] || break
  sleep 0.2
done
expect 200
http POST "$GATEWAY_URL/sync" '{"key":"stranger"}'
expect 401

# verified DELIVERY COMMAND…: verify on the route, while the command runs again and again.
verified() {
  local delivery=$1 disturber
  shift
  : >"$work/disturbed"
  while sleep 4; do
    if "$@"; then echo >>"$work/disturbed"; else echo "$* failed, and is tried again" >&2; fi
  done &
  disturber=$!
  "$work/kafkaupstream" verify --url "$GATEWAY_URL/$delivery" --brokers "$KCAT_BROKERS" --topic orders.alice \
    --header "apikey: $key" --connections 32 --duration 20s || failed=1
  kill "$disturber"
  wait "$disturber" 2>/dev/null || true
  [ -s "$work/disturbed" ] || die "nothing was disturbed: $* failed each time"
}

reload() { compose exec -T apisix apisix reload >/dev/null 2>&1; }

# The worker is the process whose second argument is worker.
kill_worker() {
  # shellcheck disable=SC2016 # it is the container's shell that expands this
  compose exec -T apisix bash -c 'for p in /proc/[0-9]*; do mapfile -d "" a <"$p/cmdline"; [ "${a[1]-}" != worker ] || kill -KILL "${p#/proc/}"; done' 2>/dev/null
}

failed=
step "four reloads under load, sync"
verified sync reload
step "four reloads under load, async"
verified async reload
step "a worker that is killed under load, sync: what it was doing gets an error of APISIX's"
verified sync kill_worker
[ -z "$failed" ] || die "a promise was broken"
echo "every promise was kept"
