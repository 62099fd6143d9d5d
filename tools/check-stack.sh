#!/bin/bash
# check-stack.sh: what stack/ deploys, judged by the programs that will read it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH=$PWD/.venv/bin:$PATH

readonly COMPOSE=stack/docker/docker-compose.yml
readonly MONITORING=stack/monitoring

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

with_programs() { python -m tools.stack_programs "$@"; }

# Every required variable with some value; the machine's own variables stay out of it.
check_compose() {
    sed -n 's/^\([A-Z0-9_]*\)=$/\1=x/p' stack/docker/.env.example >"$scratch/env"
    env --ignore-environment HOME="$HOME" PATH="$PATH" python -m tools.stack_programs \
        docker compose --env-file "$scratch/env" --file "$COMPOSE" config --quiet
}

check_prometheus() {
    with_programs promtool check config "$MONITORING/prometheus/prometheus.yml"
    with_programs promtool test rules "$MONITORING"/prometheus/tests/*.yml
}

# As the deploy renders it; the templates lie elsewhere than in the container.
check_alertmanager() {
    # shellcheck disable=SC2016 # a literal dollar
    sed -e 's#${SLACK_WEBHOOK_AUTH}#http://127.0.0.1/services/T/B/X#' \
        -e "s#/etc/alertmanager-templates#$PWD/$MONITORING/alertmanager/templates#" \
        "$MONITORING/alertmanager/alertmanager.yml" >"$scratch/alertmanager.yml"
    with_programs amtool check-config "$scratch/alertmanager.yml"
    goes_to slack-critical severity=critical domain=app
    goes_to slack-critical severity=critical domain=monitoring
    goes_to slack-critical severity=critical domain=deploy alertname=DeployErrorRateRegression
    goes_to slack-warning severity=warning domain=redis
    goes_to slack-warning severity=warning domain=monitoring
    goes_to slack-drill severity=drill domain=monitoring
}

# goes_to RECEIVER LABEL...: an alert with these labels reaches this receiver and no other.
goes_to() {
    with_programs amtool config routes test --config.file="$scratch/alertmanager.yml" \
        --verify.receivers="$1" "${@:2}"
}

# By the types that Grafana 12.3.0 publishes for its dashboards.
check_dashboards() {
    local node
    node=$(tools/npm.sh tools/grafana)
    "$node" tools/grafana/check.mjs "$MONITORING"/grafana/dashboards/*.json
}

for check in check_compose check_prometheus check_alertmanager check_dashboards; do
    "$check"
done
