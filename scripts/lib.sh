# shellcheck shell=bash
# What the scripts beside this file share; it is sourced, never run. It needs curl and jq (1.6 or newer).
#
# A setting comes from the environment, else from the file .env beside this one, else from the defaults below.
# Secrets reach curl and jq through standard input or a file descriptor: never an argument, which `ps` would show.

set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# usage prints the comment at the head of the running script.
usage() {
  awk 'NR > 1 && !/^#/ { exit } NR > 1 { sub(/^# ?/, ""); print }' "$0"
}

# wrong_usage MESSAGE: the message and the usage, exit 2.
wrong_usage() {
  printf '%s: %s\n\n' "${0##*/}" "$*" >&2
  usage >&2
  exit 2
}

# need COMMAND…: a clear error where one is missing.
need() {
  local name
  for name; do
    command -v "$name" >/dev/null || die "needs $name, which is not installed"
  done
}

# load_env FILE: its NAME=value lines, as text and not as shell code; what the environment has set stays.
load_env() {
  local line name value number=0
  while IFS= read -r line || [ -n "$line" ]; do
    number=$((number + 1))
    line=${line%$'\r'}
    [[ $line =~ ^[[:space:]]*(#.*)?$ ]] && continue
    [[ $line =~ ^[[:space:]]*(export[[:space:]]+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)$ ]] ||
      die "$1, line $number: not of the form NAME=value"
    name=${BASH_REMATCH[2]} value=${BASH_REMATCH[3]}
    case $value in
      \"*\" | \'*\') value=${value:1:${#value}-2} ;;
    esac
    [ -n "${!name+set}" ] || printf -v "$name" '%s' "$value"
  done <"$1"
}

# http METHOD URL BODY [CURL OPTION…]: sends the body; sets $status and $reply.
http() {
  local method=$1 url=$2 body=$3
  shift 3
  reply=$(printf '%s' "$body" | curl --silent --show-error --max-time 30 --request "$method" --data-binary @- \
    --header 'content-type: application/json' --write-out '\n%{http_code}' "$@" "$url") || die "no answer from $url"
  status=${reply##*$'\n'}
  reply=${reply%$'\n'*}
}

# route_config prints kafkaupstreamconfig.json with each ${NAME} replaced by that setting. What is nothing but an
# empty setting is left out, so that without a user name there is no SASL property.
route_config() {
  local file=$here/kafkaupstreamconfig.json pattern='\$\{(?<name>[A-Za-z_][A-Za-z0-9_]*)\}' names name settings
  names=$(jq -r --arg pattern "$pattern" '[.. | strings | scan($pattern)[]] | unique[]' "$file") ||
    die "${file##*/} is not JSON"
  settings=$(for name in $names; do
    [ -n "${!name+set}" ] || die "${file##*/} uses \${$name}, which is set neither in .env nor in the environment"
    printf '%s' "${!name}" | jq -Rs --arg name "$name" '{($name): .}'
  done) || return
  printf '%s' "$settings" | jq --slurp --slurpfile config "$file" --arg pattern "$pattern" '
    add as $settings
    | def left_out: type == "string" and test("^\($pattern)$") and $settings[.[2:-1]] == "";
      $config[0]
      | walk(
          if type == "object" then with_entries(select(.value | left_out | not))
          elif type == "array" then map(select(left_out | not))
          else . end)
      | walk(if type == "string" then gsub($pattern; $settings[.name]) else . end)'
}

# admin METHOD ID [BODY]: asks the Admin API about the route ID; sets $status and $reply.
admin() {
  http "$1" "$ADMIN_URL/apisix/admin/routes/$2" "${3-}" --header @<(printf 'X-API-KEY: %s\n' "$ADMIN_KEY")
}

# put_route ID CONFIGURATION: creates or replaces the route ID, which takes POST /ID. APISIX wants the plugin's
# configuration as a string of JSON. The Admin API's answer repeats the route with its secrets: only errors are shown.
put_route() {
  local id=$1 route
  route=$(printf '%s' "$2" | jq --compact-output --arg id "$id" --arg phase "$PLUGIN_PHASE" '{
    name: $id, uri: "/\($id)", methods: ["POST"],
    plugins: {($phase): {conf: [{name: "kafkaupstream", value: tojson}]}}
  }')
  admin PUT "$id" "$route"
  case $status in
    200 | 201) ;;
    *) die "the Admin API refused the route: HTTP $status $(admin_error)" ;;
  esac
  printf '%s' "$reply" | jq -e '.key // .node.key' >/dev/null 2>&1 ||
    die "what answers at $ADMIN_URL is not the Admin API: there is no route in its HTTP $status"
}

# admin_error prints the reason in the Admin API's last answer.
admin_error() {
  printf '%s' "$reply" | jq -r '.error_msg // .message // empty' 2>/dev/null || true
}

# post ID BODY [HEADER…]: sends the JSON body to the route ID and prints the answer; sets $status and $reply.
post() {
  local id=$1 body=$2 header options=()
  shift 2
  for header; do
    options+=(--header "$header")
  done
  http POST "$GATEWAY_URL/$id" "$body" ${options[@]+"${options[@]}"}
  printf 'HTTP %s\n%s\n' "$status" "$reply"
}

# expect STATUS: whether the last answer had it.
expect() {
  [ "$status" = "$1" ] || die "expected HTTP $1, got $status"
}

# override NAME: the name of the header that overrides topic, key or partition in the configuration.
override() {
  jq -r --arg name "$1" '(.headerprefix // "") + $name' "$here/kafkaupstreamconfig.json"
}

case ${1-} in
  -h | --help)
    usage
    exit
    ;;
esac

need curl jq
[ ! -f "$here/.env" ] || load_env "$here/.env"
: "${GATEWAY_URL:=http://127.0.0.1:9080}" "${ADMIN_URL:=$GATEWAY_URL}" "${ADMIN_KEY:=}"
: "${KAFKA_BROKERS:=}" "${KCAT_BROKERS:=$KAFKA_BROKERS}" "${KAFKA_TOPIC:=kafkaupstream}"
: "${KAFKA_SECURITY_PROTOCOL:=}" "${KAFKA_SASL_MECHANISM:=}" "${KAFKA_USERNAME:=}" "${KAFKA_PASSWORD:=}"
: "${PLUGIN_PHASE:=ext-plugin-post-req}"
case $PLUGIN_PHASE in
  ext-plugin-pre-req | ext-plugin-post-req) ;;
  *) die "PLUGIN_PHASE is $PLUGIN_PHASE, neither ext-plugin-pre-req nor ext-plugin-post-req" ;;
esac
GATEWAY_URL=${GATEWAY_URL%/} ADMIN_URL=${ADMIN_URL%/}
if [ -n "$KAFKA_USERNAME" ]; then
  : "${KAFKA_SECURITY_PROTOCOL:=SASL_SSL}" "${KAFKA_SASL_MECHANISM:=PLAIN}"
else
  KAFKA_SASL_MECHANISM='' KAFKA_PASSWORD=''
fi
