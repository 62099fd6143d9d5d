#!/bin/bash
# What every host script shares: a log, a bounded tail, one result line, Doppler, Docker.
#
# Inputs, all by environment: TT_STEP (the step's name), and what each script names for
# itself. A script writes its noise to its log; its standard output is a tail of that log
# and, last, "TT_RESULT {json}".
# shellcheck disable=SC2034 # some of what stands here only other scripts use
set -euo pipefail

# The SSM agent starts us with next to nothing.
export HOME=/root
export PATH="$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
umask 077

tt_state=${TT_STATE_DIRECTORY:-/var/lib/tt-deploy}
tt_logs=${TT_LOG_DIRECTORY:-/var/log/tt-deploy}
tt_run=${TT_RUN_DIRECTORY:-/run/tt-deploy} # memory, gone after a reboot
# A job has a log of its own: what a rollout said is wanted when the way back has long been another.
tt_log="$tt_logs/${TT_DETACHED:-last-${TT_STEP:-script}}.log"
tt_logs_kept=300
tt_started=${EPOCHREALTIME/[.,]/}
tt_log_open=""
tt_silence=""
tt_failed=""
tt_next=""
tt_transient=false

# --- JSON ---------------------------------------------------------------------------

# Prints $1 as a JSON string. Control characters become spaces: nothing here needs them.
json_string() {
    local text=$1
    text=${text//\\/\\\\}
    text=${text//\"/\\\"}
    text=${text//$'\n'/\\n}
    text=${text//$'\t'/\\t}
    text=${text//[[:cntrl:]]/ }
    printf '"%s"' "$text"
}

# Prints the lines of standard input as a JSON array of strings.
json_lines() {
    local line separator=""
    printf '['
    while IFS= read -r line || [ -n "$line" ]; do
        printf '%s%s' "$separator" "$(json_string "$line")"
        separator=,
    done
    printf ']'
}

# --- Result -------------------------------------------------------------------------

seconds_since_start() {
    local now=${EPOCHREALTIME/[.,]/}
    printf '%d.%03d' $(((now - tt_started) / 1000000)) $(((now - tt_started) / 1000 % 1000))
}

# Ends the script well. Each argument is one more field, as "name":value.
succeed() {
    local field fields=""
    for field in "$@"; do fields+=",$field"; done
    [ ${#fields} -le 20000 ] || fail "the answer has ${#fields} characters; SSM would cut it"
    trap - EXIT
    clean_up || say "cleaning up failed"
    print_tail 1500
    printf 'TT_RESULT {"ok":true,"step":%s,"seconds":%s%s}\n' \
        "$(json_string "${TT_STEP:-script}")" "$(seconds_since_start)" "$fields" >&3
    hand_over
    exit 0
}

# Ends the script with a reason in the operator's words; $2 is the next command to type.
fail() {
    tt_failed=$1
    tt_next=${2:-}
    exit 1
}

# Like fail, for what may pass by itself: the worker tries again.
fail_for_now() {
    tt_transient=true
    fail "$@"
}

print_failure() {
    local status=$? command=$BASH_COMMAND
    trap - EXIT
    set +e
    clean_up
    [ -n "$tt_failed" ] || tt_failed="a command ended with status $status: $command"
    remember_failure
    print_tail 6000
    printf 'TT_RESULT {"ok":false,"step":%s,"seconds":%s,"failed":%s,"next":%s,"transient":%s}\n' \
        "$(json_string "${TT_STEP:-script}")" "$(seconds_since_start)" \
        "$(json_string "${tt_failed:0:1000}")" "$(json_string "${tt_next:0:1000}")" "$tt_transient" >&3
    hand_over
    [ "$status" -ne 0 ] || status=1
    exit "$status"
}

# Keeps in memory what the last step that failed had to say: diagnose.sh begins with it, when
# a later step has long written over the log. Steps that only look are not worth it. It is far more
# than diagnose.sh tells: that masks the secrets, which nobody here knows, and cuts what is left.
remember_failure() {
    case "${TT_STEP:-}" in
    sync | render | pull | rollout | recreate | record | prune) ;;
    *) return 0 ;;
    esac
    {
        printf '%s %s\n%s\n' "$(date +%s)" "$TT_STEP" "${tt_failed:0:16000}"
        tail -c 16000 "$tt_log"
    } >"$tt_run/last-failure" 2>/dev/null
}

# Scripts with something to undo define their own clean_up after sourcing this.
clean_up() { :; }

# Called when the result is written; a detached job hands its output over here.
hand_over() { :; }

# The last $1 bytes of the log. SSM keeps the first 24,000 characters, so we stay below.
print_tail() {
    [ -n "$tt_log_open" ] || return 0
    tail -c "$1" "$tt_log" | tr -d '\000' >&3
    echo >&3 # the log may end within a line, and the result needs one of its own
}

# Sends everything but the result to the log.
open_log() {
    local said
    said=$({ mkdir -p "$tt_logs" "$tt_state" "$tt_run" && : >"$tt_log"; } 2>&1) ||
        fail "nowhere to write: ${said#*: line *: }" "df -h $tt_logs $tt_state $tt_run; dmesg | tail"
    find "$tt_logs" -name '*.log' -mtime +14 -delete 2>/dev/null || true
    exec >"$tt_log" 2>&1
    tt_log_open=1
    [ -z "${TT_DETACHED:-}" ] || forget_oldest_logs
}

# Every takeover leaves a log: of many in a day the newest stay. No takeover fails of it.
forget_oldest_logs() {
    find "$tt_logs" -name '*.log' -printf '%T@ %p\n' | sort -rn | tail -n "+$((tt_logs_kept + 1))" |
        cut -d' ' -f2- | xargs -r -d '\n' rm -f || say "the oldest logs could not be removed"
}

# Even what fails before there is a log ends with a result.
exec 3>&1
trap print_failure EXIT

# pause SECONDS: a sleep that takes no process of its own, for loops that look several times a second.
pause() {
    [ -n "$tt_silence" ] || exec {tt_silence}<> <(:) # nobody will ever write there
    read -rt "$1" -u "$tt_silence" || true
}

# wait_for_parts MOMENT: until all that runs in the background has ended; what has not when $SECONDS gets to
# MOMENT is killed.
wait_for_parts() {
    local late
    while [ -n "$(jobs -pr)" ] && ((SECONDS < $1)); do pause 0.05; done
    read -ra late <<<"$(jobs -pr | paste -sd' ')"
    [ ${#late[@]} = 0 ] || kill "${late[@]}" 2>/dev/null || true
}

say() { printf '%s %s\n' "$(date -u +%H:%M:%S)" "$*"; }

# --- Inputs -------------------------------------------------------------------------

# Stops with the name of the first input that is missing.
need() {
    local name
    for name in "$@"; do
        [ -n "${!name:-}" ] || fail "the input $name is missing"
    done
}

# --- Folders in memory ----------------------------------------------------------------

# own_folder KIND: makes a folder in memory for this process alone, and prints its path. What killed
# ones left goes first: the SSM agent kills without traps, and a login or a secret may lie in there.
own_folder() {
    local left owner
    for left in "$tt_run"/{docker-config,plan,preflight,diagnosis}.*; do
        owner=${left##*/} owner=${owner#*.} owner=${owner%%.*}
        [ ! -d "$left" ] || { [[ $owner =~ ^[0-9]+$ ]] && [ -d "/proc/$owner" ]; } || rm -rf "$left"
    done
    mktemp -d "$tt_run/$1.$$.XXXXXX"
}

# --- Doppler ------------------------------------------------------------------------

# Reads the token and checks its file: the only secret that a host keeps.
load_doppler_token() {
    need TT_TOKEN_FILE TT_DOPPLER_PROJECT TT_DOPPLER_CONFIG
    [ -f "$TT_TOKEN_FILE" ] || fail "the Doppler token file $TT_TOKEN_FILE does not exist" \
        "sudo install -m 400 /dev/stdin $TT_TOKEN_FILE   # then paste the service token"
    DOPPLER_TOKEN=$(tr -d '\r\n' <"$TT_TOKEN_FILE")
    [ -n "$DOPPLER_TOKEN" ] || fail "the Doppler token file $TT_TOKEN_FILE is empty"
    export DOPPLER_TOKEN DOPPLER_PROJECT=$TT_DOPPLER_PROJECT DOPPLER_CONFIG=$TT_DOPPLER_CONFIG
}

# How many lines of the token file say something: of two, only a person knows which is the token.
token_lines() { tr '\r' '\n' <"$TT_TOKEN_FILE" | grep -ac . || true; }

# Runs a command with Doppler's secrets in its environment, and nowhere else.
with_secrets() {
    if [ -n "${TT_SECRETS_LOADED:-}" ]; then "$@"; else doppler_run "$@"; fi
}

doppler_run() {
    doppler run --no-fallback --project "$DOPPLER_PROJECT" --config "$DOPPLER_CONFIG" -- "$@"
}

# explain_secrets_failure WHAT: fails with what Doppler said, if it was Doppler. A refused
# token or config stays refused; anything else of Doppler's may pass.
explain_secrets_failure() {
    local said
    said=$(tail -n 20 "$tt_log" | grep -i -m1 -E 'doppler error|unable to fetch secrets|invalid auth token' || true)
    case "$said" in
    "") fail "$1" ;;
    *[Ii]nvalid* | *[Ff]orbidden* | *"not have access"* | *"not found"* | *[Ee]xpired*)
        fail "Doppler refused: $said" \
            "sudo bash -c 'DOPPLER_TOKEN=\$(tr -d \"\r\n\" < $TT_TOKEN_FILE) doppler me'" ;;
    *) fail_for_now "Doppler did not answer: $said" ;;
    esac
}

# --- Compose ------------------------------------------------------------------------

# docker compose for this project. Interpolation needs the secrets, so most calls go
# through with_secrets; APP_IMAGE and APP_VERSION come from the script's inputs.
compose_files() {
    need TT_CLONE TT_COMPOSE_FILE TT_PROJECT
    compose=(docker compose --project-name "$TT_PROJECT" --file "$TT_CLONE/$TT_COMPOSE_FILE"
        --progress quiet)
}

# The id of the container that the gateway's truth (gateway.sh) names as serving, if it runs. Of
# the application there may be two: the release before is kept warm for a while.
serving_container() {
    local slots="$tt_state/gateway/current/slots" name
    [ -f "$slots" ] || return 1
    # shellcheck source=/dev/null
    name=$(slot_active="" slot_a="" slot_b="" && . "$slots" &&
        if [ "$slot_active" = a ]; then echo "$slot_a"; else echo "$slot_b"; fi)
    [ -n "$name" ] && docker ps --quiet --no-trunc --filter "name=^$name\$" | grep .
}

# The id of the running container of a service; empty if there is none.
container_of() {
    if [ "$1" = "${TT_APP_SERVICE:-}" ] && serving_container; then return 0; fi
    docker ps --quiet --no-trunc \
        --filter "label=com.docker.compose.project=$TT_PROJECT" \
        --filter "label=com.docker.compose.service=$1" \
        --filter label=com.docker.compose.oneoff=False | head -n 1
}

# All containers of the project, stopped ones too, as a JSON array.
list_containers() {
    local ids
    ids=$(docker ps --all --quiet --no-trunc \
        --filter "label=com.docker.compose.project=$TT_PROJECT" \
        --filter label=com.docker.compose.oneoff=False)
    [ -n "$ids" ] || { printf '[]'; return 0; }
    local row='{"service":{{json (index .Config.Labels "com.docker.compose.service")}}'
    row+=',"name":{{json .Name}},"image":{{json .Config.Image}},"state":{{json .State.Status}}'
    row+=',"health":{{if .State.Health}}{{json .State.Health.Status}}{{else}}""{{end}}'
    row+=',"exit_code":{{.State.ExitCode}},"started":{{json .State.StartedAt}}'
    row+=',"definition":{{json (index .Config.Labels "com.docker.compose.config-hash")}}}'
    # shellcheck disable=SC2086 # ids are hexadecimal words
    docker inspect --type container --format "$row" $ids | paste -sd, | sed 's/^/[/; s/$/]/'
}

# --- One at a time ------------------------------------------------------------------

# Takes the host's lock until this process ends, however it ends.
take_lock() {
    exec 9>"$tt_run/lock"
    flock --wait "${TT_LOCK_SECONDS:-30}" 9 ||
        fail_for_now "another deploy holds this host's lock" "fuser -v $tt_run/lock"
}

# Refuses to undo the work of a newer deploy; remembers this one.
claim_generation() {
    need TT_GENERATION
    local seen=0
    [ ! -f "$tt_state/generation" ] || seen=$(cat "$tt_state/generation")
    [ "$TT_GENERATION" -ge "${seen:-0}" ] ||
        fail "a newer deploy (generation $seen) has already reached this host"
    write_whole "$tt_state/generation" "$TT_GENERATION"
}

# Replaces a file in one step, so that a power cut leaves the old one or the new one.
write_whole() {
    printf '%s\n' "$2" >"$1.new"
    sync "$1.new"
    mv -f "$1.new" "$1"
}
