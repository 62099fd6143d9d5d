#!/bin/bash
# Sends one alert, said to be a drill, from Prometheus by Alertmanager to Slack, and takes it back.
#
# Prometheus is given a metric that a rule fires on. Whatever ends this script takes the metric
# back; a script that is killed leaves one that goes stale within five minutes.
# shellcheck source=host/lib.sh
[ -n "${tt_log:-}" ] || . "$(dirname "$0")/lib.sh"
# shellcheck source=host/asking.sh
declare -F fetch >/dev/null || . "$(dirname "$0")/asking.sh"
open_log
need TT_PROJECT TT_HOST TT_ALERT TT_RECEIVER TT_DRILL_SECONDS TT_EVERY_HOURS

pushed=""
fired=-1 received=-1 delivered=-1 resolved=-1

# push VALUE: what the rule looks at.
push() {
    pushed=$1
    printf '# TYPE tt_drill gauge\ntt_drill{host="%s"} %s\n' "$TT_HOST" "$1" |
        timeout 15 docker exec --interactive "$prometheus" \
            promtool push metrics --label job=tt-deploy http://127.0.0.1:9090/api/v1/write
}

clean_up() {
    [ "$pushed" != 1 ] || push 0 || say "the metric could not be taken back; it goes stale in five minutes"
}

# counter NAME: one of Alertmanager's counters for our receiver; for Slack as a whole where it
# does not tell receivers apart (--enable-feature=receiver-name-in-metrics).
counter() {
    fetch "$alertmanager_url/metrics" | awk -v name="$1" -v ours="receiver_name=\"$TT_RECEIVER\"" '
        index($0, name "{") == 1 && /integration="slack"/ && (!/receiver_name=/ || index($0, ours)) { sum += $NF }
        END { printf "%d\n", sum }'
}

# Messages to our receiver that Slack took.
taken() { echo $(($(counter alertmanager_notification_requests_total) - $(counter alertmanager_notification_requests_failed_total))); }

fires() { ask_prometheus "ALERTS{alertname=\"$TT_ALERT\",alertstate=\"firing\",host=\"$TT_HOST\"}" | grep -q '"value"'; }

has_arrived() {
    fetch "$alertmanager_url/api/v2/alerts" --get --data-urlencode "filter=alertname=\"$TT_ALERT\"" \
        --data-urlencode "filter=host=\"$TT_HOST\"" | grep -q "\"$TT_RECEIVER\""
}

was_taken() { [ "$(taken)" -gt "$before" ]; }

was_resolved() { [ "$(taken)" -gt "$at_delivery" ]; }

# until_it CONDITION DEADLINE: the seconds since the drill began once it holds; -1 if it never does.
until_it() {
    while ! "$1"; do
        ((SECONDS < $2)) || { echo -1; return; }
        sleep 0.5
    done
    seconds_since_start
}

drill() {
    local deadline=$((SECONDS + TT_DRILL_SECONDS))
    push 1 || fail "Prometheus did not take the drill's metric: $(tail -n 1 "$tt_log")" "docker logs $prometheus"
    write_whole "$tt_state/drill" "$EPOCHSECONDS"
    fired=$(until_it fires "$deadline")
    [ "$fired" = -1 ] || received=$(until_it has_arrived "$deadline")
    [ "$received" = -1 ] || delivered=$(until_it was_taken "$deadline")
    push 0 || fail "Prometheus did not take the drill back: $(tail -n 1 "$tt_log")" "docker logs $prometheus"
    at_delivery=$((before + 1))
    [ "$delivered" = -1 ] || resolved=$(until_it was_resolved $((SECONDS + TT_DRILL_SECONDS)))
}

# What Alertmanager's log says of our receiver, if it says anything.
complaint() { docker logs --since 10m "$(container_of alertmanager)" 2>&1 | grep -F "$TT_RECEIVER" | tail -n 1 | tail -c 400 || true; }

# The age of the last drill, in seconds; a day that never was if there is none.
age_of_last() { echo $((EPOCHSECONDS - $(cat "$tt_state/drill" 2>/dev/null || echo 0))); }

exec 8>"$tt_run/drill.lock"
flock --nonblock 8 || fail "another drill is under way on this host"
age=$(age_of_last)
if awk -v age="$age" -v hours="$TT_EVERY_HOURS" 'BEGIN { exit !(age < hours * 3600) }'; then
    succeed "\"last_hours\":$(awk -v age="$age" 'BEGIN { printf "%.2f", age / 3600 }')"
fi
prometheus=$(container_of prometheus)
[ -n "$prometheus" ] || fail "Prometheus does not run" "docker compose -p $TT_PROJECT ps prometheus"
alertmanager_url=$(url_of alertmanager 9093) || fail "Alertmanager does not run" "docker compose -p $TT_PROJECT ps alertmanager"
before=$(taken)
refused=$(counter alertmanager_notification_requests_failed_total)
drill
succeed "\"fired\":$fired" "\"received\":$received" "\"delivered\":$delivered" "\"resolved\":$resolved" \
    "\"refusals\":$(($(counter alertmanager_notification_requests_failed_total) - refused))" \
    "\"said\":$(json_string "$([ "$resolved" != -1 ] || complaint)")"
