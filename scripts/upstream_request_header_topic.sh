#!/usr/bin/env bash
# Usage: upstream_request_header_topic.sh [TOPIC]
#
# Sends the sample body to another topic (default: the route's with -other behind it), named in a header.
#
# Needs curl and jq. Exit: 0 for HTTP 200, else 1.

# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

post kafkaupstream "$(<"$here/glossary.json")" "$(override topic): ${1:-$KAFKA_TOPIC-other}"
expect 200
