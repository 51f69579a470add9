#!/usr/bin/env bash
# Usage: upstream_request_fail.sh
#
# Sends a body that is not JSON although its content-type says so: the route must answer 400, and nothing is produced.
#
# Needs curl and jq. Exit: 0 for HTTP 400, else 1.

# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

post kafkaupstream '{"glossary": {"title": "example glossary", }}'
expect 400
