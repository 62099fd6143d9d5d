#!/bin/bash
# What starting the stack consists of, for every strategy.
# shellcheck disable=SC2154,SC2034 # lib.sh's variables; what is set here is used elsewhere

# What the compose file needs besides Doppler's values.
load_release_inputs() {
    export APP_IMAGE=$TT_APP_IMAGE APP_VERSION=${TT_APP_VERSION:-} APP_REVISION=${TT_REVISION:-}
    # Alertmanager's configuration holds a secret: it goes from memory straight to Compose.
    if [ -n "${TT_TEMPLATE:-}" ]; then
        ALERTMANAGER_CONFIG=$(cat "${tt_rendered:-$tt_run/alertmanager.yml}") ||
            fail "the rendered Alertmanager configuration is missing (a reboot empties /run)" "start the deploy again"
        ALERTMANAGER_CONFIG_SHA256=$(sha256sum <<<"$ALERTMANAGER_CONFIG" | cut -d' ' -f1)
        export ALERTMANAGER_CONFIG ALERTMANAGER_CONFIG_SHA256
    fi
}

# Stops, with the variable's name, if the compose file cannot be filled in.
read_compose_file() {
    services=$(with_secrets "${compose[@]}" config --services) ||
        explain_secrets_failure "the compose file is not valid with Doppler's values: $(tail -n 1 "$tt_log")"
    configuration=$(with_secrets "${compose[@]}" config --hash '*' | sort)
}

# configuration_hash APP: one hash over the definitions of all services, the application's being the one
# that its container was made from: it tells bundles apart and hides nothing.
configuration_hash() {
    printf '%s\n' "$configuration" | sed "s/^$TT_APP_SERVICE .*/$TT_APP_SERVICE $1/" | sha256sum | cut -d' ' -f1
}

# The hash of one service's definition, as Compose labels its containers with it.
definition_hash() { sed -n "s/^$1 //p" <<<"$configuration"; }

# "service hash" of everything that runs: which definition each container was made from.
running_definitions() {
    docker ps --filter "label=com.docker.compose.project=$TT_PROJECT" \
        --filter label=com.docker.compose.oneoff=False \
        --format '{{.Label "com.docker.compose.service"}} {{.Label "com.docker.compose.config-hash"}}'
}

# change_of SERVICE: "missing", "same" or "differs", by $running and the compose file.
change_of() {
    if ! grep -q "^$1 " <<<"$running"; then
        echo missing
    elif grep -qx "$1 $(definition_hash "$1")" <<<"$running"; then
        echo same
    else
        echo differs
    fi
}

# Every service beside what it runs in now, as a JSON array, dependencies first.
list_changes() {
    local service change role separator=""
    running=$(running_definitions)
    printf '['
    for service in $services; do
        change=$(change_of "$service") role=""
        if [ "$change" = differs ]; then role=$(redis_role "$service"); fi
        printf '%s{"service":%s,"change":"%s","role":%s}' "$separator" \
            "$(json_string "$service")" "$change" "$(json_string "$role")"
        separator=,
    done
    printf ']'
}

# "service id" of everything that runs, to tell afterwards what was replaced.
running_services() {
    docker ps --no-trunc --filter "label=com.docker.compose.project=$TT_PROJECT" \
        --format '{{.Label "com.docker.compose.service"}} {{.ID}}' | sort
}

# The services that run in another container than in $1.
changed_services() { comm -13 <(printf '%s\n' "$1") <(running_services) | cut -d' ' -f1 | sort -u; }

has_service() { grep -qx -- "$1" <<<"$services"; }

# Data stores that exist are left alone, whatever their definition says now, but for those
# that the plan names (TT_REPLACE).
start_data_stores() {
    local stores
    read -ra stores <<<"${TT_DATA_STORES:-}"
    if [ ${#stores[@]} -gt 0 ]; then
        replace_data_stores broken
        say "data stores: start what is missing, recreate nothing"
        with_secrets "${compose[@]}" up --detach --no-recreate --wait --wait-timeout 240 "${stores[@]}" ||
            fail "a data store did not become healthy" "docker compose -p $TT_PROJECT ps --all"
        replace_data_stores sound
    fi
    if [ -n "${TT_INIT_SERVICE:-}" ] && has_service "$TT_INIT_SERVICE"; then
        say "the one-shot $TT_INIT_SERVICE must end well before the application starts"
        with_secrets "${compose[@]}" up --detach --no-deps "$TT_INIT_SERVICE" ||
            fail "$TT_INIT_SERVICE did not start" "docker compose -p $TT_PROJECT logs $TT_INIT_SERVICE"
        wait_for_one_shot "$TT_INIT_SERVICE"
    fi
}

# wait_for_one_shot SERVICE [SECONDS]: until its container has ended; fails unless it ended well.
wait_for_one_shot() {
    local container status seconds=${2:-240}
    container=$(docker ps --all --quiet --no-trunc --filter "label=com.docker.compose.project=$TT_PROJECT" \
        --filter "label=com.docker.compose.service=$1" --filter label=com.docker.compose.oneoff=False)
    status=$(timeout "$seconds" docker wait "$container") || fail "$1 did not end within $seconds s" "docker logs $container"
    [ "$status" = 0 ] || {
        docker logs --tail 30 "$container"
        fail "$1 ended with status $status" "docker compose -p $TT_PROJECT logs $1"
    }
}

# The gateway is started if it is missing and never recreated: that would drop requests. One that
# crashes again and again has a container and no process.
start_gateway() {
    gateway=""
    [ -n "${TT_GATEWAY:-}" ] || return 0
    gateway=$(container_of "$TT_GATEWAY")
    if [ -z "$gateway" ]; then
        with_secrets "${compose[@]}" up --detach --no-deps --no-recreate "$TT_GATEWAY" ||
            fail "the gateway did not start" "docker compose -p $TT_PROJECT logs $TT_GATEWAY"
        gateway=$(container_of "$TT_GATEWAY")
    fi
    find_gateway || fail "the gateway does not stay up" "docker compose -p $TT_PROJECT logs --tail 20 $TT_GATEWAY"
}

# Everything but data stores, one-shots, the gateway and the application: what is missing or
# differs from its definition, dependencies first. What is as defined is not even asked for.
start_the_rest() {
    local service
    running=$(running_definitions)
    for service in $services; do
        case " ${TT_DATA_STORES:-} ${TT_INIT_SERVICE:-} ${TT_GATEWAY:-} ${TT_APP_SERVICE} " in
        *" $service "*) continue ;;
        esac
        [ "$(change_of "$service")" != same ] || continue
        say "$service: $(change_of "$service")"
        with_secrets "${compose[@]}" up --detach --no-deps "$service" ||
            fail "$service did not start" "docker compose -p $TT_PROJECT logs $service"
    done
}

# What was rendered with secrets is not kept once Compose has it, not even in memory.
forget_rendered() { rm -f "$tt_run/alertmanager.yml"; }
