#!/bin/bash
# Looks at the host before anything is touched: what runs, what last ran healthily.
# shellcheck source=host/lib.sh
[ -n "${tt_log:-}" ] || . "$(dirname "$0")/lib.sh"
# shellcheck source=host/jobs.sh
declare -F job_under_way >/dev/null || . "$(dirname "$0")/jobs.sh"
# shellcheck source=host/gateway.sh
declare -F read_slots >/dev/null || . "$(dirname "$0")/gateway.sh"
open_log
need TT_CLONE TT_PROJECT TT_APP_SERVICE

revision=$(git -c safe.directory="$TT_CLONE" -C "$TT_CLONE" rev-parse HEAD) || revision=""
generation=0
[ ! -f "$tt_state/generation" ] || generation=$(cat "$tt_state/generation")
docker version --format 'Docker {{.Server.Version}}' || fail "the Docker engine does not answer" \
    "sudo systemctl status docker"

image="" health=""
# Two of them run while the release before is kept warm: the slots say which one serves.
read_slots
container=$([ -z "$slot_active" ] || container_in "$slot_active")
docker inspect "${container:-none}" >/dev/null 2>&1 || container=$(container_of "$TT_APP_SERVICE")
if [ -n "$container" ]; then
    image=$(docker inspect --format '{{.Config.Image}}' "$container")
    health=$(docker inspect --format '{{if .State.Health}}{{.State.Health.Status}}{{end}}' "$container")
fi

images='[]'
[ -z "${TT_IMAGE_REPOSITORY:-}" ] ||
    images=$(docker image ls --digests --format '{{.Repository}}@{{.Digest}}' "$TT_IMAGE_REPOSITORY" | sort -u | json_lines)

record='[]'
[ ! -s "$tt_state/releases.jsonl" ] || record=$(tail -n 20 "$tt_state/releases.jsonl" | json_lines)

succeed "\"revision\":$(json_string "$revision")" "\"generation\":${generation:-0}" \
    "\"under_way\":$(json_string "$(job_under_way)")" \
    "\"app_image\":$(json_string "$image")" "\"app_health\":$(json_string "$health")" \
    "\"containers\":$(list_containers)" "\"record\":$record" "\"images\":$images"
