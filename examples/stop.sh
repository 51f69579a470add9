#!/usr/bin/env bash
# Usage: stop.sh [OPTION…]
#
# Stops and removes what start.sh started. Routes and records stay in volumes: --volumes removes them too.

set -euo pipefail

# The compose file wants a key, even to stop.
ADMIN_KEY=none exec docker compose --file "$(dirname "${BASH_SOURCE[0]}")/docker-compose.yml" \
  --profile standalone down "$@"
