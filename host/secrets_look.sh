#!/bin/bash
# What the host's own Doppler token opens: which names, what they allow. No value leaves here.
# shellcheck disable=SC2154 # lib.sh's variables

# Whether the token is accepted at all, and which one it is (its slug is no secret).
look_identity() {
    local said
    read_token || { printf '{"accepted":false}' && return 0; }
    said=$(timeout 20 doppler me --json) || { printf '{"accepted":false}' && return 0; }
    printf '{"accepted":true,"slug":%s}' \
        "$(json_string "$(sed -n 's/.*"slug" *: *"\([^"]*\)".*/\1/p' <<<"$said" | head -n 1)")"
}

read_token() {
    DOPPLER_TOKEN=$(tr -d '\r\n' 2>/dev/null <"$TT_TOKEN_FILE") && [ -n "$DOPPLER_TOKEN" ] || return 1
    export DOPPLER_TOKEN DOPPLER_PROJECT=$TT_DOPPLER_PROJECT DOPPLER_CONFIG=$TT_DOPPLER_CONFIG
}

# One "doppler run" for all that needs secrets; again, for TT_PATIENCE seconds, if Doppler is silent.
look_secrets() {
    local began=$SECONDS said
    read_token || { printf '{"state":"no token"}' && return 0; }
    load_what_last_ran
    # Whatever else begins with TT_ in there is Doppler's.
    tt_inputs=" $(compgen -e TT_ | paste -sd' ') "
    export tt_inputs
    while true; do
        timeout --kill-after=2 60 doppler run --no-fallback --project "$DOPPLER_PROJECT" \
            --config "$DOPPLER_CONFIG" -- bash -c "$(declare -f inside_doppler inside_names inside_schema inside_registry registry_get \
            may_pull inside_expiry inside_definitions end_of json_string json_lines); inside_doppler" \
            2>"$tt_looks/doppler" >"$tt_looks/inside" && [ -s "$tt_looks/inside" ] && break
        said=$(tail -c 400 "$tt_looks/doppler")
        if is_refusal "$said"; then
            printf '{"state":"refused","said":%s}' "$(json_string "$said")" && return 0
        fi
        if ((SECONDS - began >= TT_PATIENCE)); then
            printf '{"state":"silent","said":%s}' "$(json_string "$said")" && return 0
        fi
        sleep 1
    done
    cat "$tt_looks/inside"
}

# The last 300 characters of a text.
end_of() { printf '%s' "${1:$((${#1} > 300 ? ${#1} - 300 : 0))}"; }

is_refusal() {
    case "$1" in
    *[Ii]nvalid* | *[Ff]orbidden* | *"not have access"* | *"not found"* | *[Ee]xpired* | *permission*) return 0 ;;
    *) return 1 ;;
    esac
}

# What the compose file needs besides Doppler's values, as the last rollout gave it.
load_what_last_ran() {
    local last
    last=$(tail -n 1 "$tt_state/releases.jsonl" 2>/dev/null) || last=""
    APP_IMAGE=$(sed -n 's/.*"image":"\([^"]*\)".*/\1/p' <<<"$last")
    APP_VERSION=$(sed -n 's/.*"version":"\([^"]*\)".*/\1/p' <<<"$last")
    APP_REVISION=$(sed -n 's/.*"revision":"\([^"]*\)".*/\1/p' <<<"$last")
    export APP_IMAGE APP_VERSION APP_REVISION
}

# --- In there, with the secrets in the environment ----------------------------------------

inside_doppler() {
    local part
    for part in names schema registry expiry definitions; do
        "inside_$part" >"$tt_looks/in_$part" 2>>"$tt_looks/noise" &
    done
    wait
    printf '{"state":"ok"'
    for part in names schema registry expiry definitions; do
        printf ',%s' "$(cat "$tt_looks/in_$part")"
    done
    printf '}'
}

inside_names() {
    local name filled="" empty=""
    for name in $(compgen -e); do
        [[ $tt_inputs != *" $name "* ]] || continue
        case "$name" in
        tt_inputs | tt_looks | DOPPLER_TOKEN | APP_IMAGE | APP_VERSION | APP_REVISION | HOME | PATH | PWD | OLDPWD | SHLVL | _) ;;
        *) if [ -n "${!name}" ]; then filled+="$name"$'\n'; else empty+="$name"$'\n'; fi ;;
        esac
    done
    printf '"names":%s,"empty":%s' "$(printf '%s' "$filled" | json_lines)" "$(printf '%s' "$empty" | json_lines)"
}

# Whether a value would have Hibernate throw tables away: "NAME destructive" or "NAME safe".
inside_schema() {
    local name value
    for name in ${TT_DDL_VARIABLES:-}; do
        value=$(tr 'A-Z_' 'a-z-' <<<"${!name:-}" | tr -d "[:space:]'\"")
        case "$value" in
        "") ;;
        create | create-drop | create-only | drop | drop-and-create | truncate) echo "$name destructive" ;;
        *) echo "$name safe" ;;
        esac
    done | { printf '"ddl":' && json_lines; }
}

# The registry login as the pull will make it, and whether this token may pull this image.
inside_registry() {
    local login=ok said="" pull=0
    if [ -z "${GITHUB_TOKEN:-}" ]; then
        login="no token"
    elif ! said=$(printf %s "$GITHUB_TOKEN" | DOCKER_CONFIG="$tt_looks/docker" timeout 20 \
        docker login "$TT_REGISTRY" --username "$TT_REGISTRY_USER" --password-stdin 2>&1); then
        case "$said" in *[Uu]nauthorized* | *denied* | *incorrect* | *[Ff]orbidden*) login=refused ;; *) login=silent ;; esac
    else
        said="" pull=$(may_pull)
    fi
    rm -rf "$tt_looks/docker"
    printf '"registry":{"login":"%s","pull":%d,"said":%s}' "$login" "$((10#${pull:-0}))" "$(json_string "$(end_of "$said")")"
}

# registry_get AUTHORISATION URL: the status; the credential goes by standard input.
registry_get() {
    printf '%s\n' "$1" | curl --silent --max-time 15 --config - --output "$tt_looks/body" \
        --dump-header "$tt_looks/headers" --write-out '%{http_code}' "$2"
}

# The status of listing the image's tags: 200 or 404 for a token that may pull (the token protocol
# of the distribution specification).
may_pull() {
    local scheme=https path=${TT_IMAGE_REPOSITORY#*/} password user status challenge realm service bearer
    case "$TT_REGISTRY" in localhost* | 127.0.0.1*) scheme=http ;; esac
    password=${GITHUB_TOKEN//\\/\\\\} password=${password//\"/\\\"}
    user="user = \"$TT_REGISTRY_USER:$password\""
    status=$(registry_get "$user" "$scheme://$TT_REGISTRY/v2/$path/tags/list?n=1")
    challenge=$(grep -i '^www-authenticate: *bearer' "$tt_looks/headers")
    if [ "$status" = 401 ] && [ -n "$challenge" ]; then
        realm=${challenge#*realm=\"} service=${challenge#*service=\"}
        realm=${realm%%\"*} service=${service%%\"*}
        status=$(registry_get "$user" "$realm?service=$service&scope=repository:$path:pull")
        if [ "$status" = 200 ]; then
            bearer=$(sed -n 's/.*"token" *: *"\([^"]*\)".*/\1/p' "$tt_looks/body")
            status=$(registry_get "header = \"Authorization: Bearer $bearer\"" "$scheme://$TT_REGISTRY/v2/$path/tags/list?n=1")
        fi
    fi
    printf %s "$status"
}

# When the registry's token ends, as GitHub tells with any answer; empty if it does not.
inside_expiry() {
    local expires=""
    [ -z "${GITHUB_TOKEN:-}" ] || [ -z "${TT_GITHUB_API:-}" ] ||
        expires=$(printf 'header = "Authorization: Bearer %s"\n' "$GITHUB_TOKEN" |
            curl --silent --max-time 5 --config - --user-agent tt-deploy --output /dev/null --dump-header - "$TT_GITHUB_API/rate_limit" |
            tr -d '\r' | sed -n 's/^github-authentication-token-expiration: *//Ip')
    printf '"pull_token_expires":%s' "$(json_string "$expires")"
}

# "service hash" of every service as the clone's files and today's values define it.
inside_definitions() {
    local listed="" why="" template="$TT_CLONE/${TT_TEMPLATE:-}" names
    if [ -z "$APP_IMAGE" ]; then
        printf '"definitions":[],"undefined":""' && return 0
    fi
    if [ -n "${TT_TEMPLATE:-}" ] && [ -f "$template" ]; then
        # shellcheck disable=SC2016 # a literal dollar
        names=$(grep -o '\${[A-Za-z_][A-Za-z0-9_]*}' "$template" | sort -u | paste -sd' ')
        ALERTMANAGER_CONFIG=$(envsubst "$names" <"$template")
        ALERTMANAGER_CONFIG_SHA256=$(printf '%s\n' "$ALERTMANAGER_CONFIG" | sha256sum | cut -d' ' -f1)
        export ALERTMANAGER_CONFIG ALERTMANAGER_CONFIG_SHA256
    fi
    listed=$(timeout 20 docker compose --project-name "$TT_PROJECT" --file "$TT_CLONE/$TT_COMPOSE_FILE" \
        --progress quiet config --hash '*' 2>"$tt_looks/compose" | sort) || listed=""
    [ -n "$listed" ] || why=$(tail -n 1 "$tt_looks/compose")
    printf '"definitions":%s,"undefined":%s' "$(printf '%s' "$listed" | json_lines)" "$(json_string "$(end_of "$why")")"
}
