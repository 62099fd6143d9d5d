#!/bin/sh
# The health check of a Redis node: it answers, has loaded its data and takes our password.
# Whether the cluster as a whole is well is not one node's health (init-cluster.sh, alert rules).
set -eu
[ "$(sh "$(dirname "$0")/ask.sh" ping)" = PONG ]
