#!/bin/bash
# The gateway's two slots: which container is in which, and which of them serves.
#
# The truth lies in $gateway_files/current, a link to one folder with the slots and the files
# that HAProxy starts from; replacing the link is one step, so a power cut leaves the old
# truth or the new one. The running HAProxy is brought in line through its runtime socket.
# shellcheck disable=SC2154 # tt_state is lib.sh's

gateway_files="$tt_state/gateway"
slot_active="" slot_a="" slot_b=""

# Reads the truth; all empty on a host that never had a rollout.
read_slots() {
    slot_active="" slot_a="" slot_b=""
    # shellcheck source=/dev/null
    [ ! -f "$gateway_files/current/slots" ] || . "$gateway_files/current/slots"
}

# write_slots ACTIVE A B: replaces the truth in one step.
write_slots() {
    local folder="$gateway_files/files-$EPOCHREALTIME"
    mkdir -p "$folder"
    printf 'slot_active=%s\nslot_a=%s\nslot_b=%s\n' "$1" "$2" "$3" >"$folder/slots"
    printf 'active to_%s\n' "$1" >"$folder/active.map"
    backends "$2" "$3" >"$folder/backends.cfg"
    # HAProxy reads them as its own user.
    chmod 755 "$gateway_files" "$folder"
    chmod 644 "$folder"/*
    sync "$folder"/*
    ln -sfn "${folder##*/}" "$gateway_files/next"
    mv -fT "$gateway_files/next" "$gateway_files/current"
    find "$gateway_files" -mindepth 1 -maxdepth 1 -name 'files-*' ! -name "${folder##*/}" \
        -exec rm -rf {} +
    slot_active=$1 slot_a=$2 slot_b=$3
}

# backends A B: HAProxy's two backends with these containers in the slots.
backends() {
    local first second
    for first in a b; do
        [ "$first" = a ] && second=b || second=a
        printf 'backend to_%s\n' "$first"
        printf '    option httpchk GET /actuator/health/readiness\n'
        printf '    http-check expect status 200\n'
        printf '    timeout check 3s\n'
        # The last resort has a slot's address, too: without this HAProxy would give it to one of them.
        printf '    default-server resolvers docker resolve-prefer ipv4 resolve-opts allow-dup-ip init-addr none'
        printf ' inter 500ms fastinter 200ms downinter 200ms fall 3 rise 1\n'
        slot_line "$first" "check observe layer4 error-limit 2 on-error mark-down" "$1" "$2"
        slot_line "$second" "check observe layer4 error-limit 2 on-error mark-down backup" "$1" "$2"
        last_resort "$first" "$1" "$2"
    done
}

# slot_line SLOT OPTIONS A B
slot_line() {
    local container=$3
    [ "$1" = a ] || container=$4
    if [ -n "$container" ]; then
        printf '    server %s %s:%s %s\n' "$1" "$container" "$TT_APP_PORT" "$2"
    else
        printf '    server %s empty.invalid:%s %s disabled\n' "$1" "$TT_APP_PORT" "$2"
    fi
}

# The container that serves once more, unchecked: a host so busy that health checks come late
# must not turn a slow answer into none. Only asked when both slots count as down.
last_resort() {
    local container=$2
    [ "$1" = a ] || container=$3
    printf '    server last %s:%s backup\n' "${container:-empty.invalid}" "$TT_APP_PORT"
}

other_slot() { [ "$1" = a ] && echo b || echo a; }

container_in() { [ "$1" = a ] && echo "$slot_a" || echo "$slot_b"; }

# --- The running HAProxy --------------------------------------------------------------

gateway_process="" gateway_network="" gateway_patience_seconds=5

# Which process the gateway's container is now, and its network. Those who ask often call it once, in
# their own shell; whoever did not, or whose gateway was started anew, pays for it with each question.
find_gateway() {
    gateway_process=$(docker inspect --format '{{.State.Pid}}' "$gateway") || return 1
    gateway_network=$(readlink "/proc/$gateway_process/ns/net")
}

# Says one line to the runtime socket and prints the answer. From inside the gateway's network, but not
# by `docker exec`: a rollout asks several times a second, and that costs the host fifty times as much.
# Not for long: of a HAProxy that stands still the kernel takes connections all the same.
gateway_ask() {
    local status=0
    if [ -z "$gateway_network" ] || [ "$(readlink "/proc/$gateway_process/ns/net")" != "$gateway_network" ]; then
        find_gateway || return 1
    fi
    # shellcheck disable=SC2016 # for the other bash
    timeout "$gateway_patience_seconds" nsenter --target "$gateway_process" --net \
        bash -c 'exec 3<>/dev/tcp/127.0.0.1/9999 && read -r line && printf "%s\n" "$line" >&3 && exec cat <&3' \
        <<<"$1" || status=$?
    [ "$status" != 124 ] || say "the gateway does not answer '$1' within $gateway_patience_seconds s" >&2
    return "$status"
}

# gateway_tell COMMAND...: the same for changes, all in one go; HAProxy answers nothing when it
# obeyed.
gateway_tell() {
    local answer commands
    printf -v commands '%s; ' "$@"
    answer=$(gateway_ask "${commands%; }" |
        grep -vE '^$|no need to change|changed its FQDN|IP changed|nothing changed' || true)
    [ -z "$answer" ] || say "gateway: '${commands%; }' -> $answer"
}

gateway_map_file() {
    gateway_ask "show map" | sed -n 's/^[-0-9]* (\(.*active\.map\)).*/\1/p' | head -n 1
}

# Puts a container into a slot of the running gateway and lets health checks see it.
gateway_fill() {
    gateway_tell "set server to_a/$1 fqdn $2" "set server to_a/$1 state ready" \
        "set server to_b/$1 fqdn $2" "set server to_b/$1 state ready" "set server to_$1/last fqdn $2"
}

# Takes a slot out of the running gateway; requests that it still answers go on.
gateway_empty() { gateway_tell "set server to_a/$1 state maint" "set server to_b/$1 state maint"; }

# Makes a slot the one that serves, from the next request on; fails if the gateway does not say that it is.
gateway_serve() {
    local map
    map=$(gateway_map_file)
    gateway_tell "set map $map active to_$1"
    gateway_ask "show map $map" | grep -q "active to_$1\$"
}

# gateway_table QUESTION NAME COLUMN...: the columns, by their names, of each line of "show stat" that is
# NAME's. Fails if the gateway says nothing of it: that is no "0 requests".
gateway_table() {
    local question=$1 name=$2
    shift 2
    gateway_ask "$question" | awk -F, -v name="$name" -v columns="$*" '
        { sub(/\r$/, "") }
        /^# / { sub(/^# /, ""); for (i = 1; i <= NF; i++) place[$i] = i; n = split(columns, column, " "); next }
        $2 == name { seen = 1; for (i = 1; i <= n; i++) printf "%s%s", $place[column[i]], i < n ? " " : "\n" }
        END { exit !seen }'
}

# gateway_stats SLOT COLUMN...: of a slot, a line for each of the two backends, to_a first.
gateway_stats() { gateway_table "show stat -1 4 -1" "$@"; }

# gateway_status SLOT: how the backend that prefers a slot sees it: UP, DOWN, MAINT, "UP 1/3".
gateway_status() {
    local line=2p
    [ "$1" = b ] || line=1p
    gateway_stats "$1" status | sed -n "$line"
}

# Waits until both backends' health checks see a slot up; 1 if they do not in $2 seconds.
gateway_sees() {
    local slot=$1 deadline=$((SECONDS + $2))
    while ((SECONDS < deadline)); do
        [ "$(gateway_stats "$slot" status | grep -c '^UP' || true)" != 2 ] || return 0
        sleep 0.2
    done
    return 1
}

# How many requests a slot is answering right now.
gateway_busy() { gateway_stats "$1" scur | awk '{ busy += $1 } END { print busy + 0 }'; }

# gateway_look SLOT: what it served so far (requests; 5xx answers, failed connections and responses), and the
# first word of how the backend that prefers it sees it now: "requests errors status".
gateway_look() {
    gateway_stats "$1" stot hrsp_5xx econ eresp status | awk -v slot="$1" '
        { requests += $1; errors += $2 + $3 + $4 }
        NR == (slot == "b" ? 2 : 1) { status = $5 }
        END { print requests + 0, errors + 0, status }'
}

# gateway_counts SLOT: what it served so far alone: "requests errors".
gateway_counts() { gateway_look "$1" | cut -d' ' -f1,2; }

# What the public port answered since the gateway started: requests, and 5xx answers.
gateway_totals() { gateway_table "show stat public 1 -1" FRONTEND req_tot hrsp_5xx; }

# Brings the running gateway in line with the truth.
gateway_follow() {
    local slot container
    for slot in a b; do
        container=$(container_in "$slot")
        if [ -n "$container" ]; then gateway_fill "$slot" "$container"; else gateway_empty "$slot"; fi
    done
    [ -z "$slot_active" ] || gateway_serve "$slot_active" ||
        say "the gateway does not say that it serves slot $slot_active"
}
