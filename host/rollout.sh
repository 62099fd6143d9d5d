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
# shellcheck source=host/jobs.sh
declare -F job_under_way >/dev/null || . "$(dirname "$0")/jobs.sh"
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
# shellcheck source=host/application.sh
declare -F app_containers >/dev/null || . "$(dirname "$0")/application.sh"
# shellcheck source=host/retiring.sh
declare -F retire_spare >/dev/null || . "$(dirname "$0")/retiring.sh"
# shellcheck source=host/takeover.sh
declare -F start_candidate >/dev/null || . "$(dirname "$0")/takeover.sh"
# shellcheck source=host/way_back.sh
declare -F goes_back >/dev/null || . "$(dirname "$0")/way_back.sh"
# shellcheck source=host/soak.sh
declare -F soak >/dev/null || . "$(dirname "$0")/soak.sh"
open_log
need TT_APP_IMAGE TT_APP_SERVICE TT_APP_PORT TT_GENERATION TT_ATTEMPT TT_GATE_PASSES TT_GATE_SECONDS \
    TT_DRAIN_SECONDS TT_SOAK_SECONDS TT_SOAK_ERRORS TT_STOP_SECONDS TT_WARM_SECONDS
run_detached "rollout-$TT_GENERATION-$TT_ATTEMPT"

replace_app() {
    baseline=$(what_is_down)
    totals_before=$(gateway_totals)
    started_at=$EPOCHREALTIME
    note_before
    own_share_begins
    [ -z "$spare" ] || try_spare
    if [ -z "$candidate" ]; then
        start_candidate
        gate
    fi
    admit
    [ -z "$outgoing" ] || drain "$outgoing" "$outgoing_slot"
    soak
    settle
    totals_after=$(gateway_totals)
}

# What is still there to go back to needs neither git, Doppler nor the registry: where one of them kept the
# host from being prepared (TT_PREPARED=no), the traffic goes back all the same.
is_prepared() { [ "${TT_PREPARED:-yes}" = yes ]; }

read_what_was_prepared() {
    load_release_inputs
    read_compose_file
    wanted=$(definition_hash "$TT_APP_SERVICE")
}

bring_the_rest() {
    start_the_rest
    reload_monitoring
}

wanted="" configuration=""
if is_prepared; then reload_with_secrets; fi
open_job_output
compose_files
take_lock
claim_generation
if is_prepared; then read_what_was_prepared; fi
services_before=$(running_services)

start_prober
as_it_is=false
if comes_back_as_it_is; then # and has been found
    as_it_is=true
elif is_prepared; then
    check_monitoring
    start_data_stores
    find_outgoing
    find_spare
else
    fail "the host could not be prepared, and nothing that could serve is there any more"
fi
start_gateway
gateway_follow
remove_leftovers

if ! serves_already; then replace_app; fi
if ! $as_it_is; then
    bring_the_rest
elif is_prepared; then
    (bring_the_rest) || note+="${note:+; }the application is back, other services are not: see the log"
fi

measurements=$(measured)
publish_receipt "$measurements"
[ -z "$configuration" ] || configuration=$(configuration_hash "$(definition_of "$admitted")")
succeed "\"changed\":$(changed_services "$services_before" | json_lines)" \
    "\"configuration\":$(json_string "$configuration")" "\"warm\":${was_warm:-false}" \
    "\"since_switch\":$(seconds_since_switch)" \
    "\"note\":$(json_string "$note")" "\"receipt\":$measurements"
