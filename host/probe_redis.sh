#!/bin/bash
# Asks every Redis node a few times in a row what it thinks of the cluster and of itself.
# shellcheck source=host/lib.sh
[ -n "${tt_log:-}" ] || . "$(dirname "$0")/lib.sh"
open_log
need TT_PROJECT TT_LOOKS TT_INTERVAL TT_REDIS_NODES

# Inside the first node that runs: its environment has the password (REDISCLI_AUTH).
# One line a node: name|state|assigned|ok|known|id|role|master id|link|slots|error
# shellcheck disable=SC2016 # expanded in the container
ask='[ -n "${REDISCLI_AUTH:-}" ] || REDISCLI_AUTH=$(cat /run/secrets/redis_password 2>/dev/null)
export REDISCLI_AUTH
for node in $NODES; do
    host=${node%%:*} port=${node##*:}
    if ! info=$(timeout 3 redis-cli -h "$host" -p "$port" cluster info 2>&1) ||
        ! self=$(timeout 3 redis-cli -h "$host" -p "$port" cluster nodes 2>&1) ||
        ! replication=$(timeout 3 redis-cli -h "$host" -p "$port" info replication 2>&1); then
        echo "$host||0|0|0|||||0|does not answer"; continue
    fi
    printf "%s\n%s\n%s\n" "$info" "$self" "$replication" | tr -d "\r" | awk -v host="$host" -F: "
        /^cluster_state:/ {state=\$2} /^cluster_slots_assigned:/ {assigned=\$2}
        /^cluster_slots_ok:/ {ok=\$2} /^cluster_known_nodes:/ {known=\$2}
        /^role:/ {role=\$2} /^master_link_status:/ {link=\$2}
        / myself,/ {
            n = split(\$0, word, \" \"); id = word[1]; master = word[4]; slots = 0
            for (i = 9; i <= n; i++) if (word[i] !~ /\\[/) {
                parts = split(word[i], range, \"-\"); slots += (parts == 2 ? range[2] - range[1] + 1 : 1)
            }
        }
        END {
            if (state == \"\") error = \"no cluster information\"
            printf \"%s|%s|%d|%d|%d|%s|%s|%s|%s|%d|%s\\n\", host, state, assigned, ok, known, id, role, (master == \"-\" ? \"\" : master), link, slots, error
        }"
done'

node_as_json() {
    local node state assigned ok known id role master link slots error
    IFS='|' read -r node state assigned ok known id role master link slots error <<<"$1"
    printf '{"node":%s,"state":%s,"assigned":%d,"ok":%d,"known":%d,"id":%s,"role":%s,"master_id":%s,"link":%s,"slots":%d,"error":%s}' \
        "$(json_string "$node")" "$(json_string "$state")" "$assigned" "$ok" "$known" \
        "$(json_string "$id")" "$(json_string "$role")" "$(json_string "$master")" \
        "$(json_string "$link")" "$slots" "$(json_string "$error")"
}

look_once() {
    local container="" name lines line nodes=""
    for name in $TT_REDIS_NODES; do
        container=$(container_of "${name%%:*}")
        [ -z "$container" ] || break
    done
    if [ -z "$container" ]; then
        node_as_json "redis||0|0|0|||||0|no Redis container is running"
        return
    fi
    lines=$(timeout 40 docker exec --env "NODES=$TT_REDIS_NODES" "$container" sh -c "$ask") ||
        lines="redis||0|0|0|||||0|redis-cli could not be run"
    while IFS= read -r line; do
        nodes+="${nodes:+,}$(node_as_json "$line")"
    done <<<"$lines"
    printf '%s' "$nodes"
}

samples=""
for ((look = 1; look <= TT_LOOKS; look++)); do
    [ ${#samples} -lt 6000 ] || break # what SSM keeps is limited; the worker asks again
    [ "$look" = 1 ] || sleep "$TT_INTERVAL"
    samples+="${samples:+,}[$(look_once)]"
done
succeed "\"samples\":[$samples]"
