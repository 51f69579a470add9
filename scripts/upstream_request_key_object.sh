#!/usr/bin/env bash
# Usage: upstream_request_key_object.sh
#
# Sends the sample body where jsonkey names an object: the key is that object's JSON text. It does so on a route of its
# own, kafkaupstream-key-object, with the same configuration but jsonkey glossary.GlossDiv, and deletes it afterwards.
#
# Needs curl and jq. Exit: 0 for HTTP 200, else 1.

# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

route=kafkaupstream-key-object
config=$(route_config)
put_route "$route" "$(printf '%s' "$config" | jq '.jsonkey = "glossary.GlossDiv"')"
trap 'admin DELETE "$route"' EXIT
post "$route" "$(<"$here/glossary.json")"
expect 200
