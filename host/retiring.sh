#!/bin/bash
# Letting the release before go once nobody needs it as a way back.
# shellcheck disable=SC2154,SC2034 # variables of lib.sh and gateway.sh

# is_spare NAME: whether the truth has this container in the slot that does not serve.
is_spare() {
    read_slots
    [ -n "$slot_active" ] && [ "$(container_in "$(other_slot "$slot_active")")" = "$1" ]
}

# Stops and removes the container in the slot that does not serve, if there is one.
retire_spare() {
    local name slot
    read_slots
    [ -n "$slot_active" ] || return 0
    slot=$(other_slot "$slot_active")
    name=$(container_in "$slot")
    [ -n "$name" ] || return 0
    if [ "$slot" = a ]; then write_slots b "" "$slot_b"; else write_slots a "$slot_a" ""; fi
    gateway_empty "$slot"
    docker stop --time "$TT_STOP_SECONDS" "$name" >/dev/null || true
    docker rm --force "$name" >/dev/null || true
    retired=$name
    say "$name is gone"
}
