#!/bin/sh
# Stands in for the official image's entrypoint: a first argument that is an option or a
# configuration file means redis-server, which runs as the user redis. Like the official
# build, protected mode is off unless a configuration says otherwise: in a container every
# client comes from outside.
set -eu

case "${1:-}" in
    -* | *.conf) set -- redis-server "$@" ;;
esac

if [ "${1:-}" = redis-server ]; then
    case "$*" in
        *.conf* | *--protected-mode*) ;;
        *)
            shift
            set -- redis-server --protected-mode no "$@"
            ;;
    esac
    if [ "$(id -u)" = 0 ]; then
        find . ! -user redis -exec chown redis:redis {} +
        exec start-stop-daemon -S -c redis:redis -x "$0" -- "$@"
    fi
fi
exec "$@"
