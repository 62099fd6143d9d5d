#!/bin/bash
# Asking the stack's own services over HTTP, from the host, by their containers' addresses:
# where a port is published, and to whom, does not matter.
# shellcheck disable=SC2154 # variables of lib.sh

# address_in CONTAINER: its first address.
address_in() {
    docker inspect --format '{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}' "$1" | cut -d' ' -f1
}

# moment_of CONTAINER FIELD: one of its times (Created, State.StartedAt), in seconds since 1970.
moment_of() { date -d "$(docker inspect --format "{{.$2}}" "$1")" +%s; }

# url_of SERVICE PORT: where it answers; fails if it does not run.
url_of() {
    local container
    container=$(container_of "$1")
    [ -n "$container" ] && printf 'http://%s:%s' "$(address_in "$container")" "$2"
}

# fetch URL [CURL OPTION...]: the body, whatever the status; nothing, and status 1, without an answer.
fetch() {
    local url=$1
    shift
    curl --silent --show-error --noproxy '*' --max-time 6 "$@" "$url"
}

# ask_prometheus QUERY: what it answers to an instant query; status 1 if it does not.
ask_prometheus() {
    local url
    url=$(url_of prometheus 9090) || { say "Prometheus does not run" >&2; return 1; }
    fetch "$url/api/v1/query" --data-urlencode "query=$1" --max-time 15
}
