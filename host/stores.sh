#!/bin/bash
# Replacing data stores: only those that a plan names, one at a time, their volumes untouched.
#
# A Redis node goes only while the cluster is whole, a master only after a replica of it has
# taken over, and the next one waits until the cluster is whole again.
# shellcheck disable=SC2154,SC2034 # variables of lib.sh and compose.sh; compose.sh reads ours

# Asks a Redis node inside its own container: its password is there, and nowhere else.
# shellcheck disable=SC2016 # expanded in the container
redis_cli='[ -n "${REDISCLI_AUTH:-}" ] || REDISCLI_AUTH=$(cat /run/secrets/redis_password 2>/dev/null)
export REDISCLI_AUTH
[ $# -gt 2 ] && exec redis-cli "$@"
for question in "cluster info" "info replication" "cluster nodes"; do redis-cli "$@" $question; done'

# A failover that did not come about within five seconds is given up by Redis without a word.
failover_seconds=8

# The environment's Redis nodes by service, as TT_REDIS_NODES ("service:port ...") has them.
redis_nodes() {
    local node
    for node in ${TT_REDIS_NODES:-}; do echo "${node%%:*}"; done
}

# redis_ask SERVICE COMMAND...: the answer; nothing if it does not answer or is no Redis node.
# Without a command: all that tells whether the cluster is whole.
redis_ask() {
    local container node port=""
    for node in ${TT_REDIS_NODES:-}; do
        if [ "${node%%:*}" = "$1" ]; then port=${node##*:}; fi
    done
    container=$(container_of "$1")
    shift
    [ -n "$container" ] && [ -n "$port" ] || return 0
    timeout 5 docker exec "$container" sh -c "$redis_cli" redis -p "$port" "$@" 2>/dev/null | tr -d '\r' || true
}

# master, slave, or nothing for what is no Redis node.
redis_role() { redis_ask "$1" info replication | sed -n 's/^role://p'; }

is_healthy() {
    [ "$(docker inspect --format '{{if .State.Health}}{{.State.Health.Status}}{{end}}' "$(container_of "$1")" 2>/dev/null)" = healthy ]
}

# replace_data_stores broken|sound: those of the plan that are so. The broken ones go before
# anything waits for the stores to be healthy: a new definition may be what mends them.
replace_data_stores() {
    local store kind
    running=$(running_definitions)
    for store in ${TT_REPLACE:-}; do
        if is_healthy "$store"; then kind=sound; else kind=broken; fi
        if [ "$kind" = "$1" ] && [ "$(change_of "$store")" = differs ]; then replace_store "$store"; fi
    done
}

replace_store() {
    local role="" began=$SECONDS
    if is_healthy "$1"; then role=$(redis_role "$1"); fi
    if [ -n "$role" ]; then await_whole_cluster "before $1 is replaced"; fi
    if [ "$role" = master ]; then hand_over_master "$1"; fi
    say "replacing $1: its definition changed; its volumes stay"
    with_secrets "${compose[@]}" up --detach --no-deps --wait --wait-timeout 240 "$1" </dev/null ||
        fail "$1 did not become healthy with its new definition" "docker compose -p $TT_PROJECT logs $1"
    if [ -n "$role" ]; then await_whole_cluster "after $1 was replaced"; fi
    say "$1 was replaced in $((SECONDS - began)) s"
}

# hand_over_master SERVICE: lets one of its replicas become the master, so that no write is lost
# and no slot is without one. A master that has no replica is replaced all the same.
hand_over_master() {
    local id other asked deadline=$((SECONDS + 90))
    id=$(redis_ask "$1" cluster myid)
    for other in $(redis_nodes); do
        redis_ask "$other" cluster nodes | grep -q "myself,slave $id " || continue
        say "$other takes over from the master $1"
        redis_ask "$other" cluster failover
        asked=$SECONDS
        until [ "$(redis_role "$1")" = slave ]; do
            ((SECONDS < deadline)) || fail "$other did not take over from the master $1" \
                "docker exec $(container_of "$other") sh /usr/local/etc/redis/ask.sh cluster nodes"
            if ((SECONDS - asked >= failover_seconds)); then
                redis_ask "$other" cluster failover
                asked=$SECONDS
            fi
            sleep 0.3
        done
        await_whole_cluster "after $other took over"
        return 0
    done
    say "$1 is a master without a replica: its slots are away until it is back"
}

await_whole_cluster() {
    local deadline=$((SECONDS + 120)) why
    while why=$(cluster_flaw) && [ -n "$why" ]; do
        ((SECONDS < deadline)) || fail "the Redis cluster was not whole $1: $why" \
            "docker compose -p $TT_PROJECT ps --all"
        sleep 0.5
    done
}

# Why the cluster is not whole, in a few words; nothing if it is: every node sees all slots
# served and nobody missing, every replica is in step with its master.
cluster_flaw() {
    local store answers
    for store in $(redis_nodes); do
        answers=$(redis_ask "$store")
        case "$answers" in
        *cluster_state:ok*cluster_slots_ok:16384*) ;;
        *) echo "$store does not see all slots served"; return 0 ;;
        esac
        if grep -Eq 'fail\?|,fail|handshake|noaddr| disconnected' <<<"$answers"; then
            echo "$store misses a node"
            return 0
        fi
        if grep -q '^master_link_status:down' <<<"$answers"; then
            echo "$store is not in step with its master"
            return 0
        fi
    done
}
