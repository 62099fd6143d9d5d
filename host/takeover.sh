#!/bin/bash
# The steps of a takeover, in the order of their use, and how they are undone.
# shellcheck disable=SC2154,SC2034 # variables of lib.sh, gateway.sh and the story in rollout.sh

candidate="" outgoing="" outgoing_slot="" candidate_slot="" admitted="" spare="" kept_warm="" given_up=""
note="" was_warm=false switched_at=0 restarts_at_first=0 refused=""

# Any end but a good one: the candidate goes, and who was admitted before serves.
clean_up() {
    stop_prober
    forget_rendered
    rm -f "$probes"
    if [ -n "$candidate" ]; then
        say "undoing: $candidate goes"
        [ -z "$outgoing_slot" ] || write_slots "$outgoing_slot" "$(only a)" "$(only b)"
        if [ -n "$outgoing" ] && [ "$admitted" = "$candidate" ]; then
            gateway_fill "$outgoing_slot" "$outgoing"
            gateway_serve "$outgoing_slot" || say "the gateway does not say that $outgoing serves again"
        fi
        [ -z "$candidate_slot" ] || gateway_empty "$candidate_slot"
        docker logs --tail 40 "$candidate" || true
        # What never got traffic answers nobody.
        [ "$admitted" != "$candidate" ] || let_finish "$candidate" "$candidate_slot"
        docker rm --force "$candidate" >/dev/null || true
        candidate=""
    fi
}

# let_finish CONTAINER SLOT: ends one whose slot is empty by now, but served: what it has under way first.
let_finish() {
    drain "$1" "$2"
    docker stop --time "$TT_STOP_SECONDS" "$1" >/dev/null || true
}

# only SLOT: the outgoing container if that is its slot, else nothing.
only() { if [ "$1" = "${outgoing_slot:-}" ]; then echo "$outgoing"; fi; }

# Whether what serves is what is wanted, for a deploy by its definition: there is nothing to take over.
serves_already() {
    [ -n "$outgoing" ] && is_running "$outgoing" || return 1
    if goes_back; then is_back; else [ "$(definition_of "$outgoing")" = "$wanted" ]; fi || return 1
    say "$outgoing is this very release already"
}

# The container in the slot that does not serve, if it still runs: the release before, kept warm.
find_spare() {
    spare=""
    [ -n "$outgoing_slot" ] || return 0
    spare=$(container_in "$(other_slot "$outgoing_slot")")
    if [ -n "$spare" ] && ! is_running "$spare"; then spare=""; fi
}

# What an earlier run left behind: a release that was kept warm and is not what we want, one that
# served until now and was given up, and containers that were never admitted. The gateway follows the
# truth by now.
remove_leftovers() {
    local name
    if [ -n "$spare" ] && ! fits_spare; then
        retire_spare
        spare=""
    fi
    for name in $(app_containers); do
        if [ "$name" = "$given_up" ]; then
            let_finish "$name" "$(other_slot "$outgoing_slot")"
            docker rm --force "$name" >/dev/null
        elif [ "$name" != "$outgoing" ] && [ "$name" != "$spare" ]; then
            say "removing $name: an earlier rollout left it, it was never admitted"
            docker rm --force "$name" >/dev/null
        fi
    done
}

# Whether a container is ready in one of three looks: a pause of its own is no reason to end it.
answers() {
    local look
    for look in 1 2 3; do
        if is_running "$1" && is_ready "$address"; then return 0; fi
        ((look == 3)) || sleep 1
    done
    return 1
}

# The gateway falls back to the other slot while the one that should serve is not ready; then
# what stands there is who serves now.
prefer_what_is_ready() {
    local other
    [ -n "$outgoing" ] || return 0
    other=$(container_in "$(other_slot "$slot_active")")
    if [ -n "$other" ] && ! answers "$outgoing" && is_running "$other" && is_ready "$address"; then
        say "$outgoing is not ready, $other is: it serves from now on"
        given_up=$outgoing outgoing=$other outgoing_slot=$(other_slot "$slot_active")
        write_slots "$outgoing_slot" "$(only a)" "$(only b)"
    fi
}

# Who serves now. A host that had no rollout yet serves what Compose started.
find_outgoing() {
    local name
    read_slots
    outgoing_slot=$slot_active
    outgoing=$([ -z "$slot_active" ] || container_in "$slot_active")
    prefer_what_is_ready
    if [ -z "$outgoing" ] || ! docker inspect "$outgoing" >/dev/null 2>&1; then
        # What the slots name is gone: Compose may call the next one so, which is not admitted yet.
        outgoing="" outgoing_slot="" slot_active="" slot_a="" slot_b=""
        for name in $(app_containers); do
            if is_running "$name" && is_ready "$address"; then outgoing=$name outgoing_slot=a; fi
        done
        [ -z "$outgoing" ] || write_slots a "$outgoing" ""
    fi
    admitted=$outgoing
}

# seconds_since_switch: how long ago the traffic moved; 0 if it did not.
seconds_since_switch() {
    awk -v at="$switched_at" -v now="${EPOCHREALTIME/,/.}" 'BEGIN { printf "%.3f", (at > 0 ? now - at : 0) }'
}

# The new container, as Compose makes it beside the one that serves.
start_candidate() {
    local there name count=1 started=yes
    there=$(app_containers)
    [ -z "$outgoing" ] || count=2
    with_secrets "${compose[@]}" up --detach --no-deps --no-recreate \
        --scale "$TT_APP_SERVICE=$count" "$TT_APP_SERVICE" || started=no
    for name in $(app_containers); do
        grep -qx -- "$name" <<<"$there" || candidate=$name
    done
    [ "$started" = yes ] ||
        fail "the new container did not start" "docker compose -p $TT_PROJECT logs $TT_APP_SERVICE"
    [ -n "$candidate" ] || fail "Compose made no new container"
    restarts_at_first=0
    say "$candidate starts beside ${outgoing:-nothing}"
}

# Looks at the candidate: whether it ended since it was chosen, whatever it does now. Asked against the
# first count all the way: a crash between two steps would else become the next one's starting point.
has_crashed() { look_at "$candidate"; [ "$life" != "true $restarts_at_first" ]; }

fail_with_log() {
    fail "$candidate $1" "less $tt_log   # on the host; it has the end of the container's log"
}

# passes_gate SECONDS: ready N times in a row, and UP (Docker's health check too) or at least no worse than
# the release that serves. If not, $refused says why.
passes_gate() {
    local passes=0 deadline=$((SECONDS + $1)) down worse=""
    while ((passes < TT_GATE_PASSES)); do
        refused="was not ready within $1 s${worse:+; not UP: $worse}"
        ((SECONDS < deadline)) || return 1
        refused="crashed while it started"
        if has_crashed; then return 1; fi
        worse=""
        if ! is_ready "$address"; then
            passes=0 worse="readiness"
        elif is_up "$address"; then
            if [[ $health =~ ^(healthy)?$ ]]; then passes=$((passes + 1)); else passes=0 worse="Docker's health check"; fi
        else
            down=$(components_down "$address")
            worse=$(comm -23 <(printf '%s\n' "$down") <(printf '%s\n' "$baseline") | paste -sd' ')
            if [ -n "$down" ] && [ -z "${worse// /}" ]; then
                passes=$((passes + 1)) note="was down before already, not this release's fault: ${down//$'\n'/ }"
            else
                passes=0
            fi
        fi
        ((passes >= TT_GATE_PASSES)) || sleep 0.3
    done
    say "$candidate passed the gate${note:+ ($note)}"
}

gate() { passes_gate "$TT_GATE_SECONDS" || fail_with_log "$refused"; }

# await_gateway SLOT: returns once health checks see the candidate in it.
await_gateway() {
    gateway_sees "$1" 20 ||
        fail "the gateway does not see $candidate as ready" "docker logs --tail 50 $gateway"
}

admit() {
    if [ -n "$outgoing_slot" ]; then candidate_slot=$(other_slot "$outgoing_slot"); else candidate_slot=a; fi
    gateway_fill "$candidate_slot" "$candidate"
    await_gateway "$candidate_slot"
    own_share_ends
    if [ "$candidate_slot" = a ]; then
        write_slots a "$candidate" "$outgoing"
    else
        write_slots b "$outgoing" "$candidate"
    fi
    admitted=$candidate
    switched_at=${EPOCHREALTIME/,/.}
    gateway_serve "$candidate_slot" ||
        fail "the gateway does not say that $candidate serves" "docker logs --tail 50 $gateway"
    say "traffic goes to $candidate"
}

# drain CONTAINER SLOT: waits until a container that gets no new requests has answered the others.
drain() {
    local deadline=$((SECONDS + TT_DRAIN_SECONDS)) busy
    while busy=$(gateway_busy "$2") && [ "$busy" != 0 ]; do
        if ((SECONDS >= deadline)); then
            say "$1 still answers $busy request(s) after $TT_DRAIN_SECONDS s; its own grace has to do"
            break
        fi
        sleep 0.2
    done
}

# Keeps the old one warm until the release has been verified, or lets it go at once.
settle() {
    candidate=""
    [ -n "$outgoing" ] || return 0
    if ((TT_WARM_SECONDS > 0)); then
        kept_warm=$outgoing
        say "$outgoing stays warm for $TT_WARM_SECONDS s at most"
    else
        retire_spare
    fi
}

# When the result is written: if nobody says in time that the old one may go, it goes. The lock
# is not held meanwhile; whoever comes first takes the old one for the way back or removes it.
afterwards() {
    local deadline=$((SECONDS + TT_WARM_SECONDS))
    [ -n "$kept_warm" ] || return 0
    exec 9>&-
    until ((SECONDS >= deadline)); do
        is_spare "$kept_warm" || return 0
        sleep 1
    done
    take_lock
    if is_spare "$kept_warm"; then retire_spare; fi
}

# Without a second container: away from the old one's end until the new one is ready.
replace_in_place() {
    local slot=${outgoing_slot:-a}
    baseline=$(what_is_down)
    totals_before=$(gateway_totals)
    started_at=$EPOCHREALTIME
    note_before
    with_secrets "${compose[@]}" up --detach --no-deps --scale "$TT_APP_SERVICE=1" "$TT_APP_SERVICE" ||
        fail "the application did not start" "docker compose -p $TT_PROJECT logs $TT_APP_SERVICE"
    candidate=$(app_containers) admitted=$candidate
    if [ "$slot" = a ]; then write_slots a "$candidate" ""; else write_slots b "" "$candidate"; fi
    gateway_follow
    gate
    await_gateway "$slot"
    switched_at=${EPOCHREALTIME/,/.}
    totals_after=$(gateway_totals)
    note_takeover "$candidate" "$restarts_at_first"
}
