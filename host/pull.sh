#!/bin/bash
# Logs in to the registry, pulls what is missing, logs out: one script, so that no
# credential outlives it. The login lives in a throw-away Docker configuration, which whoever makes
# a folder next removes if this script was killed.
# shellcheck source=host/lib.sh
[ -n "${tt_log:-}" ] || . "$(dirname "$0")/lib.sh"
# shellcheck source=host/compose.sh
declare -F load_release_inputs >/dev/null || . "$(dirname "$0")/compose.sh"
# shellcheck source=host/stores.sh
declare -F replace_data_stores >/dev/null || . "$(dirname "$0")/stores.sh"
open_log
need TT_REGISTRY TT_REGISTRY_USER TT_APP_IMAGE TT_APP_SERVICE
load_doppler_token
compose_files
take_lock

DOCKER_CONFIG=$(own_folder docker-config)
plugins=()
for directory in /root/.docker/cli-plugins "${HOME}/.docker/cli-plugins"; do
    [ ! -d "$directory" ] || plugins+=("$directory")
done
[ ${#plugins[@]} = 0 ] || printf '{"cliPluginsExtraDirs":["%s"]}\n' "${plugins[0]}" >"$DOCKER_CONFIG/config.json"
export DOCKER_CONFIG
clean_up() { rm -rf "$DOCKER_CONFIG"; }
trap 'exit 143' TERM INT HUP

# A refused password stays refused; a registry that does not answer may come back.
explain_login_failure() {
    local said
    said=$(tail -n 5 "$tt_log")
    case "${said,,}" in
    *unauthorized* | *denied* | *forbidden* | *"github_token is not"*)
        fail "the login to $TT_REGISTRY was refused; is GITHUB_TOKEN in Doppler, valid, and may it read packages?" \
            "doppler secrets get GITHUB_TOKEN --plain --project $DOPPLER_PROJECT --config $DOPPLER_CONFIG | docker login $TT_REGISTRY -u $TT_REGISTRY_USER --password-stdin" ;;
    *doppler*) explain_secrets_failure "the login to $TT_REGISTRY failed" ;;
    *) fail_for_now "the registry $TT_REGISTRY did not answer the login" "curl -sS https://$TT_REGISTRY/v2/" ;;
    esac
}

explain_pull_failure() {
    local said
    said=$(tail -n 20 "$tt_log")
    case "${said,,}" in
    *unauthorized* | *denied* | *"not found"* | *"manifest unknown"* | *"no space left"*)
        fail "docker compose pull failed" "docker pull $TT_APP_IMAGE" ;;
    *) fail_for_now "docker compose pull did not come through" "docker pull $TT_APP_IMAGE" ;;
    esac
}

# Whether an image is missing; a way back whose images are all here needs no registry.
lacks_images() {
    local image images
    docker image inspect "$TT_APP_IMAGE" >/dev/null 2>&1 || return 0
    images=$(with_secrets "${compose[@]}" config --images) || return 0
    while read -r image; do
        docker image inspect "$image" >/dev/null 2>&1 || return 0
    done <<<"$images"
    return 1
}

log_in() {
    # shellcheck disable=SC2016 # GITHUB_TOKEN is Doppler's, known only in there
    with_secrets bash -c '[ -n "${GITHUB_TOKEN:-}" ] || { echo "GITHUB_TOKEN is not in Doppler"; exit 3; }
    printf %s "$GITHUB_TOKEN" | docker login "$TT_REGISTRY" --username "$TT_REGISTRY_USER" --password-stdin' ||
        explain_login_failure
}

# "missing" leaves the data stores' images as they are: a floating tag that moved in the
# registry must not restart a database in an app deploy. The app's image is a digest.
pull_what_is_missing() {
    log_in
    with_secrets "${compose[@]}" pull --policy missing --quiet ||
        explain_pull_failure
    docker logout "$TT_REGISTRY" || true
}

load_release_inputs
before=$(docker images --quiet --no-trunc --all | sort -u)
if lacks_images; then pull_what_is_missing; fi
after=$(docker images --quiet --no-trunc --all | sort -u)
pulled=$(comm -13 <(printf '%s\n' "$before") <(printf '%s\n' "$after"))

# The plan is made from this: all is here that it takes, and nothing has been touched yet.
read_compose_file
succeed "\"services\":$(list_changes)" "\"pulled\":$(printf '%s' "$pulled" | json_lines)" \
    "\"present\":$(grep -c . <<<"$after")"
