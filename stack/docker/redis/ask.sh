#!/bin/sh
# ask.sh COMMAND...: asks the Redis node in whose container this runs, for people and health checks.
# For example: docker compose -p tt exec redis-node-1 sh /usr/local/etc/redis/ask.sh cluster nodes
set -eu
# shellcheck source=stack/docker/redis/cluster.sh
. "$(dirname "$0")/cluster.sh"
read_password /run/secrets/redis_password
ask "127.0.0.1:$NODE_PORT" "$@"
