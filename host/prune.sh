#!/bin/bash
# Removes the application's images that no retained release needs, and what dangles.
# Containers and volumes are never touched, nor images that a container uses.
# shellcheck source=host/lib.sh
[ -n "${tt_log:-}" ] || . "$(dirname "$0")/lib.sh"
# shellcheck source=host/gateway.sh
declare -F read_slots >/dev/null || . "$(dirname "$0")/gateway.sh"
# shellcheck source=host/retiring.sh
declare -F retire_spare >/dev/null || . "$(dirname "$0")/retiring.sh"
open_log
need TT_IMAGE_REPOSITORY TT_RETAIN TT_STOP_SECONDS
take_lock

# The release before is no longer needed warm once the new one has been verified.
retired=""
gateway=$(container_of "${TT_GATEWAY:-gateway}")
if [ "${TT_RETIRE:-no}" = yes ] && [ -n "$gateway" ]; then retire_spare; fi

used_bytes() { df --output=used -B1 "$(docker info --format '{{.DockerRootDir}}')" | tail -n 1; }

# The images of the last releases that proved healthy, so many different ones: each may be a way back.
retained() {
    [ ! -s "$tt_state/releases.jsonl" ] ||
        tac "$tt_state/releases.jsonl" | grep -o '"image":"[^"]*"' | cut -d'"' -f4 |
        awk -v most="$TT_RETAIN" '!seen[$0]++ && kept++ < most'
    docker ps --all --format '{{.Image}}'
}

before=$(used_bytes)
keep=$(retained)
removed=0
for image in $(docker image ls --digests --format '{{.Repository}}@{{.Digest}}' "$TT_IMAGE_REPOSITORY" | sort -u); do
    if ! grep -qxF -- "$image" <<<"$keep"; then
        docker image rm "$image" && removed=$((removed + 1))
    fi
done
docker image prune --force
freed=$((before - $(used_bytes)))

succeed "\"retired\":$(json_string "$retired")" "\"removed\":$removed" "\"freed_bytes\":$((freed > 0 ? freed : 0))"
