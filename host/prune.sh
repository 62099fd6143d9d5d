#!/bin/bash
# Removes the application's images that no retained release needs, and images that have no name at all.
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

used_bytes() { df --output=used -B1 "$docker_root" | tail -n 1; }

# remove_image IMAGE: the room that it makes goes into $freed. Whoever else writes to this disk meanwhile
# counts against it, so we look just before and just after.
remove_image() {
    local before
    before=$(used_bytes)
    docker image rm "$1" || return
    freed=$((freed + before - $(used_bytes)))
}

# The images of the last releases that proved healthy, so many different ones: each may be a way back.
retained() {
    [ ! -s "$tt_state/releases.jsonl" ] ||
        tac "$tt_state/releases.jsonl" | grep -o '"image":"[^"]*"' | cut -d'"' -f4 |
        awk -v most="$TT_RETAIN" '!seen[$0]++ && kept++ < most'
    docker ps --all --format '{{.Image}}'
}

# Images with neither a tag nor a digest; Docker itself refuses those that a container uses. Not by
# `docker image prune`: the classic image store (overlay2) takes for dangling whatever has no tag,
# and so every release that is kept, for they are pulled by their digests.
remove_nameless() {
    local image
    for image in $(docker image ls --quiet --no-trunc --filter dangling=true | sort -u); do
        if [ "$(docker image inspect --format '{{len .RepoTags}} {{len .RepoDigests}}' "$image")" = "0 0" ]; then
            remove_image "$image" || true
        fi
    done
}

docker_root=$(docker info --format '{{.DockerRootDir}}')
keep=$(retained)
removed=0 freed=0
for image in $(docker image ls --digests --format '{{.Repository}}@{{.Digest}}' "$TT_IMAGE_REPOSITORY" | sort -u); do
    if ! grep -qxF -- "$image" <<<"$keep"; then
        remove_image "$image" && removed=$((removed + 1))
    fi
done
remove_nameless

succeed "\"retired\":$(json_string "$retired")" "\"removed\":$removed" "\"freed_bytes\":$((freed > 0 ? freed : 0))"
