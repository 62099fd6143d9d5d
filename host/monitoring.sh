#!/bin/bash
# Monitoring's own files: refused before anything restarts, taken up without a restart.
# shellcheck disable=SC2154 # variables of lib.sh and compose.sh

# What Prometheus and Alertmanager read, as one hash.
monitoring_hash() {
    {
        find "$TT_CLONE/monitoring" -type f -print0 | sort -z | xargs -0 sha256sum
        echo "${ALERTMANAGER_CONFIG_SHA256:-}"
    } | sha256sum | cut -d' ' -f1
}

monitoring_is_unchanged() {
    [ -d "$TT_CLONE/monitoring" ] || return 0
    [ "$(cat "$tt_run/monitoring" 2>/dev/null)" = "$(monitoring_hash)" ]
}

# Has each service's own program read its files, in a container of its own. A broken rule
# would otherwise be found by Prometheus at its next start, which is when it is needed most.
check_monitoring() {
    monitoring_is_unchanged && return 0
    judge prometheus promtool check config /etc/prometheus/prometheus.yml
    judge alertmanager amtool check-config /run/secrets/alertmanager.yml
}

judge() {
    local service=$1 program=$2
    shift 2
    has_service "$service" || return 0
    say "$service: $program $*"
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
