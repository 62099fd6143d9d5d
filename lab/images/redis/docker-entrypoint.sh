#!/bin/sh
# Stands in for the official image's entrypoint: a first argument that is an option or a
# configuration file means redis-server, which runs as the user redis.
set -eu

# The official build has protected mode off unless it is configured: in a container every
# client comes from outside. Debian's has it on.
is_silent_about_protected_mode() { # redis-server's arguments
    case "$*" in
        *--protected-mode* | -v | --version | -h | --help) return 1 ;;
    esac
    case "${1:-}" in
        '' | -*) return 0 ;;
    esac
    ! grep -q '^[[:space:]]*protected-mode' "$1"
}

case "${1:-}" in
    -* | *.conf) set -- redis-server "$@" ;;
esac

if [ "${1:-}" = redis-server ] && [ "$(id -u)" = 0 ]; then
    find . ! -user redis -exec chown redis:redis {} +
    exec start-stop-daemon -S -c redis:redis -x "$0" -- "$@"
fi
if [ "${1:-}" = redis-server ]; then
    shift
    if is_silent_about_protected_mode "$@"; then
        set -- "$@" --protected-mode no
    fi
    set -- redis-server "$@"
fi
exec "$@"
