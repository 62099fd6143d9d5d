#!/bin/bash
# bare.sh: today's ways to put an image on a host, run straight on it, without TT Deploy.
#
# Inputs by environment: WAY (prepare, script, app, restore), IMAGE (by digest), REVISION,
# REGISTRY, REGISTRY_USER. In today's stack nothing stands before the application: it holds
# port 8080 itself, so "prepare" takes the gateway away and "restore" makes room for it again.
set -euo pipefail
export HOME=/root PATH="$PATH:/usr/local/bin"

readonly CLONE=/dockerProjects/tt-src/WEB7_9_B2ST_BE
readonly DIRECT=/run/direct.yml
readonly TEMPLATE=$CLONE/monitoring/alertmanager/alertmanager.yml

DOPPLER_TOKEN=$(tr -d '\r\n' </etc/tt-secrets/doppler-token)
export DOPPLER_TOKEN DOPPLER_PROJECT=tt DOPPLER_CONFIG=prd
export APP_IMAGE=$IMAGE

with_secrets() { doppler run --project tt --config prd -- "$@"; }

compose() {
    with_secrets docker compose --project-name tt --progress quiet \
        --file "$CLONE/docker/docker-compose.yml" --file "$DIRECT" "$@"
}

render_alertmanager() {
    # shellcheck disable=SC2016 # envsubst's own argument
    ALERTMANAGER_CONFIG=$(with_secrets envsubst '${SLACK_WEBHOOK_AUTH}' <"$TEMPLATE")
    export ALERTMANAGER_CONFIG
}

containers_of() { docker ps --all --quiet --filter "label=com.docker.compose.service=$1"; }

remove() { # service
    local found
    mapfile -t found < <(containers_of "$1")
    ((${#found[@]} == 0)) || docker rm --force "${found[@]}" >/dev/null
}

login() {
    # shellcheck disable=SC2016 # GITHUB_TOKEN is Doppler's
    with_secrets bash -c 'printf %s "$GITHUB_TOKEN" |
        docker login "$REGISTRY" --username "$REGISTRY_USER" --password-stdin' >/dev/null 2>&1
}

logout() { docker logout "$REGISTRY" >/dev/null; }

prepare() {
    printf 'services:\n  app: {ports: ["8080:8080"]}\n  gateway: {profiles: [none]}\n' >"$DIRECT"
    remove gateway
    remove app
    login
    render_alertmanager
    compose up --detach --no-deps app
    logout
}

script() {
    cd "$CLONE"
    git fetch --quiet --all
    git reset --quiet --hard "$REVISION"
    login
    render_alertmanager
    compose pull --quiet
    compose up --detach --force-recreate
    docker image prune --force >/dev/null
    logout
}

app() {
    login
    render_alertmanager
    compose pull --quiet app
    compose up --detach app
    logout
}

restore() {
    remove app
    rm -f "$DIRECT"
}

case $WAY in
    prepare | script | app | restore) "$WAY" ;;
    *)
        echo "there is no way called '$WAY'" >&2
        exit 2
        ;;
esac
