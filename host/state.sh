#!/bin/bash
# What runs on the host and what last ran there healthily, as fields of an answer.
# shellcheck disable=SC2154,SC2034 # lib.sh's variables; what is set here is used elsewhere

# Fills `state` with everything but the record; needs an engine that answers, jobs.sh and
# gateway.sh.
read_state() {
    local revision generation=0 container image="" health="" images='[]'
    revision=$(git -c safe.directory="$TT_CLONE" -C "$TT_CLONE" rev-parse HEAD) || revision=""
    [ ! -f "$tt_state/generation" ] || generation=$(cat "$tt_state/generation")
    # Two of them run while the release before is kept warm: the slots say which one serves.
    read_slots
    container=$([ -z "$slot_active" ] || container_in "$slot_active")
    docker inspect "${container:-none}" >/dev/null 2>&1 || container=$(container_of "$TT_APP_SERVICE")
    if [ -n "$container" ]; then
        image=$(docker inspect --format '{{.Config.Image}}' "$container")
        health=$(docker inspect --format '{{if .State.Health}}{{.State.Health.Status}}{{end}}' "$container")
    fi
    [ -z "${TT_IMAGE_REPOSITORY:-}" ] ||
        images=$(docker image ls --digests --format '{{.Repository}}@{{.Digest}}' "$TT_IMAGE_REPOSITORY" | sort -u | json_lines)
    state=("\"revision\":$(json_string "$revision")" "\"generation\":${generation:-0}"
        "\"under_way\":$(json_string "$(job_under_way)")"
        "\"app_image\":$(json_string "$image")" "\"app_health\":$(json_string "$health")"
        "\"containers\":$(list_containers)" "\"images\":$images")
}

# The newest $1 lines of the record of healthy releases, as a JSON array.
recorded() {
    if [ -s "$tt_state/releases.jsonl" ]; then
        tail -n "$1" "$tt_state/releases.jsonl" | json_lines
    else
        printf '[]'
    fi
}
