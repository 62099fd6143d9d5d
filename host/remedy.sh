#!/bin/bash
# One of the few remedies that can do no harm, under the host's lock; anything else is refused.
#
# What could lose data (removing a volume, CLUSTER RESET) is not here and never will be.
# shellcheck source=host/lib.sh
[ -n "${tt_log:-}" ] || . "$(dirname "$0")/lib.sh"
# shellcheck source=host/compose.sh
declare -F wait_for_one_shot >/dev/null || . "$(dirname "$0")/compose.sh"
open_log
need TT_ACTION TT_PROJECT
take_lock

# The container that an action names; it must be one of the project's.
own_container() {
    need TT_CONTAINER
    local project
    project=$(docker inspect --type container \
        --format '{{index .Config.Labels "com.docker.compose.project"}}' "$TT_CONTAINER" 2>/dev/null) || project=""
    [ "$project" = "$TT_PROJECT" ] ||
        fail "there is no container $TT_CONTAINER of the project $TT_PROJECT" "docker compose -p $TT_PROJECT ps --all"
}

restart_container() {
    own_container
    timeout 120 docker restart --time 30 "$TT_CONTAINER" || fail "$TT_CONTAINER did not start" "docker logs --tail 50 $TT_CONTAINER"
}

# The initialisation looks first and never resets a node (stack/docker/redis/init-cluster.sh). In a
# new container, as a deploy starts it: an old one has the password that it was made with.
initialise_cluster() {
    need TT_INIT_SERVICE
    load_doppler_token
    compose_files
    # The compose file demands both by name; this service has neither.
    export APP_IMAGE=unchanged ALERTMANAGER_CONFIG=unchanged
    with_secrets "${compose[@]}" up --detach --no-deps --force-recreate "$TT_INIT_SERVICE" ||
        explain_secrets_failure "$TT_INIT_SERVICE did not start: $(tail -n 1 "$tt_log")"
    wait_for_one_shot "$TT_INIT_SERVICE" 150
}

# Root's, for root alone, without line ends; of two lines nobody but a person knows which counts.
# Where the file is a link, it stays one, and what it leads to is mended.
mend_token() {
    need TT_TOKEN_FILE
    local file lines new_token="sudo install -m 400 /dev/stdin $TT_TOKEN_FILE   # then paste the service token"
    lines=$(token_lines)
    [ "$lines" -gt 0 ] || fail "the token file $TT_TOKEN_FILE is not there or empty" "$new_token"
    [ "$lines" -eq 1 ] || fail "the token file $TT_TOKEN_FILE has $lines lines: which one is the token?" "$new_token"
    file=$(readlink --canonicalize-existing "$TT_TOKEN_FILE")
    (umask 377 && tr -d '\r\n' <"$file" >"$file.new")
    chown root:root "$file.new"
    mv -f "$file.new" "$file"
}

case "$TT_ACTION" in
restart) restart_container ;;
init-cluster) initialise_cluster ;;
token) mend_token ;;
*) fail "'$TT_ACTION' is no remedy that may be applied" ;;
esac

succeed "\"action\":$(json_string "$TT_ACTION")"
