#!/bin/bash
# Looking at the application's containers.
# shellcheck disable=SC2154,SC2034 # lib.sh's variables; look_at's are takeover.sh's, too

app_containers() {
    docker ps --all --format '{{.Names}}' \
        --filter "label=com.docker.compose.project=$TT_PROJECT" \
        --filter "label=com.docker.compose.service=$TT_APP_SERVICE" \
        --filter label=com.docker.compose.oneoff=False
}

# look_at CONTAINER: asks Docker, once, whether it runs and how often it has been restarted ($life: "true 0";
# empty if it is gone), what Docker's own check says of it ($health: empty if it has none), and its $address.
look_at() {
    local row='{{.State.Running}} {{.RestartCount}}|{{if .State.Health}}{{.State.Health.Status}}{{end}}'
    row+='{{range .NetworkSettings.Networks}}|{{.IPAddress}}{{end}}'
    IFS='|' read -r life health address _ <<<"$(docker inspect --format "$row" "$1" 2>/dev/null)" || life=""
}

# is_running CONTAINER: by a look at it, so that $address is its own afterwards.
is_running() { look_at "$1"; [[ $life == true* ]]; }

restarts_of() { docker inspect --format '{{.RestartCount}}' "$1"; }

# definition_of CONTAINER: the hash of the definition it was made from.
definition_of() {
    docker inspect --format '{{index .Config.Labels "com.docker.compose.config-hash"}}' "$1" 2>/dev/null || true
}

# ask_app ADDRESS FILE PATH: the status; the body goes to the file. A restart may change the address: it is
# never older than the look that asks.
ask_app() {
    curl --silent --max-time 5 --output "$2" --write-out '%{http_code}' \
        "http://$1:$TT_APP_PORT/actuator/health$3" || true
}

is_ready() { [ "$(ask_app "$1" /dev/null /readiness)" = 200 ]; }

# components_down ADDRESS: the components of its health that are not UP, one a line.
components_down() {
    local body="$tt_run/health.$$"
    ask_app "$1" "$body" "" >/dev/null
    grep -o '"[A-Za-z0-9_]*":{"status":"[A-Z_]*"' "$body" 2>/dev/null | sed 's/"\(.*\)":{"status":"\(.*\)"/\2 \1/' |
        { grep -v '^UP ' || true; } | cut -d' ' -f2 | sort -u
    rm -f "$body"
}

# What was down before the last takeover, as way_back.sh writes it down, one a line.
down_before() { cat "$tt_state/down-before" 2>/dev/null || true; }

is_up() { [ "$(ask_app "$1" /dev/null "")" = 200 ]; }

# note_takeover CONTAINER RESTARTS: who took over, and how often it had restarted by then.
note_takeover() { printf '%s %s\n' "$1" "$2" >"$tt_run/takeover"; }

# restarts_since_takeover CONTAINER: how often it has crashed since then; 0 once that is ten
# minutes ago: from then on a crash is no longer the takeover's.
restarts_since_takeover() {
    local name restarts
    [ -n "$(find "$tt_run/takeover" -mmin -10 2>/dev/null)" ] && read -r name restarts <"$tt_run/takeover" &&
        [ "$name" = "$1" ] || { echo 0; return 0; }
    echo $(($(restarts_of "$1") - restarts))
}
