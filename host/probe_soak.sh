#!/bin/bash
# Asks Prometheus what the release that serves has answered, beside the time before it.
# shellcheck source=host/lib.sh
[ -n "${tt_log:-}" ] || . "$(dirname "$0")/lib.sh"
# shellcheck source=host/asking.sh
declare -F ask_prometheus >/dev/null || . "$(dirname "$0")/asking.sh"
open_log
need TT_PROJECT TT_APP_SERVICE TT_APP_PORT TT_QUERY TT_WARM_UP

app=$(container_of "$TT_APP_SERVICE")
[ -n "$app" ] || fail "no container of the application runs"
started=$(moment_of "$app" State.StartedAt)

# The query's own placeholders, which only the host can fill in; literal dollars.
# shellcheck disable=SC2016
{
    query=${TT_QUERY//'$NEW'/$(address_in "$app"):$TT_APP_PORT}
    query=${query//'$MADE'/$(moment_of "$app" Created)}
    query=${query//'$WARM'/$((started + TT_WARM_UP))}
}
said=$(ask_prometheus "$query") || fail "Prometheus does not answer: $(tail -n 1 "$tt_log")" \
    "docker compose -p $TT_PROJECT ps prometheus"
succeed "\"age_seconds\":$((EPOCHSECONDS - started))" "\"said\":$(json_string "${said:0:12000}")"
