#!/usr/bin/env bash
# Usage: upstream_create.sh [--print]
#
# Creates or replaces the route kafkaupstream (POST /kafkaupstream) through the Admin API, with the configuration in
# kafkaupstreamconfig.json and the settings in .env (see .env.backup). --print shows that configuration, with its
# secrets, and sends nothing. PLUGIN_PHASE=ext-plugin-pre-req runs the plugin before authentication and limits.
#
# Needs curl and jq. Exit: 0 created or replaced, 1 not, 2 wrong usage.

# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

case ${1-} in
  '' | --print) ;;
  *) wrong_usage "unknown argument $1" ;;
esac
config=$(route_config)
if [ "${1-}" = --print ]; then
  printf '%s\n' "$config"
  exit
fi

[ -n "$KAFKA_BROKERS" ] || echo "KAFKA_BROKERS is empty: only kafkaupstream dev fills it in" >&2
put_route kafkaupstream "$config"
echo "HTTP $status: POST $GATEWAY_URL/kafkaupstream produces to $KAFKA_TOPIC ($PLUGIN_PHASE)"
