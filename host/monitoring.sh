#!/bin/bash
# Files that are mounted and not part of any definition, monitoring's and the gateway's: refused before
# anything restarts, and monitoring's taken up without a restart.
# shellcheck disable=SC2154 # variables of lib.sh and compose.sh

# What Prometheus, Alertmanager and the gateway read, as one hash.
monitoring_hash() {
    local compose_file=$TT_CLONE/$TT_COMPOSE_FILE folder
    {
        for folder in "$TT_CLONE/monitoring" "${compose_file%/*}/gateway"; do
            [ ! -d "$folder" ] || find "$folder" -type f -print0 | sort -z | xargs -0 sha256sum
        done
        echo "${ALERTMANAGER_CONFIG_SHA256:-}"
    } | sha256sum | cut -d' ' -f1
}

monitoring_is_unchanged() {
    [ "$(cat "$tt_run/monitoring" 2>/dev/null)" = "$(monitoring_hash)" ]
}

# Has each service's own program read its files, in a container of its own. A broken rule
# would otherwise be found by Prometheus at its next start, which is when it is needed most; and the gateway,
# which no deploy restarts, would not come up after a reboot.
check_monitoring() {
    monitoring_is_unchanged && return 0
    judge prometheus promtool check config /etc/prometheus/prometheus.yml
    judge alertmanager amtool check-config /run/secrets/alertmanager.yml
    # shellcheck disable=SC2016 # for the shell in the container
    [ -z "${TT_GATEWAY:-}" ] || judge "$TT_GATEWAY" sh -c '
        GATEWAY_FILES=/var/lib/gateway/current
        [ -f "$GATEWAY_FILES/backends.cfg" ] || GATEWAY_FILES=/usr/local/etc/gateway/first
        export GATEWAY_FILES
        exec haproxy -c -f /usr/local/etc/gateway/haproxy.cfg -f "$GATEWAY_FILES/backends.cfg"'
}

judge() {
    local service=$1 program=$2
    shift 2
    has_service "$service" || return 0
    say "$service would read its files: $program"
    with_secrets "${compose[@]}" run --rm --no-deps --no-TTY --entrypoint "$program" "$service" "$@" ||
        fail "$service would refuse its configuration; nothing was restarted: $(tail -n 1 "$tt_log")" \
            "tools/check-stack.sh"
}

# Rules and scrape configuration are mounted: Compose sees no change in them, Prometheus is told.
reload_monitoring() {
    local prometheus
    monitoring_is_unchanged && return 0
    prometheus=$(container_of prometheus)
    if [ -n "$prometheus" ]; then
        docker exec "$prometheus" wget -q -O /dev/null --post-data= http://127.0.0.1:9090/-/reload ||
            say "Prometheus did not take the reload: it is just starting, and reads its files anew"
    fi
    write_whole "$tt_run/monitoring" "$(monitoring_hash)"
}

# publish_receipt JSON: the receipt of a takeover as metrics. No deploy fails for their sake.
publish_receipt() {
    local prometheus
    prometheus=$(container_of prometheus)
    if [ "$1" = null ] || [ -z "$prometheus" ]; then return 0; fi
    receipt_metrics "$1" | push_metrics "$prometheus" || say "Prometheus did not take the receipt"
}

# push_metrics CONTAINER: has Prometheus keep what standard input says in its text format.
push_metrics() {
    timeout 15 docker exec --interactive "$1" \
        promtool push metrics --label job=tt-deploy http://127.0.0.1:9090/api/v1/write
}

# Gauges by version, as the dashboard "Deploys" asks for them; milliseconds become seconds.
receipt_metrics() {
    local phase quantile
    gauge finished_timestamp_seconds "" "${EPOCHREALTIME/,/.}" 1
    gauge duration_seconds "" "$(seconds_since_start)" 1
    gauge requests "" "$(of_phase "$1" during requests)" 1
    gauge requests_failed "" "$(of_phase "$1" during failed)" 1
    gauge gateway_requests "" "$(of_receipt "$1" gateway_requests)" 1
    gauge gateway_errors "" "$(of_receipt "$1" gateway_errors)" 1
    gauge longest_gap_seconds "" "$(of_receipt "$1" longest_gap_ms)" 1000
    for quantile in p50 p99; do
        for phase in before during after; do
            gauge "latency_${quantile}_seconds" ",phase=\"$phase\"" "$(of_phase "$1" "$phase" "${quantile}_ms")" 1000
        done
    done
    if failed_before; then gauge restored_seconds "" "$(seconds_to_restore)" 1; fi
}

# Whether this takeover gave the traffic back after a failure, which the worker dates (TT_FAILED_AT,
# seconds since 1970). Its clock is another one: where it is ahead, nothing is said.
failed_before() {
    awk -v failed="${TT_FAILED_AT:-0}" -v back="${switched_at:-0}" 'BEGIN { exit !(failed > 0 && back > failed) }'
}

seconds_to_restore() {
    awk -v failed="$TT_FAILED_AT" -v back="$switched_at" 'BEGIN { printf "%.3f", back - failed }'
}

# of_receipt JSON FIELD: one number of a receipt.
of_receipt() { sed -E "s/.*\"$2\":([0-9.]+).*/\1/" <<<"$1"; }

# of_phase JSON PHASE FIELD: one number of a stretch of time.
of_phase() { sed -E "s/.*\"$2\":\{[^}]*\"$3\":([0-9.]+).*/\1/" <<<"$1"; }

# gauge NAME LABELS VALUE DIVISOR
gauge() {
    [ "${gauge_announced:-}" = "$1" ] || printf '# TYPE tt_deploy_%s gauge\n' "$1"
    gauge_announced=$1
    printf 'tt_deploy_%s{version="%s"%s} %s\n' "$1" "${TT_APP_VERSION:-}" "$2" \
        "$(awk -v value="$3" -v divisor="$4" 'BEGIN { printf "%.6f", value / divisor }')"
}
