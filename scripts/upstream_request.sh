#!/usr/bin/env bash
# Usage: upstream_request.sh
#
# Sends the sample body glossary.json to the route and prints the answer. The key is "S", its glossary.GlossDiv.title.
#
# Needs curl and jq. Exit: 0 for HTTP 200, else 1.

# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

post kafkaupstream "$(<"$here/glossary.json")"
expect 200
