#!/bin/bash
# Replaces the application without losing a request, or leaves everything as it was.
#
# The new container starts beside the old one, gets no traffic until the gate admits it,
# takes over between two requests, and is watched while the old one stays warm. Whatever
# fails, the new one goes and the old one never stopped. Safe to lose at any line: the
# slots (gateway.sh) name one admitted container at every moment, and the next run brings
# the host in line with them before it does anything else.
# shellcheck source=host/lib.sh
[ -n "${tt_log:-}" ] || . "$(dirname "$0")/lib.sh"
# shellcheck source=host/detached.sh
declare -F run_detached >/dev/null || . "$(dirname "$0")/detached.sh"
# shellcheck source=host/gateway.sh
declare -F read_slots >/dev/null || . "$(dirname "$0")/gateway.sh"
# shellcheck source=host/receipt.sh
declare -F start_prober >/dev/null || . "$(dirname "$0")/receipt.sh"
# shellcheck source=host/compose.sh
declare -F start_data_stores >/dev/null || . "$(dirname "$0")/compose.sh"
# shellcheck source=host/stores.sh
declare -F replace_data_stores >/dev/null || . "$(dirname "$0")/stores.sh"
# shellcheck source=host/monitoring.sh
declare -F check_monitoring >/dev/null || . "$(dirname "$0")/monitoring.sh"
open_log
need TT_APP_IMAGE TT_APP_SERVICE TT_APP_PORT TT_GENERATION TT_ATTEMPT \
    TT_GATE_PASSES TT_GATE_SECONDS TT_DRAIN_SECONDS TT_SOAK_SECONDS TT_SOAK_ERRORS TT_STOP_SECONDS
run_detached "rollout-$TT_GENERATION-$TT_ATTEMPT"

candidate="" outgoing="" admitted=""
note=""

# --- Looking ------------------------------------------------------------------------------

app_containers() {
    docker ps --all --format '{{.Names}}' \
        --filter "label=com.docker.compose.project=$TT_PROJECT" \
        --filter "label=com.docker.compose.service=$TT_APP_SERVICE" \
        --filter label=com.docker.compose.oneoff=False
}

is_running() { [ "$(docker inspect --format '{{.State.Running}}' "$1" 2>/dev/null)" = true ]; }

address_of() {
    docker inspect --format '{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}' "$1" | cut -d' ' -f1
}

restarts_of() { docker inspect --format '{{.RestartCount}}' "$1"; }

# definition_of CONTAINER: the hash of the definition it was made from.
definition_of() {
    docker inspect --format '{{index .Config.Labels "com.docker.compose.config-hash"}}' "$1" 2>/dev/null || true
}

ask_app() {
    curl --silent --max-time 5 --output "$2" --write-out '%{http_code}' \
        "http://$(address_of "$1"):$TT_APP_PORT/actuator/health$3" || true
}

is_ready() { [ "$(ask_app "$1" /dev/null /readiness)" = 200 ]; }

# The components of a container's health that are not UP, one a line.
components_down() {
    local body="$tt_run/health.$$"
    ask_app "$1" "$body" "" >/dev/null
    grep -o '"[A-Za-z0-9_]*":{"status":"[A-Z_]*"' "$body" 2>/dev/null | sed 's/"\(.*\)":{"status":"\(.*\)"/\2 \1/' |
        { grep -v '^UP ' || true; } | cut -d' ' -f2 | sort -u
    rm -f "$body"
}

is_up() { [ "$(ask_app "$1" /dev/null "")" = 200 ]; }

# --- Undoing ------------------------------------------------------------------------------

# Any end but a good one: the candidate goes, and who was admitted before serves.
clean_up() {
    stop_prober
    forget_rendered
    rm -f "$probes"
    if [ -n "$candidate" ]; then
        say "undoing: $candidate goes"
        if [ -n "$outgoing" ] && [ "$admitted" = "$candidate" ]; then
            write_slots "$outgoing_slot" "$(in_slot a)" "$(in_slot b)"
            gateway_fill "$outgoing_slot" "$outgoing"
            gateway_serve "$outgoing_slot"
        fi
        [ -z "${candidate_slot:-}" ] || gateway_empty "$candidate_slot"
        docker logs --tail 40 "$candidate" || true
        docker rm --force "$candidate" >/dev/null || true
        [ -z "${outgoing_slot:-}" ] || write_slots "$outgoing_slot" "$(only a)" "$(only b)"
        candidate=""
    fi
}

in_slot() { container_in "$1"; }

# only SLOT: the outgoing container if that is its slot, else nothing.
only() { if [ "$1" = "${outgoing_slot:-}" ]; then echo "$outgoing"; fi; }

# --- Steps --------------------------------------------------------------------------------

# What an earlier run left behind: containers that were never admitted.
remove_leftovers() {
    local name
    for name in $(app_containers); do
        if [ "$name" != "$outgoing" ]; then
            say "removing $name: an earlier rollout left it, it was never admitted"
            docker rm --force "$name" >/dev/null
        fi
    done
}

# Who serves now. A host that had no rollout yet serves what Compose started.
find_outgoing() {
    local name
    read_slots
    outgoing_slot=$slot_active
    outgoing=$([ -z "$slot_active" ] || container_in "$slot_active")
    if [ -z "$outgoing" ] || ! docker inspect "$outgoing" >/dev/null 2>&1; then
        outgoing="" outgoing_slot=""
        for name in $(app_containers); do
            if is_running "$name" && is_ready "$name"; then outgoing=$name outgoing_slot=a; fi
        done
        [ -z "$outgoing" ] || write_slots a "$outgoing" ""
    fi
    admitted=$outgoing
}

start_candidate() {
    local before name count=1
    before=$(app_containers)
    [ -z "$outgoing" ] || count=2
    with_secrets "${compose[@]}" up --detach --no-deps --no-recreate \
        --scale "$TT_APP_SERVICE=$count" "$TT_APP_SERVICE" ||
        fail "the new container did not start" "docker compose -p $TT_PROJECT logs $TT_APP_SERVICE"
    for name in $(app_containers); do
        grep -qx -- "$name" <<<"$before" || candidate=$name
    done
    [ -n "$candidate" ] || fail "Compose made no new container"
    say "$candidate starts beside ${outgoing:-nothing}"
}

# Ready N times in a row, and UP or at least no worse than the release that serves.
gate() {
    local passes=0 deadline=$((SECONDS + TT_GATE_SECONDS)) down worse restarts
    restarts=$(restarts_of "$candidate")
    while ((passes < TT_GATE_PASSES)); do
        ((SECONDS < deadline)) || fail "$candidate was not ready within $TT_GATE_SECONDS s${worse:+; not UP: $worse}" \
            "docker logs --tail 100 $candidate   # its log's end is above"
        is_running "$candidate" && [ "$(restarts_of "$candidate")" = "$restarts" ] ||
            fail "$candidate crashed while it started" "the end of its log is above"
        worse=""
        if ! is_ready "$candidate"; then
            passes=0 worse="readiness"
        elif is_up "$candidate"; then
            passes=$((passes + 1))
        else
            down=$(components_down "$candidate")
            worse=$(comm -23 <(printf '%s\n' "$down") <(printf '%s\n' "$baseline") | paste -sd' ')
            if [ -n "$outgoing" ] && [ -n "$down" ] && [ -z "${worse// /}" ]; then
                passes=$((passes + 1)) note="was down before already, not this release's fault: ${down//$'\n'/ }"
            else
                passes=0
            fi
        fi
        ((passes >= TT_GATE_PASSES)) || sleep 0.3
    done
    say "$candidate passed the gate${note:+ ($note)}"
}

admit() {
    if [ -n "$outgoing_slot" ]; then candidate_slot=$(other_slot "$outgoing_slot"); else candidate_slot=a; fi
    gateway_fill "$candidate_slot" "$candidate"
    gateway_sees "$candidate_slot" 20 ||
        fail "the gateway does not see $candidate as ready" "docker logs --tail 50 $gateway"
    if [ "$candidate_slot" = a ]; then
        write_slots a "$candidate" "$outgoing"
    else
        write_slots b "$outgoing" "$candidate"
    fi
    admitted=$candidate
    switched_at=$EPOCHREALTIME
    gateway_serve "$candidate_slot"
    say "traffic goes to $candidate"
}

drain() {
    local deadline=$((SECONDS + TT_DRAIN_SECONDS)) busy
    [ -n "$outgoing" ] || return 0
    while busy=$(gateway_busy "$outgoing_slot") && [ "$busy" != 0 ]; do
        if ((SECONDS >= deadline)); then
            say "$outgoing still answers $busy request(s) after $TT_DRAIN_SECONDS s; its own grace has to do"
            break
        fi
        sleep 0.2
    done
}

# Watches the new release serve while the old one stays warm as the gateway's fallback.
soak() {
    local deadline=$((SECONDS + TT_SOAK_SECONDS)) restarts before now requests errors
    restarts=$(restarts_of "$candidate")
    before=$(gateway_counts "$candidate_slot")
    while ((SECONDS < deadline)); do
        is_running "$candidate" && [ "$(restarts_of "$candidate")" = "$restarts" ] ||
            fail "$candidate crashed while it was watched" "the end of its log is above"
        now=$(gateway_counts "$candidate_slot")
        requests=$((${now% *} - ${before% *})) errors=$((${now#* } - ${before#* }))
        if ((errors >= 3 && errors * 100 > requests * TT_SOAK_ERRORS)); then
            fail "$errors of $requests requests failed at the gateway while $candidate was watched (limit $TT_SOAK_ERRORS %)"
        fi
        [[ $(gateway_stat "to_$candidate_slot" "$candidate_slot" status) != DOWN* ]] ||
            fail "$candidate stopped answering while it was watched"
        sleep 0.5
    done
}

retire() {
    [ -n "$outgoing" ] || return 0
    if [ "$candidate_slot" = a ]; then write_slots a "$candidate" ""; else write_slots b "" "$candidate"; fi
    gateway_empty "$outgoing_slot"
    docker stop --time "$TT_STOP_SECONDS" "$outgoing" >/dev/null
    docker rm "$outgoing" >/dev/null
    say "$outgoing is gone"
}

replace_app() {
    baseline=$([ -z "$outgoing" ] || components_down "$outgoing")
    totals_before=$(gateway_totals)
    started_at=$EPOCHREALTIME
    start_candidate
    gate
    admit
    drain
    soak
    retire
    candidate=""
    totals_after=$(gateway_totals)
}

# The receipt of a release that took over from another; null where nothing was replaced.
measured() {
    stop_prober
    if [ -n "${totals_after:-}" ] && [ -n "$outgoing" ]; then
        receipt "$started_at" "$switched_at" \
            $((${totals_after% *} - ${totals_before% *})) $((${totals_after#* } - ${totals_before#* }))
    else
        printf null
    fi
}

# --- The story ----------------------------------------------------------------------------

reload_with_secrets
open_job_output
compose_files
take_lock
claim_generation
load_release_inputs
read_compose_file
check_monitoring
services_before=$(running_services)

start_prober
start_data_stores
find_outgoing
start_gateway
remove_leftovers
gateway_follow

wanted=$(definition_hash "$TT_APP_SERVICE")
if [ -n "$outgoing" ] && is_running "$outgoing" && [ "$(definition_of "$outgoing")" = "$wanted" ]; then
    say "$outgoing is this very release already"
else
    replace_app
fi
start_the_rest
reload_monitoring

measurements=$(measured)
publish_receipt "$measurements"
succeed "\"changed\":$(changed_services "$services_before" | json_lines)" \
    "\"configuration\":$(json_string "$(configuration_hash)")" \
    "\"note\":$(json_string "$note")" "\"receipt\":$measurements"
