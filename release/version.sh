# Sourced: what a build is called, and when it was made, unless the environment says so. A tag v1.2.3 is version 1.2.3; a commit
# behind it 1.2.3-4-gabcdef, without any tag 0.0.0-gabcdef.
# shellcheck shell=bash
VERSION=${VERSION:-$(git describe --tags --match 'v[0-9]*' --dirty 2>/dev/null || echo "v0.0.0-g$(git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)")}
VERSION=${VERSION#v}
COMMIT=${COMMIT:-$(git rev-parse HEAD 2>/dev/null || echo unknown)}
# The commit's time, so that the same commit gives the same bytes.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
export VERSION COMMIT SOURCE_DATE_EPOCH
