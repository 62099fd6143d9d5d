#!/bin/bash
# Looks at everything that watches the application, in one go; what it means is judged elsewhere.
# A service that does not answer leaves its fields empty: that is an answer too.
# shellcheck source=host/lib.sh
[ -n "${tt_log:-}" ] || . "$(dirname "$0")/lib.sh"
# shellcheck source=host/asking.sh
declare -F fetch >/dev/null || . "$(dirname "$0")/asking.sh"
open_log
need TT_CLONE TT_PROJECT TT_APP_SERVICE TT_APP_PORT

fields=()

# answer NAME LIMIT TEXT: one field of the result, so many characters at most.
answer() { fields+=("\"$1\":$(json_string "${3:0:$2}")"); }

# status_of URL: the HTTP status; 000 without an answer.
status_of() { fetch "$1" --output /dev/null --write-out '%{http_code}' || true; }

# metric URL NAME: the value of a metric without labels.
metric() { fetch "$1/metrics" | sed -n "s/^$2 //p" | head -n 1; }

look_at_the_app() {
    local app started=0
    app=$(container_of "$TT_APP_SERVICE")
    [ -z "$app" ] || started=$(moment_of "$app" State.StartedAt)
    fields+=("\"now\":$EPOCHSECONDS" "\"app_started\":$started")
    answer actuator_status 3 "$(status_of "http://127.0.0.1:$TT_APP_PORT/actuator/health")"
    answer actuator 3000 "$(fetch "http://127.0.0.1:$TT_APP_PORT/actuator/health" || true)"
    answer last_record 1500 "$(tail -n 1 "$tt_state/releases.jsonl" 2>/dev/null || true)"
}

# Targets without their discovered labels and what else is not judged: they would not fit.
look_at_prometheus() {
    local url
    url=$(url_of prometheus 9090) || return 0
    answer prometheus_ready 3 "$(status_of "$url/-/ready")"
    answer prometheus_reloaded 20 "$(metric "$url" prometheus_config_last_reload_successful)"
    answer pools 2000 "$(fetch "$url/api/v1/scrape_pools" || true)"
    answer alertmanagers 1000 "$(fetch "$url/api/v1/alertmanagers" || true)"
    answer targets 9000 "$(fetch "$url/api/v1/targets?state=active" |
        sed -E 's/"discoveredLabels":\{[^}]*\},//g; s/"(globalUrl|scrapeTimeout)":"[^"]*",?//g; s/,\}/}/g' || true)"
}

# The template names what must be there; what is loaded is Alertmanager's own copy, secrets masked.
look_at_alertmanager() {
    local url
    [ -z "${TT_TEMPLATE:-}" ] ||
        answer receivers_expected 1000 "$(sed -n '/^receivers:/,$s/^ *- name: *//p' "$TT_CLONE/$TT_TEMPLATE")"
    url=$(url_of alertmanager 9093) || return 0
    answer alertmanager_ready 3 "$(status_of "$url/-/ready")"
    answer alertmanager_reloaded 20 "$(metric "$url" alertmanager_config_last_reload_successful)"
    answer receivers 1000 "$(fetch "$url/api/v2/status" | sed 's/\\n/\n/g' |
        sed -n '/^receivers:/,$s/^ *- name: *//p' || true)"
}

# grafana_asked PATH: asked as the administrator; the password goes by standard input.
grafana_asked() {
    printf 'user = "admin:%s"\n' "$grafana_password" | fetch "$grafana_url$1" --config - || true
}

look_at_grafana() {
    local uid
    answer dashboards_expected 2000 "$(sed -n 's/^  "uid": *"\(.*\)",*$/\1/p' "$TT_CLONE"/monitoring/grafana/dashboards/*.json 2>/dev/null || true)"
    grafana_url=$(url_of grafana 3000) || return 0
    # shellcheck disable=SC2016 # expanded in the container
    grafana_password=$(docker exec "$(container_of grafana)" sh -c \
        'printf %s "${GF_SECURITY_ADMIN_PASSWORD:-$(cat "${GF_SECURITY_ADMIN_PASSWORD__FILE:-/dev/null}")}"' |
        sed 's/[\\"]/\\&/g') || grafana_password=""
    answer grafana 500 "$(fetch "$grafana_url/api/health" || true)"
    sources=$(grafana_asked /api/datasources)
    answer datasources 2000 "$sources"
    uid=$(grep -o '"uid": *"[A-Za-z0-9_-]*"' <<<"$sources" | head -n 1 | cut -d'"' -f4 || true)
    answer datasource_health 500 "$([ -z "$uid" ] || grafana_asked "/api/datasources/uid/$uid/health")"
    answer dashboards 3000 "$(grafana_asked '/api/search?type=dash-db&limit=500' | grep -o '"uid": *"[^"]*"' | cut -d'"' -f4 || true)"
}

look_at_the_app
look_at_prometheus
look_at_alertmanager
look_at_grafana
succeed "${fields[@]}"
