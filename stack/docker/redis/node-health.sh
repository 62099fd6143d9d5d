#!/bin/sh
# The health check of a Redis node: it answers, has loaded its data and takes our password.
# Whether the cluster as a whole is well is not one node's health (init-cluster.sh, alert rules).
set -eu
# shellcheck source=stack/docker/redis/cluster.sh
. "$(dirname "$0")/cluster.sh"
read_password /run/secrets/redis_password
[ "$(ask "127.0.0.1:$NODE_PORT" ping)" = PONG ]
