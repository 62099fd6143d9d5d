#!/bin/bash
# contained.sh COMMAND...: run COMMAND; whatever it leaves running ends with it.
#
# A child inherits its parent's environment, however far it detaches itself, so
# a mark there finds all of them and nobody else's (Linux only; elsewhere the
# command alone is ended). Exits as COMMAND does; reads no standard input.
set -euo pipefail

readonly MARK="TT_CONTAINED_BY_$$=$EPOCHREALTIME" # one name each, so that they nest
readonly PATIENCE_SECONDS=90 # the command's own: it may have a lab to take down

marked() {
    grep --files-with-matches --null-data --no-messages --fixed-strings --line-regexp \
        -e "$MARK" /proc/[0-9]*/environ | cut -d/ -f3 || true
}

wait_until_gone() { # seconds, command that prints what is left
    local deadline=$((SECONDS + $1))
    until [[ -z $($2) ]]; do
        ((SECONDS < deadline)) || return 1
        sleep 0.2
    done
}

the_command() {
    kill -0 "$child" 2>/dev/null && echo "$child" || true
}

signal_all() { # signal
    local pids
    mapfile -t pids < <(marked)
    ((${#pids[@]} == 0)) || kill "-$1" "${pids[@]}" 2>/dev/null || true
}

end_everything() {
    trap '' INT TERM
    child=${child:-${!:-}} # told to end before it was noted
    kill -TERM "$child" 2>/dev/null || true
    wait_until_gone "$PATIENCE_SECONDS" the_command || true
    signal_all TERM
    wait_until_gone 10 marked || signal_all KILL
}

child=""
trap end_everything EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
env "$MARK" "$@" </dev/null &
child=$!
wait "$child"
