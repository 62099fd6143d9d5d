#!/bin/bash
# Asks every Redis node a few times in a row what it thinks of the cluster and of itself, and
# writes and reads a key through every master.
# shellcheck source=host/lib.sh
[ -n "${tt_log:-}" ] || . "$(dirname "$0")/lib.sh"
open_log
need TT_PROJECT TT_LOOKS TT_INTERVAL TT_REDIS_NODES

# Runs inside the first node that runs: its environment or its secret has the password. One line
# a node: name|state|assigned|ok|known|id|role|master id|link|slots|slot map|failing|lag|written|error
read -r -d '' ask <<'TEXT' || true
[ -n "${REDISCLI_AUTH:-}" ] || REDISCLI_AUTH=$(cat /run/secrets/redis_password 2>/dev/null)
export REDISCLI_AUTH

# say NODE: commands from standard input, answers as plain lines; one session, one time limit.
say() { timeout 3 redis-cli -h "${1%%:*}" -p "${1##*:}" 2>&1; }

# The slots of tt:probe:0 to tt:probe:511, one a line; a key in every master's range is among them.
candidates() { awk 'BEGIN { for (i = 0; i < 512; i++) print "cluster keyslot tt:probe:" i }' | say "$1"; }

# key_in RANGES: the first candidate whose slot lies in one of the ranges.
key_in() {
    printf '%s\n' "$slots_of_candidates" | awk -v ranges="$1" '
        BEGIN { n = split(ranges, range, " ") }
        { for (i = 1; i <= n; i++) {
            parts = split(range[i], ends, "-")
            if ($1 + 0 >= ends[1] + 0 && $1 + 0 <= (parts == 2 ? ends[2] : ends[1]) + 0) { print "tt:probe:" NR - 1; exit }
        } }'
}

# write_through NODE RANGES: "ok", or what was answered. The key lives for seconds if we die here.
write_through() {
    [ -n "$slots_of_candidates" ] || slots_of_candidates=$(candidates "$1" | tr -d '\r')
    key=$(key_in "$2")
    [ -n "$key" ] || { echo "no probe key falls into its slots"; return; }
    answer=$(printf 'set %s %s ex 30\nwait 1 1000\nget %s\ndel %s\n' "$key" "$PROBE" "$key" "$key" | say "$1") ||
        { echo "no answer to a write within 3 s"; return; }
    printf '%s\n' "$answer" | tr -d '\r' | tr '|' ' ' | awk -v value="$PROBE" '
        NR == 1 && $0 != "OK" { print "SET answered " substr($0, 1, 120); said = 1; exit }
        NR == 2 && $1 + 0 < 1 { print "no replica confirmed the write within a second"; said = 1; exit }
        NR == 3 && $0 != value { print "GET answered something else than was written"; said = 1; exit }
        END { if (!said) print (NR == 4 ? "ok" : "an answer is missing") }'
}

# The same for all nodes that agree on who owns which slot.
slot_map() {
    awk '$3 ~ /master/ && NF > 8 {
        line = $1
        for (i = 9; i <= NF; i++) if ($i !~ /^\[/) line = line " " $i
        print line
    }' | sort | cksum | cut -d" " -f1
}

facts() {
    awk -v host="$1" -v map="$2" -F: '
        /^(NOAUTH|WRONGPASS|AUTH failed|LOADING|ERR|Could not connect|Error)/ && error == "" { error = substr($0, 1, 150) }
        /^cluster_state:/ { state = $2 }
        /^cluster_slots_assigned:/ { assigned = $2 }
        /^cluster_slots_ok:/ { ok = $2 }
        /^cluster_known_nodes:/ { known = $2 }
        /^role:/ { role = $2 }
        /^master_link_status:/ { link = $2 }
        /^master_repl_offset:/ { offset = $2 }
        /^slave[0-9]+:/ { split($0, part, "offset="); behind[++replicas] = part[2] + 0 }
        split($0, word, " ") >= 8 && word[3] ~ /(^|,)fail\??(,|$)/ {
            split(word[2], at, "@"); failing = failing (failing == "" ? "" : ", ") at[1] " (" word[3] ")"
        }
        / myself,/ {
            n = split($0, word, " "); id = word[1]; master = word[4]; slots = 0
            for (i = 9; i <= n; i++) if (word[i] !~ /\[/) {
                parts = split(word[i], range, "-"); slots += (parts == 2 ? range[2] - range[1] + 1 : 1)
                ranges = ranges (ranges == "" ? "" : " ") word[i]
            }
        }
        END {
            if (state == "" && error == "") error = "no cluster information"
            if (state != "") error = ""
            for (i = 1; i <= replicas; i++) if (offset - behind[i] > lag) lag = offset - behind[i]
            if (master == "-") master = ""
            gsub(/\|/, " ", error)
            printf "%s|%s|%d|%d|%d|%s|%s|%s|%s|%d|%s|%s|%d|%s|%s\n", host, state, assigned, ok, known, id, role, master, link, slots, map, substr(failing, 1, 200), lag, ranges, error
        }'
}

slots_of_candidates=""
for node in $NODES; do
    host=${node%%:*}
    if ! said=$(printf 'cluster info\ncluster nodes\ninfo replication\n' | say "$node"); then
        echo "$host||0|0|0|||||0|||0||does not answer"
        continue
    fi
    said=$(printf '%s\n' "$said" | tr -d '\r')
    line=$(printf '%s\n' "$said" | facts "$host" "$(printf '%s\n' "$said" | slot_map)")
    error=${line##*|} line=${line%|*}
    ranges=${line##*|} line=${line%|*}
    written=""
    case $line in
    *"|master|"*) [ -z "$ranges" ] || written=$(write_through "$node" "$ranges") ;;
    esac
    echo "$line|$written|$error"
done
TEXT

node_as_json() {
    local node state assigned ok known id role master link slots map failing lag written error
    IFS='|' read -r node state assigned ok known id role master link slots map failing lag written error <<<"$1"
    printf '{"node":%s,"state":%s,"assigned":%d,"ok":%d,"known":%d,"id":%s,"role":%s,"master_id":%s,"link":%s,"slots":%d,' \
        "$(json_string "$node")" "$(json_string "$state")" "$assigned" "$ok" "$known" \
        "$(json_string "${id:0:12}")" "$(json_string "$role")" "$(json_string "${master:0:12}")" \
        "$(json_string "$link")" "$slots"
    printf '"slot_map":%s,"failing":%s,"lag_bytes":%d,"written":%s,"error":%s}' \
        "$(json_string "$map")" "$(json_string "$failing")" "$lag" "$(json_string "$written")" \
        "$(json_string "$error")"
}

# Asks from the first node's container that lets us in; a paused one does not.
ask_inside() {
    local name container
    for name in $TT_REDIS_NODES; do
        container=$(container_of "${name%%:*}")
        [ -n "$container" ] || continue
        timeout 40 docker exec --env "NODES=$TT_REDIS_NODES" --env "PROBE=$RANDOM-$EPOCHREALTIME" \
            "$container" sh -c "$ask" && return 0
    done
    echo "redis||0|0|0|||||0|||0||no Redis container runs that redis-cli could be run in"
}

look_once() {
    local line nodes=""
    while IFS= read -r line; do
        nodes+="${nodes:+,}$(node_as_json "$line")"
    done < <(ask_inside)
    printf '%s' "$nodes"
}

samples=""
for ((look = 1; look <= TT_LOOKS; look++)); do
    [ ${#samples} -lt 9000 ] || break # what SSM keeps is limited; the worker asks again
    [ "$look" = 1 ] || sleep "$TT_INTERVAL"
    samples+="${samples:+,}[$(look_once)]"
done
succeed "\"samples\":[$samples]"
