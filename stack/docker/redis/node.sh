#!/bin/sh
# Starts one Redis Cluster node: the entry point of the redis-node-* services.
#
# Inputs: NODE_PORT, REDIS_MAXMEMORY, REDIS_NODES (address:port of all six), the file
# /run/secrets/redis_password, redis.conf beside this script. The password goes into a file in memory
# that only this user reads, never onto a command line.
set -eu

here=$(dirname "$0")
# shellcheck source=stack/docker/redis/cluster.sh
. "$here/cluster.sh"

ask_seconds=1
data=${REDIS_DATA:-/data}
rendered=${REDIS_RENDERED:-/run/redis/redis.conf}

# Within double quotes redis.conf knows backslash escapes.
quoted_password() { printf '%s' "$REDISCLI_AUTH" | sed 's/[\\"]/\\&/g; s/^/"/; s/$/"/'; }

render() {
	cat "$here/redis.conf"
	# printf, since some shells' echo takes backslashes apart.
	printf '%s\n' "dir $data" "port $NODE_PORT" "maxmemory $REDIS_MAXMEMORY" \
		"cluster-announce-ip $(own_address)"
	printf 'requirepass %s\nmasterauth %s\n' "$(quoted_password)" "$(quoted_password)"
}

# The address that REDIS_NODES gives to our port: clients and other nodes are told that one, also after
# the network got other addresses.
own_address() {
	for node in $REDIS_NODES; do
		if [ "${node##*:}" = "$NODE_PORT" ]; then echo "${node%:*}"; fi
	done
}

# What the other nodes have written down about the address with our port: one line for each that answers.
what_others_expect_here() {
	for node in $REDIS_NODES; do
		[ "${node##*:}" = "$NODE_PORT" ] || { ask "$node" cluster nodes | grep ":$NODE_PORT@" & }
	done
	wait
}

# A node that comes back without its data must not be taken for the master it replaces: that one's
# replica would follow it and throw its own, last copy away. So it keeps silent until the replica has
# taken over, which the silence brings about.
not_before_its_replica_took_over() {
	[ ! -e "$data/nodes.conf" ] || return 0
	_patience=${TAKEOVER_SECONDS:-60}
	while what_others_expect_here | awk '$3 ~ /master/ && NF > 8 { found = 1 } END { exit !found }'; do
		echo "redis node: no data here, yet the cluster expects a master: leaving it to its replica"
		[ "$_patience" -gt 0 ] || {
			echo "redis node: no replica took over. Bring the volume back, or let a replica take over" \
				"by hand (docs/runbook.md, Redis)." >&2
			exit 1
		}
		_patience=$((_patience - 1))
		sleep 1
	done
}

read_password "${REDIS_PASSWORD_FILE:-/run/secrets/redis_password}"
: "${NODE_PORT:?}" "${REDIS_MAXMEMORY:?}" "${REDIS_NODES:?}"
not_before_its_replica_took_over
(umask 077 && render >"$rendered")
exec redis-server "$rendered"
