#!/bin/bash
# Going back: to the container that served before, as it is, and to a new one only if that is gone.
#
# A deploy wants what is rendered now. A way back (TT_WAY_BACK=yes) wants the release that proved
# healthy: a value that Doppler has had since then may be the very thing that broke the new one.
# shellcheck disable=SC2154,SC2034 # variables of lib.sh, gateway.sh and takeover.sh

# What a container that ran until now may take to show that it is ready.
warm_gate_seconds=30

goes_back() { [ "${TT_WAY_BACK:-no}" = yes ]; }

# is_of_release CONTAINER: whether it runs the release's image, whatever its values are.
is_of_release() {
    [ -n "$1" ] && [ "$(docker inspect --format '{{.Config.Image}}' "$1" 2>/dev/null)" = "$TT_APP_IMAGE" ]
}

id_of() { docker inspect --format '{{.Id}}' "$1" 2>/dev/null || true; }

# What of the release that serves is not UP; on a way back also what was not before the one that failed.
what_is_down() {
    {
        if [ -n "$outgoing" ]; then look_at "$outgoing"; components_down "$address"; fi
        if goes_back; then down_before; fi
    } | sort -u
}

# Writes down who serves before this generation replaces it, and what of it is down; the first word counts.
note_before() {
    if goes_back || [ -n "$(before)" ]; then return 0; fi
    write_whole "$tt_state/down-before" "$baseline"
    write_whole "$tt_state/before" "$TT_GENERATION $(id_of "${outgoing:-none}")"
}

# The id of whom this generation found serving; empty if it replaced nobody.
before() { sed -n "s/^$TT_GENERATION //p" "$tt_state/before" 2>/dev/null || true; }

# Whether what serves is what to go back to: it never stopped, or it is back already, or (with the
# values that there are now) nothing else could be made.
is_back() {
    local found
    is_of_release "$outgoing" || return 1
    found=$(before)
    [ -z "$found" ] || [ "$found" = "$(id_of "$outgoing")" ] ||
        { [ -z "$spare" ] && [ "$(definition_of "$outgoing")" = "$wanted" ]; }
}

# Whether a way back finds its release running, so that nothing else has to be well for it.
comes_back_as_it_is() {
    goes_back && [ -z "${TT_REPLACE:-}" ] || return 1
    find_outgoing
    find_spare
    is_back || fits_spare
}

# Whether the warm container is what is wanted.
fits_spare() {
    if goes_back; then is_of_release "$spare" && ! is_back; else [ "$(definition_of "$spare")" = "$wanted" ]; fi
}

# The warm container, if it passes the gate; else it goes, and there is no candidate yet.
try_spare() {
    candidate=$spare
    restarts_at_first=$(restarts_of "$candidate")
    say "$candidate is this release and still warm"
    if passes_gate $((TT_GATE_SECONDS < warm_gate_seconds ? TT_GATE_SECONDS : warm_gate_seconds)); then
        was_warm=true
        return 0
    fi
    say "$candidate $refused: it goes, and a new one starts"
    candidate="" spare="" note=""
    retire_spare
}
