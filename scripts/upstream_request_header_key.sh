#!/usr/bin/env bash
# Usage: upstream_request_header_key.sh [KEY]
#
# Sends the sample body with the key (default: my-key) in a header, which wins over the route's jsonkey and key.
#
# Needs curl and jq. Exit: 0 for HTTP 200, else 1.

# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

post kafkaupstream "$(<"$here/glossary.json")" "$(override key): ${1:-my-key}"
expect 200
