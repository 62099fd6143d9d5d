#!/bin/bash
# Gathers everything that tells why a host is not well, in one round trip; changes nothing.
#
# Each part has its own time and its own share of what SSM keeps, and none can fail the whole.
# The parts lie in memory, so that a full disk does not stop the one who looks for it. Values of
# Doppler's secrets are masked here, where they are known; the worker masks shapes as well.
# shellcheck source=host/lib.sh
[ -n "${tt_log:-}" ] || . "$(dirname "$0")/lib.sh"
open_log
need TT_PROJECT TT_CLONE TT_COMPOSE_FILE TT_APP_SERVICE TT_APP_PORT TT_TOKEN_FILE \
    TT_REGISTRY TT_REGISTRY_USER TT_SINCE_SECONDS

work=$(own_folder diagnosis)
clean_up() { rm -rf "$work"; }
trap 'exit 143' TERM INT HUP
secrets=() values=() github_token="" doppler_answered=false facts="" left_out="" parts=() part=engine
project_filter="label=com.docker.compose.project=$TT_PROJECT"

# A list that does not come hides what it would have listed, and so does any call that hangs.
docker() {
    local status=0
    timeout --kill-after=2 10 docker "$@" || status=$?
    case "$status/$1" in
    0/* | 141/*) ;; # 141: its reader had heard enough
    124/* | 137/* | */ps | */info | */events) : >"$work/$part.missed" ;;
    esac
    return "$status"
}

# part NAME COMMAND...: starts a part beside the others; what it prints is kept under its name.
part() {
    local name=$1
    shift
    parts+=("$name")
    (set +eo pipefail && part=$name && "$@" && : >"$work/$name.seen") >"$work/$name" 2>/dev/null 3>&- &
}

# The parts that did not come to an end, or met a Docker that did not answer.
unseen_parts() {
    local name
    for name in "${parts[@]}"; do
        [ -e "$work/$name.seen" ] && [ ! -e "$work/$name.missed" ] || echo "$name"
    done
}

# --- The engine and the containers ----------------------------------------------------------

all_containers() {
    docker ps --all --quiet --no-trunc --filter "$project_filter" --filter label=com.docker.compose.oneoff=False
}

containers() {
    local ids row rows
    ids=$(all_containers)
    [ -n "$ids" ] || return 0
    row='{"service":{{json (index .Config.Labels "com.docker.compose.service")}}'
    row+=',"name":{{json .Name}},"id":"{{printf "%.12s" .ID}}","image":{{json .Config.Image}}'
    row+=',"state":{{json .State.Status}},"health":"{{with .State.Health}}{{.Status}}{{end}}"'
    row+=',"exit_code":{{.State.ExitCode}},"oom":{{.State.OOMKilled}},"restarts":{{.RestartCount}}'
    row+=',"started":"{{printf "%.19s" .State.StartedAt}}","error":{{json (printf "%.300s" .State.Error)}}'
    row+=',"memory":{{.HostConfig.Memory}}'
    row+=',"ports":"{{range .HostConfig.PortBindings}}{{range .}}{{.HostPort}} {{end}}{{end}}"}'
    # shellcheck disable=SC2086 # ids are hexadecimal words
    rows=$(docker inspect --type container --format "$row" $ids)
    [ -n "$rows" ] && printf '%s\n' "$rows"
}

# One line a thing that befell a container lately: time|what|service|container|exit code.
events() {
    local row='{{.Time}}|{{.Action}}|{{index .Actor.Attributes "com.docker.compose.service"}}'
    row+='|{{index .Actor.Attributes "name"}}|{{index .Actor.Attributes "exitCode"}}'
    docker events --since "${TT_SINCE_SECONDS}s" --until 0s --filter "$project_filter" --filter type=container \
        --filter event=die --filter event=oom --filter event=start --filter event=health_status \
        --format "$row" | tail -n 30 | cut -c 1-120
}

# The last words of the containers that are not well, and of those that started again lately.
logs() {
    local row='{{.Name}}|{{.State.Status}}|{{with .State.Health}}{{.Status}}{{end}}|{{.State.ExitCode}}|{{.RestartCount}}'
    local name state health code restarts
    # shellcheck disable=SC2046 # ids are hexadecimal words
    docker inspect --type container --format "$row" $(all_containers) |
        while IFS='|' read -r name state health code restarts; do
            case "$state/$health" in
            running/ | running/healthy) [ "$restarts" != 0 ] || continue ;;
            exited/) [ "$code" != 0 ] || continue ;;
            esac
            printf '=== %s\n' "${name#/}"
            [ -z "$health" ] || printf 'health check: %s\n' \
                "$(docker inspect --format '{{range .State.Health.Log}}{{json .Output}}{{println}}{{end}}' "$name" | grep . | tail -n 1 | masked | cut -c 1-200)"
            docker logs --tail 15 "$name" 2>&1 | cut -c 1-4000 | masked | cut -c 1-240 | tail -c 1100
            echo
        done | head -c 6600
}

# What the application says of itself, container by container, and what the public port answers.
actuator() {
    local name address
    printf 'public %s\n' "$(curl --silent --output /dev/null --max-time 8 --write-out '%{http_code}' \
        "http://127.0.0.1:$TT_APP_PORT/actuator/health")"
    docker ps --filter "$project_filter" --filter "label=com.docker.compose.service=$TT_APP_SERVICE" \
        --filter label=com.docker.compose.oneoff=False --format '{{.Names}}' | while read -r name; do
        address=$(docker inspect --format '{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}' "$name" | cut -d' ' -f1)
        printf '%s %s ' "$name" "$(curl --silent --output "$work/body" --max-time 8 --write-out '%{http_code}' \
            "http://$address:$TT_APP_PORT/actuator/health")"
        head -c 20000 "$work/body" 2>/dev/null | masked | head -c 700 | tr '\n' ' '
        echo
        rm -f "$work/body"
    done
}

# --- The data stores ------------------------------------------------------------------------

# Inside the first node that runs: its environment or its file has the password.
redis() {
    local node container="" ask said
    # shellcheck disable=SC2016 # expanded in the container
    ask='[ -n "${REDISCLI_AUTH:-}" ] || REDISCLI_AUTH=$(cat /run/secrets/redis_password 2>/dev/null)
    export REDISCLI_AUTH
    for node in $NODES; do
        at="-h ${node%%:*} -p ${node##*:}"
        echo "node ${node%%:*}"
        said=$(timeout 6 redis-cli $at cluster info 2>&1 | tr -d "\r" |
            grep -E "^cluster_(state|slots_assigned|slots_ok|known_nodes):|^[A-Z]" | head -n 4)
        [ -n "$said" ] || continue
        echo "$said"
        timeout 6 redis-cli $at info replication 2>&1 | tr -d "\r" | grep -E "^(role|master_link_status):"
        [ -n "${seen:-}" ] || seen=$(timeout 6 redis-cli $at cluster nodes 2>&1 | tr -d "\r" |
            awk "NF > 7 { print \"member\", substr(\$1, 1, 8), \$2, \$3, substr(\$4, 1, 8), \$8, \$9 }" | head -n 16)
    done
    echo "$seen"'
    for node in ${TT_REDIS_NODES:-}; do
        container=$(container_of "${node%%:*}")
        [ -z "$container" ] || break
    done
    [ -n "$container" ] || return 0
    said=$(timeout 25 docker exec --env "NODES=$TT_REDIS_NODES" "$container" sh -c "$ask")
    [ -n "$said" ] && printf '%s\n' "${said:0:2600}"
}

# Does it accept connections, and does it let the application's user in?
postgres() {
    local container ask
    container=$(container_of postgres)
    [ -n "$container" ] || return 0
    printf 'ready %s\n' "$(docker exec "$container" pg_isready -h 127.0.0.1 2>&1 | tail -n 1)"
    # shellcheck disable=SC2016 # expanded in the container
    ask='export PGPASSWORD="${POSTGRES_PASSWORD:-$(cat "${POSTGRES_PASSWORD_FILE:-/dev/null}")}" PGCONNECT_TIMEOUT=8
    exec psql --no-psqlrc --tuples-only --no-align --host "$(hostname -i | cut -d" " -f1)" \
        --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" --command "SELECT 1"'
    printf 'answer %s\n' "$(timeout 14 docker exec "$container" sh -c "$ask" 2>&1 | tail -n 2 | tr '\n' ' ' | masked | cut -c 1-300)"
}

# --- The machine ----------------------------------------------------------------------------

# mount|size|free|inodes|inodes free, sizes in KiB, each file system once.
disks() {
    local root
    root=$(docker info --format '{{.DockerRootDir}}')
    df --output=target,size,avail,itotal,iavail --block-size=1K / "${root:-/}" "$TT_CLONE" /var/log /tmp 2>/dev/null |
        awk 'NR > 1 && !seen[$1]++ { print $1 "|" $2 "|" $3 "|" $4 "|" $5 }'
}

memory() { sed -n 's/^\(MemTotal\|MemAvailable\): *\([0-9]*\) kB/\1 \2/p' /proc/meminfo; }

# What the kernel's killer did to our containers, where the kernel's log can be read.
kernel() {
    dmesg --time-format iso 2>/dev/null | grep -iE 'oom-kill|out of memory|killed process' |
        grep -F -f <(all_containers) | tail -n 4 | cut -c 1-300
}

# port|who listens, for the ports that our containers want.
ports() {
    local port wanted
    # shellcheck disable=SC2046 # ids are hexadecimal words
    wanted=$(docker inspect --type container --format '{{range .HostConfig.PortBindings}}{{range .}}{{println .HostPort}}{{end}}{{end}}' $(all_containers) | sort -u)
    ss -H -ltnp 2>/dev/null >"$work/listening" || return 1
    for port in $wanted; do
        awk -v port="$port" '{ n = split($4, part, ":") } part[n] == port { print port "|" $NF; exit }' "$work/listening"
    done | sed -E 's/users:\(\("([^"]*)",pid=([0-9]*).*/\1 (process \2)/' | cut -c 1-100
}

# The names that a deploy needs, and whether they resolve.
names() {
    local name origin
    origin=$(git -c safe.directory="$TT_CLONE" -C "$TT_CLONE" remote get-url origin 2>/dev/null)
    origin=$(sed -nE 's,^([a-z+]+://)?([^/@]*@)?([A-Za-z0-9.-]+)[:/].*,\3,p' <<<"$origin")
    for name in "${TT_REGISTRY%%:*}" ${TT_NAMES:-} $origin; do
        printf '%s|%s\n' "$name" "$(timeout 7 getent hosts "$name" >/dev/null 2>&1 && echo yes || echo no)"
    done | sort -u
}

# yes|mode|owner|bytes|has a carriage return|has more than one line, or no.
token() {
    [ -f "$TT_TOKEN_FILE" ] || { echo no; return; }
    printf 'yes|%s|%s|%s\n' "$(stat --dereference --format '%a|%U|%s' "$TT_TOKEN_FILE")" \
        "$(grep -q $'\r' "$TT_TOKEN_FILE" && echo yes || echo no)" \
        "$([ "$(token_lines)" -gt 1 ] && echo yes || echo no)"
}

# --- Doppler, the registry, and what Compose makes of both ------------------------------------

# Reads the secrets into this process's memory: to mask them, and to ask the registry with one.
ask_doppler() {
    local pair status=1
    [ -s "$TT_TOKEN_FILE" ] || return 0
    DOPPLER_TOKEN=$(tr -d '\r\n' <"$TT_TOKEN_FILE")
    export DOPPLER_TOKEN DOPPLER_PROJECT=$TT_DOPPLER_PROJECT DOPPLER_CONFIG=$TT_DOPPLER_CONFIG
    values=("$DOPPLER_TOKEN")
    while IFS= read -r -d '' pair; do
        case "$pair" in
        status\ of\ doppler=*) status=${pair#*=} ;;
        PATH=* | HOME=* | DOPPLER_TOKEN=*) ;;
        GITHUB_TOKEN=*) github_token=${pair#*=} secrets+=("$pair") values+=("${pair#*=}") ;;
        *) is_input "${pair%%=*}" || { secrets+=("$pair") && keep_from_sight "$pair"; } ;;
        esac
    done < <(set +e && timeout 15 env --ignore-environment PATH="$PATH" HOME="$HOME" DOPPLER_TOKEN="$DOPPLER_TOKEN" \
        doppler run --no-fallback --project "$DOPPLER_PROJECT" --config "$DOPPLER_CONFIG" -- env -0 2>"$work/doppler" </dev/null
        printf 'status of doppler=%s\0' $?)
    [ "$status" != 0 ] || doppler_answered=true
    [ "$status" != 124 ] || echo "no answer within 15 s" >>"$work/doppler"
}

# Whether a name is one of our own inputs: none of Doppler's has been exported by then.
is_input() { [[ $1 == TT_* && -v $1 ]]; }

# Which values may be seen by nobody: all of six characters and more, but for those that tell by
# their name that they are settings, for numbers, and for addresses without a login or a query. To
# mask these as well would leave no line to read. A name that says secret always counts.
keep_from_sight() {
    local name=${1%%=*} value=${1#*=} line
    local secret='PASS|PWD|SECRET|TOKEN|KEY|WEBHOOK|AUTH|CREDENTIAL|DSN'
    local setting='(^|_)(HOST(NAME)?|DOMAIN|SERVICE|PORT|REGION|PROFILES?|ACTIVE|DB|DATABASE|USER|USERNAME|NAME'
    setting+='|BUCKET|ENV|ENVIRONMENT|MODE|LEVEL(_[A-Z]+)?|TZ|LANG|DDL_AUTO|EXPIRATION|TTL|TIMEOUT|SECONDS|SIZE'
    setting+='|LIMIT|MEMORY|MAXMEMORY|ADDRESS|PREFIX|IMAGE|SHA|VERSION|REVISION|NODES|URI|URL|ISSUER|PROJECT)$'
    setting+='|^DOPPLER_CONFIG$|^_$'
    case "$name" in PWD | OLDPWD) return 0 ;; esac # a shell's own
    if ! [[ $name =~ $secret ]]; then
        if [[ $value =~ ^[0-9.]+[a-zA-Z]{0,3}$ || $value =~ ^https?://[A-Za-z0-9./:_-]+$ ]]; then return 0; fi
        if [[ $name =~ $setting && $value != *[@?]* ]]; then return 0; fi
    fi
    # A value of several lines line by line, as a log may have it.
    while read -r line; do
        [ ${#line} -lt 6 ] || values+=("$line")
    done < <(printf '%s\n' "$value")
}

# The longest first: a value may begin with another, whose mask would leave its end.
sort_values() {
    local value by_length=()
    for value in "${values[@]}"; do by_length[999999 - ${#value}]+=$value$'\n'; done
    mapfile -t values < <(printf %s "${by_length[@]}")
}

# What it reads, without the values that nobody may see. It stands before what cuts: the half of a
# value is not found any more. (Where a cut comes before it, that is far beyond what is kept.)
masked() {
    local text value
    text=$(tr -d '\000')
    for value in "${values[@]}"; do
        [ -z "$value" ] || text=${text//"$value"/[redacted]}
    done
    [ -z "$text" ] || printf '%s\n' "$text"
}

# status|what it said. The login lives in a throw-away Docker configuration, as in pull.sh.
registry() {
    local said
    [ -n "$github_token" ] || return 0
    export DOCKER_CONFIG="$work/docker-config"
    mkdir -p "$DOCKER_CONFIG"
    said=$(printf %s "$github_token" | timeout 15 docker login "$TT_REGISTRY" \
        --username "$TT_REGISTRY_USER" --password-stdin 2>&1)
    printf '%s|%s' "$?" "$(grep -v '^WARNING' <<<"$said" | tail -n 2 | masked | cut -c 1-400)"
    docker logout "$TT_REGISTRY" >/dev/null 2>&1
    rm -rf "$DOCKER_CONFIG"
}

# The image that a release last ran healthily with here; Compose cannot be asked without one.
last_image() { tail -n 1 "$tt_state/releases.jsonl" 2>/dev/null | grep -o '"image":"[^"]*"' | cut -d'"' -f4; }

# Services that have no container, images that are not here, or why Compose cannot say.
compose_view() {
    local pair image images service has status=0
    APP_IMAGE=$(last_image)
    [ -n "$APP_IMAGE" ] && $doppler_answered || return 0
    for pair in "${secrets[@]}"; do export "${pair?}"; done
    export APP_IMAGE ALERTMANAGER_CONFIG=unread
    compose_files
    timeout 10 "${compose[@]}" config --services >"$work/services" 2>"$work/compose.said" || status=$?
    [ "$status" != 124 ] || return 1
    if [ "$status" != 0 ]; then
        printf 'error %s\n' "$(grep . "$work/compose.said" | tail -n 1 | masked | cut -c 1-400)"
        return
    fi
    has=$(docker ps --all --filter "$project_filter" --format '{{.Label "com.docker.compose.service"}}') || return 1
    while read -r service; do
        grep -qx -- "$service" <<<"$has" || printf 'service %s\n' "$service"
    done <"$work/services"
    images=$(timeout 10 "${compose[@]}" config --images 2>/dev/null) || return 1
    grep . <<<"$images" | sort -u | while read -r image; do
        docker image inspect "$image" >/dev/null 2>&1 || [ $? != 1 ] || printf 'image %s\n' "$image"
    done
}

# What lib.sh kept of the last step that failed: when, why, and the end of its log.
last_failure() {
    [ -f "$tt_run/last-failure" ] || return 0
    head -n 1 "$tt_run/last-failure"
    sed -n 2p "$tt_run/last-failure" | masked | cut -c 1-1000
    sed 1,2d "$tt_run/last-failure" | masked | tail -c 2500
}

# --- The answer -----------------------------------------------------------------------------

# A part's text without the values that nobody may see.
text_of() { [ ! -f "$work/$1" ] || masked <"$work/$1"; }

# add NAME JSON: one more field of the answer, as long as there is room for it.
add() {
    if ((${#facts} + ${#2} > 19200)); then left_out+="${left_out:+ }$1"; return 0; fi
    facts+="${facts:+,}\"$1\":$2"
}

add_text() { add "$1" "$(json_string "$(text_of "$1")")"; }
add_lines() { add "$1" "$(text_of "$1" | json_lines)"; }

engine=$(docker version --format '{{.Server.Version}}' 2>/dev/null) || engine=""
part containers containers
part events events
part redis redis
part kernel kernel
part ports ports
part names names
part disks disks
part memory memory
part token token
ask_doppler
sort_values
# What may hold a value and is cut waits until the values are known.
part logs logs
part actuator actuator
part postgres postgres
part registry registry
part compose compose_view
part last_failure last_failure
# An answer without some of them is better than none.
wait_for_parts "${TT_LOOK_SECONDS:-29}"

add engine "$(json_string "$engine")"
add now "$(date +%s)"
add unseen "$(unseen_parts | json_lines)"
add doppler_answered "$doppler_answered"
add registry_asked "$([ -n "$github_token" ] && echo true || echo false)"
add_lines disks
add containers "[$(text_of containers | paste -sd,)]"
add_text token
add_text doppler
add_text registry
add_lines compose
add_lines names
add_lines memory
add_text postgres
add_text redis
add_lines ports
add_lines kernel
add_lines actuator
add_lines events
add_text last_failure
add_text logs
succeed "$facts" "\"left_out\":$(json_string "$left_out")"
