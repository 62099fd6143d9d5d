#!/bin/bash
# Asks the actuator a few times in a row; what it says is judged elsewhere.
# shellcheck source=host/lib.sh
[ -n "${tt_log:-}" ] || . "$(dirname "$0")/lib.sh"
# shellcheck source=host/gateway.sh
declare -F read_slots >/dev/null || . "$(dirname "$0")/gateway.sh"
# shellcheck source=host/application.sh
declare -F restarts_of >/dev/null || . "$(dirname "$0")/application.sh"
open_log
need TT_APP_PORT TT_LOOKS TT_INTERVAL

# While the release before is kept warm, the gateway would answer with it for a new one that is
# down: an answer counts only if the container that shall serve is the one that does.
read_slots
gateway=$([ -z "$slot_active" ] || container_of "${TT_GATEWAY:-gateway}")
[ -z "$gateway" ] || find_gateway || true
another_answers() {
    [ -n "$gateway" ] && [[ $(gateway_status "$slot_active") != UP* ]]
}

# A release that crashes and comes back answers well in between.
crashes() {
    local serving
    serving=$([ -z "$slot_active" ] || container_in "$slot_active")
    if [ -n "$serving" ]; then restarts_since_takeover "$serving"; else echo 0; fi
}

samples=""
for ((look = 1; look <= TT_LOOKS; look++)); do
    [ ${#samples} -lt 6000 ] || break # what SSM keeps is limited; the worker asks again
    [ "$look" = 1 ] || sleep "$TT_INTERVAL"
    body="$tt_run/probe.$$"
    error=""
    status=$(curl --silent --show-error --max-time 5 --output "$body" --write-out '%{http_code}' \
        "http://127.0.0.1:$TT_APP_PORT/actuator/health" 2>"$body.error") || error=$(cat "$body.error")
    if [ -z "$error" ] && another_answers; then
        status=0 error="the gateway does not see $(container_in "$slot_active") as up; another one answers for it"
    fi
    crashed=$(crashes)
    if [ -z "$error" ] && [ "${crashed:-0}" -gt 0 ]; then
        status=0 error="$(container_in "$slot_active") has crashed $crashed time(s) since it took over"
    fi
    text=""
    [ ! -f "$body" ] || text=$(head -c 6000 "$body")
    rm -f "$body" "$body.error"
    samples+="${samples:+,}{\"status\":$((10#${status:-0})),\"body\":$(json_string "$text"),\"error\":$(json_string "$error")}"
done
succeed "\"samples\":[$samples]" "\"down_before\":$(down_before | json_lines)"
