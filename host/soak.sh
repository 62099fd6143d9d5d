#!/bin/bash
# Watching a release serve while the old one stays warm: no worse than the old one was before.
# shellcheck disable=SC2154,SC2034 # variables of lib.sh, gateway.sh and takeover.sh

# A process without a processor for a second is no reason to take a release back: the other one answers
# meanwhile. So many looks in a row, half a second apart, are.
silent_looks=5

own_began="" own_requests=0 own_errors=0

# From now until own_share_ends: what the outgoing one answers, and how much of it fails.
own_share_begins() { own_began=$([ -z "$outgoing_slot" ] || gateway_counts "$outgoing_slot") || own_began=""; }

own_share_ends() {
    local now
    [ -n "$own_began" ] && now=$(gateway_counts "$outgoing_slot") || return 0
    own_requests=$((${now% *} - ${own_began% *})) own_errors=$((${now#* } - ${own_began#* }))
    # A gateway that was started anew counts from 0.
    ((own_requests >= own_errors && own_errors >= 0)) || own_requests=0 own_errors=0
}

# over_limit REQUESTS ERRORS: whether more fail than the environment's limit allows. Less than three say nothing.
over_limit() { (($2 >= 3 && $2 * 100 > $1 * TT_SOAK_ERRORS)); }

# worse_than_before REQUESTS ERRORS: whether more fail than of the outgoing one, by more than chance (three
# standard deviations of a share that both are samples of).
worse_than_before() {
    awk -v n="$1" -v failed="$2" -v all="$own_requests" -v bad="$own_errors" 'BEGIN {
        if (bad < 3) exit 0
        share = bad / all
        exit !(failed > n * share + 3 * sqrt(share * (1 - share) * n * (1 + n / all)))
    }'
}

# What the gateway saw of the candidate while it was watched. If that was its end, the end is told: the
# gateway's clients notice it before Docker does.
fail_as_seen() {
    local look
    for look in 1 2 3; do
        if has_crashed; then fail_with_log "crashed while it was watched"; fi
        ((look == 3)) || sleep 0.3
    done
    fail "$1"
}

# Watches the new release serve while the old one stays warm as the gateway's fallback.
soak() {
    local deadline=$((SECONDS + TT_SOAK_SECONDS)) began now status requests=0 errors=0 down=0
    began=$(gateway_counts "$candidate_slot")
    while true; do
        if has_crashed; then fail_with_log "crashed while it was watched"; fi
        now=$(gateway_look "$candidate_slot")
        read -r requests errors status _ <<<"$now"
        requests=$((requests - ${began% *})) errors=$((errors - ${began#* }))
        if over_limit "$requests" "$errors" && worse_than_before "$requests" "$errors"; then
            fail_as_seen "$errors of $requests requests failed at the gateway while $candidate was watched (limit $TT_SOAK_ERRORS %; of the release before $own_errors of $own_requests)"
        fi
        if [ "$status" = DOWN ]; then ((down += 1)); else down=0; fi
        ((down < silent_looks)) || fail_as_seen "$candidate stopped answering while it was watched"
        ((SECONDS < deadline || down > 0)) || break
        sleep 0.5
    done
    if has_crashed; then fail_with_log "crashed while it was watched"; fi
    if over_limit "$requests" "$errors"; then note_own_share "$requests" "$errors"; fi
    note_takeover "$candidate" "$restarts_at_first"
}

# What passed only because it was no better before is said.
note_own_share() {
    note+="${note:+; }$2 of $1 requests failed while it was watched, no more than of the release before ($own_errors of $own_requests): not this release's fault"
    say "$note"
}
