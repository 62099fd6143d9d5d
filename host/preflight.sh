#!/bin/bash
# Everything that can be known of a host before the first change, in one look; touches nothing.
#
# The parts look side by side, each with time limits of its own, and print one JSON value each:
# a part that fails is null and fails nobody else. What it writes down lies in memory, so that
# a full disk is a finding and not the end of the script. What is found is judged elsewhere.
# shellcheck source=host/lib.sh
[ -n "${tt_log:-}" ] || . "$(dirname "$0")/lib.sh"
# shellcheck source=host/jobs.sh
declare -F job_under_way >/dev/null || . "$(dirname "$0")/jobs.sh"
# shellcheck source=host/gateway.sh
declare -F read_slots >/dev/null || . "$(dirname "$0")/gateway.sh"
# shellcheck source=host/state.sh
declare -F read_state >/dev/null || . "$(dirname "$0")/state.sh"
# shellcheck source=host/secrets_look.sh
declare -F inside_doppler >/dev/null || . "$(dirname "$0")/secrets_look.sh"
tt_logs=$tt_run tt_log="$tt_run/preflight.log"
open_log
need TT_CLONE TT_PROJECT TT_APP_SERVICE TT_COMPOSE_FILE TT_TOKEN_FILE TT_BRANCH TT_PATIENCE
export tt_looks
tt_looks=$(own_folder preflight)
clean_up() { rm -rf "$tt_looks"; }
trap 'exit 143' TERM INT HUP

# An engine on a full disk may never answer: no call of it is waited for any longer.
docker() { timeout --kill-after=2 12 docker "$@"; }

# A busy host is one that a deploy works on right now: it holds the lock.
is_busy() {
    [ -e "$tt_run/lock" ] && ! flock --nonblock "$tt_run/lock" true
}

look_tools() {
    local tool
    for tool in git docker doppler curl envsubst flock nsenter awk sha256sum; do
        command -v "$tool" >/dev/null || echo "$tool"
    done | json_lines
}

look_memory() { awk '/^MemAvailable:/ { printf "%.0f", $2 * 1024 }' /proc/meminfo; }

# "mount free size free-inodes inodes" of every place that a deploy writes to.
look_disks() {
    local place places=("$tt_state" /)
    for place in "${1:-/var/lib/docker}" /var/lib/containerd; do
        [ -z "$place" ] || [ ! -d "$place" ] || places+=("$place")
    done
    df --block-size=1 --output=target,avail,size,iavail,itotal "${places[@]}" | tail -n +2 | sort -u |
        sed 's/  */ /g' | json_lines
}

look_engine() {
    local version="" root="" architecture="" plugin=""
    IFS='|' read -r version root architecture < <(
        docker info --format '{{.ServerVersion}}|{{.DockerRootDir}}|{{.Architecture}}'
    ) || true
    plugin=$(docker compose version --short) || plugin=""
    printf '{"version":%s,"compose":%s,"architecture":%s,"disks":%s}' "$(json_string "$version")" \
        "$(json_string "${plugin#v}")" "$(json_string "${architecture:-$(uname -m)}")" "$(look_disks "$root")"
}

look_token() {
    local mode owner returns newlines text plain=false
    [ -f "$TT_TOKEN_FILE" ] || { printf '{"exists":false}' && return 0; }
    read -r mode owner < <(stat --dereference --format '%a %u' "$TT_TOKEN_FILE")
    returns=$(tr -dc '\r' <"$TT_TOKEN_FILE" | wc -c)
    newlines=$(tr -dc '\n' <"$TT_TOKEN_FILE" | wc -c)
    text=$(tr -d '\r\n' <"$TT_TOKEN_FILE")
    [ "$(token_lines)" != 1 ] || [[ ! $text =~ ^[A-Za-z0-9._-]+$ ]] || plain=true
    printf '{"exists":true,"mode":%s,"owner":%d,"returns":%d,"newlines":%d,"plain":%s}' \
        "$(json_string "$mode")" "$owner" "$returns" "$newlines" "$plain"
}

# git as root in a clone that may be another user's, without so much as a refreshed index.
clone_git() {
    GIT_OPTIONAL_LOCKS=0 GIT_TERMINAL_PROMPT=0 \
        timeout 20 git -c safe.directory="$TT_CLONE" -C "$TT_CLONE" "$@"
}

look_clone() {
    local head edited said reachable=true
    head=$(clone_git rev-parse HEAD) || { printf '{"exists":false}' && return 0; }
    edited=$(clone_git status --porcelain --untracked-files=no | head -n 20 | cut -c 4-)
    said=$(clone_git ls-remote --quiet origin "refs/heads/$TT_BRANCH" 2>&1) || reachable=false
    [ "$reachable" = false ] || said=${said%%[[:space:]]*}
    printf '{"exists":true,"revision":%s,"edited":%s,"reachable":%s,"said":%s}' "$(json_string "$head")" \
        "$(printf '%s' "$edited" | json_lines)" "$reachable" "$(json_string "$(end_of "$said")")"
}

# Ports that somebody listens on: "port holder", the project's own containers as "ours".
look_ports() {
    local own port holder
    # shellcheck disable=SC2016 # Docker's own dollars
    own=$(docker ps --quiet --filter "label=com.docker.compose.project=$TT_PROJECT" | xargs -r timeout --kill-after=2 12 docker inspect --format \
        '{{range $port, $bound := .NetworkSettings.Ports}}{{range $bound}}{{println .HostPort}}{{end}}{{end}}' | sort -u)
    listening | while read -r port; do
        holder=ours
        grep -qx "$port" <<<"$own" || holder=$(ss -Hltnp "sport = :$port" 2>/dev/null |
            sed -n 's/.*(("\([^"]*\)",pid=\([0-9]*\).*/\1 (process \2)/p' | head -n 1)
        echo "$port ${holder:-another process}"
    done | head -n 80 | json_lines
}

listening() {
    local address kind
    cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | while read -r _ address _ kind _; do
        [ "$kind" != 0A ] || echo $((16#${address##*:}))
    done | sort -nu
}

# How many tables the application's database has; -1 if that cannot be seen.
look_tables() {
    local container
    container=$(container_of postgres)
    if [ -z "$container" ]; then
        [ -z "$(docker volume ls --quiet --filter "label=com.docker.compose.project=$TT_PROJECT" --filter name=postgres)" ] &&
            printf 0 || printf '%s' -1
        return 0
    fi
    # shellcheck disable=SC2016 # expanded in the container
    docker exec "$container" sh -c '
        export PGPASSWORD="${POSTGRES_PASSWORD:-$(cat "${POSTGRES_PASSWORD_FILE:-/dev/null}")}" PGCONNECT_TIMEOUT=3
        exec psql --no-psqlrc --tuples-only --no-align --host "$(hostname -i | cut -d" " -f1)" \
            --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" --command "SELECT count(*) FROM pg_tables
                WHERE schemaname NOT IN ('\''pg_catalog'\'', '\''information_schema'\'')"' ||
        printf '%s' -1
}

# "seconds-since-1970 file" of each certificate that the environment names; 0 if it does not read.
look_certificates() {
    local file files ends
    read -ra files <<<"${TT_CERTIFICATES:-}"
    for file in "${files[@]}"; do
        ends=$(openssl x509 -noout -enddate -in "$file" | cut -d= -f2) && ends=$(date -d "$ends" +%s) || ends=0
        echo "$ends $file"
    done | json_lines
}

# Starts the part look_$1 beside the others.
look() {
    { "look_$1" >"$tt_looks/$1" || printf null >"$tt_looks/$1"; } 3>&- &
}

found() {
    if [ -s "$tt_looks/$1" ]; then cat "$tt_looks/$1"; else printf null; fi
}

# What runs, as fields and not as one value; nothing of it without an engine.
look_state() {
    docker version --format 'Docker {{.Server.Version}}' >&2 || return 0
    read_state
    printf '%s' "${state[0]}" && printf ',%s' "${state[@]:1}"
}

parts=(tools memory engine token clone ports tables certificates secrets identity)
state=()
for part in "${parts[@]}" state; do look "$part"; done
busy=false
! is_busy || busy=true
# What is not there by then counts as not seen.
wait_for_parts $((SECONDS + 35 + TT_PATIENCE))

state_fields=$(found state)
answer=("\"busy\":$busy")
case "$state_fields" in null | "") ;; *) answer+=("$state_fields") ;; esac
for part in "${parts[@]}"; do answer+=("\"$part\":$(found "$part")"); done
# The record comes last and gives way: the whole answer must fit into what SSM keeps.
so_far="${answer[*]}"
for lines in 20 10 5 1; do
    record=$(recorded "$lines")
    ((${#so_far} + ${#record} > 19000)) || break
done
succeed "${answer[@]}" "\"record\":$record" "\"clock\":${EPOCHREALTIME/,/.}"
