#!/bin/bash
# Removes dangling images. Containers and volumes are never touched.
# shellcheck source=host/lib.sh
[ -n "${tt_log:-}" ] || . "$(dirname "$0")/lib.sh"
open_log
freed=$(docker image prune --force | sed -n 's/^Total reclaimed space: //p')
succeed "\"freed\":$(json_string "${freed:-0B}")"
