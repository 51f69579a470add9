#!/usr/bin/env bash
# Usage: apisix.sh
#
# Puts a consumer and the route of apisix.yaml into APISIX by its Admin API: ADMIN_KEY is its key, GATEWAY_SECRET
# what the replicas have in --gateway-secret-file.

set -euo pipefail

case ${1-} in
  -h | --help)
    awk 'NR > 1 && !/^#/ { exit } NR > 1 { sub(/^# ?/, ""); print }' "$0"
    exit
    ;;
esac

: "${ADMIN_KEY:?}" "${GATEWAY_SECRET:?}" # in no argument, which ps would show
admin=${ADMIN_URL:-http://127.0.0.1:9180}/apisix/admin

put() {
  curl --fail-with-body -sS -X PUT --header @<(printf 'X-API-KEY: %s\n' "$ADMIN_KEY") --data-binary @- "$admin/$1"
}

put consumers <<'JSON'
{"username": "acme", "plugins": {"key-auth": {"key": "key-of-acme"}}}
JSON

jq -n '{
  uri: "/orders/*",
  methods: ["POST"],
  plugins: {
    "key-auth": {hide_credentials: true},
    "proxy-rewrite": {headers: {set: {"X-Gateway-Secret": env.GATEWAY_SECRET}}}
  },
  upstream: {
    type: "chash", hash_on: "header", key: "idempotency-key", retries: 1,
    timeout: {connect: 1, send: 60, read: 70},
    nodes: {"127.0.0.1:8081": 1, "127.0.0.1:8082": 1}
  }
}' | put routes/orders
