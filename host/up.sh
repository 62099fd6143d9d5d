#!/bin/bash
# Starts what is missing and replaces what changed; data stores that exist are left alone.
# shellcheck source=host/lib.sh
[ -n "${tt_log:-}" ] || . "$(dirname "$0")/lib.sh"
open_log
need TT_APP_IMAGE TT_APP_SERVICE TT_GENERATION
load_doppler_token
compose_files
take_lock
claim_generation

export APP_IMAGE=$TT_APP_IMAGE APP_VERSION=${TT_APP_VERSION:-} APP_REVISION=${TT_REVISION:-}
# Alertmanager's configuration holds a secret: it goes from memory straight to Compose.
if [ -n "${TT_TEMPLATE:-}" ]; then
    ALERTMANAGER_CONFIG=$(cat "$tt_run/alertmanager.yml") ||
        fail "the rendered Alertmanager configuration is missing (a reboot empties /run)" "start the deploy again"
    ALERTMANAGER_CONFIG_SHA256=$(sha256sum <<<"$ALERTMANAGER_CONFIG" | cut -d' ' -f1)
    export ALERTMANAGER_CONFIG ALERTMANAGER_CONFIG_SHA256
fi
read -ra data_stores <<<"${TT_DATA_STORES:-}"

# service and container id of everything that runs, to tell afterwards what was replaced
running() {
    docker ps --no-trunc --filter "label=com.docker.compose.project=$TT_PROJECT" \
        --format '{{.Label "com.docker.compose.service"}} {{.ID}}' | sort
}

# Waits until a one-shot service's container has ended, and fails unless it ended well.
wait_for_one_shot() {
    local container status
    container=$(docker ps --all --quiet --no-trunc --filter "label=com.docker.compose.project=$TT_PROJECT" \
        --filter "label=com.docker.compose.service=$1" --filter label=com.docker.compose.oneoff=False)
    status=$(timeout 240 docker wait "$container") || fail "$1 did not end within 240 s" "docker logs $container"
    [ "$status" = 0 ] || {
        docker logs --tail 30 "$container"
        fail "$1 ended with status $status" "docker compose -p $TT_PROJECT logs $1"
    }
}

before=$(running)
with_secrets "${compose[@]}" config --quiet || fail "the compose file is not valid with Doppler's values"
configuration=$(with_secrets "${compose[@]}" config --hash '*' | sort | sha256sum | cut -d' ' -f1)
services=$(with_secrets "${compose[@]}" config --services)

others=()
for service in $services; do
    case " ${data_stores[*]} ${TT_INIT_SERVICE:-} " in *" $service "*) ;; *) others+=("$service") ;; esac
done

say "data stores: start what is missing, recreate nothing"
if [ ${#data_stores[@]} -gt 0 ]; then
    with_secrets "${compose[@]}" up --detach --no-recreate --wait --wait-timeout 240 "${data_stores[@]}" ||
        fail "a data store did not become healthy" "docker compose -p $TT_PROJECT ps --all"
fi
if grep -qx -- "${TT_INIT_SERVICE:-}" <<<"$services"; then
    say "the one-shot $TT_INIT_SERVICE: must end well before the application starts"
    with_secrets "${compose[@]}" up --detach --no-deps "$TT_INIT_SERVICE" ||
        fail "$TT_INIT_SERVICE did not start" "docker compose -p $TT_PROJECT logs $TT_INIT_SERVICE"
    wait_for_one_shot "$TT_INIT_SERVICE"
fi
say "the rest: ${others[*]}"
with_secrets "${compose[@]}" up --detach --no-deps --remove-orphans "${others[@]}" ||
    fail "docker compose up failed" "docker compose -p $TT_PROJECT ps --all"
changed=$(comm -13 <(printf '%s\n' "$before") <(running) | cut -d' ' -f1 | sort -u)
say "replaced or started: ${changed//$'\n'/ }"

succeed "\"changed\":$(printf '%s' "$changed" | json_lines)" \
    "\"configuration\":$(json_string "$configuration")"
