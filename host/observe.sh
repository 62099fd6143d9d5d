#!/bin/bash
# Looks at the host before anything is touched: what runs, what last ran healthily.
# shellcheck disable=SC2154 # state.sh fills `state`
# shellcheck source=host/lib.sh
[ -n "${tt_log:-}" ] || . "$(dirname "$0")/lib.sh"
# shellcheck source=host/jobs.sh
declare -F job_under_way >/dev/null || . "$(dirname "$0")/jobs.sh"
# shellcheck source=host/gateway.sh
declare -F read_slots >/dev/null || . "$(dirname "$0")/gateway.sh"
# shellcheck source=host/state.sh
declare -F read_state >/dev/null || . "$(dirname "$0")/state.sh"
open_log
need TT_CLONE TT_PROJECT TT_APP_SERVICE
docker version --format 'Docker {{.Server.Version}}' || fail "the Docker engine does not answer" \
    "sudo systemctl status docker"

read_state
succeed "${state[@]}" "\"record\":$(recorded 20)"
