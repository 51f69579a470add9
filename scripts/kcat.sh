#!/usr/bin/env bash
# Usage: kcat.sh [-b BROKERS] [consume | follow | produce | list] [TOPIC] [-- KCAT OPTION…]
#
#   consume   print the topic's records, to its end (what it does when nothing is said)
#   follow    print them, and new ones until Ctrl-C
#   produce   send each line of standard input as a record
#   list      list brokers, topics and partitions
#
# Brokers, topic, security and login are those in .env (see .env.backup); -b, or host:port as the first argument, names
# other brokers: `kafkaupstream dev` prints its own. Records are printed as topic, partition, offset, key, headers and,
# on the next line, value.
#
# Needs kcat (kafkacat), curl and jq. Exit: kcat's, 1 without brokers, 2 wrong usage.

# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

case ${1-} in
  -b)
    [ -n "${2-}" ] || wrong_usage "-b needs host:port"
    KCAT_BROKERS=$2
    shift 2
    ;;
  *:*)
    KCAT_BROKERS=$1
    shift
    ;;
esac
command=consume
case ${1-} in
  consume | follow | produce | list)
    command=$1
    shift
    ;;
esac
topic=$KAFKA_TOPIC
case ${1-} in
  '' | -*) ;;
  *)
    topic=$1
    shift
    ;;
esac
case ${1-} in
  '') ;;
  --) shift ;;
  *) wrong_usage "unknown argument $1" ;;
esac
[ -n "$KCAT_BROKERS" ] ||
  die "no brokers: set KAFKA_BROKERS in .env, or say -b host:port (kafkaupstream dev prints it as \"broker host:port\")"

kcat=$(command -v kcat || command -v kafkacat) || die "needs kcat, which is not installed"

# kcat takes its properties from a file, so that the password is not among its arguments.
properties() {
  printf 'bootstrap.servers=%s\n' "$KCAT_BROKERS"
  [ -z "$KAFKA_SECURITY_PROTOCOL" ] || printf 'security.protocol=%s\n' "$KAFKA_SECURITY_PROTOCOL"
  [ -z "$KAFKA_USERNAME" ] ||
    printf 'sasl.mechanisms=%s\nsasl.username=%s\nsasl.password=%s\n' \
      "$KAFKA_SASL_MECHANISM" "$KAFKA_USERNAME" "$KAFKA_PASSWORD"
}

record='%t [%p] at %o  key=%k  headers=%h\n%s\n'
case $command in
  consume) set -- -C -t "$topic" -o beginning -e -Z -f "$record" "$@" ;;
  follow) set -- -C -t "$topic" -o beginning -Z -u -f "$record" "$@" ;;
  produce) set -- -P -t "$topic" "$@" ;;
  list) set -- -L "$@" ;;
esac
exec "$kcat" -q -F <(properties) "$@"
