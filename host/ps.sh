#!/bin/bash
# Lists the project's containers, as "docker compose ps --all" would.
# shellcheck source=host/lib.sh
[ -n "${tt_log:-}" ] || . "$(dirname "$0")/lib.sh"
open_log
need TT_PROJECT
succeed "\"containers\":$(list_containers)"
