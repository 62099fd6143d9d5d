#!/bin/sh
# Starts HAProxy with the slots that the last rollout left, else with those of a first start.
set -eu
GATEWAY_FILES=/var/lib/gateway/current
[ -f "$GATEWAY_FILES/backends.cfg" ] || GATEWAY_FILES=/usr/local/etc/gateway/first
export GATEWAY_FILES
exec haproxy -W -db -f /usr/local/etc/gateway/haproxy.cfg -f "$GATEWAY_FILES/backends.cfg"
