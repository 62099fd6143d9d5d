# shellcheck shell=sh
# Questions to the nodes of a Redis Cluster; nothing here changes one.
#
# A node is written as address:port. REDISCLI_AUTH carries the password to redis-cli.

# read_password FILE: for redis-cli, whose environment other users cannot read.
read_password() {
	[ -s "$1" ] || {
		echo "$1 is missing or empty" >&2
		exit 1
	}
	REDISCLI_AUTH=$(tr -d '\r\n' <"$1")
	export REDISCLI_AUTH
}

# ask NODE COMMAND...: the node's answer, or its error, as plain lines. Bounded in time only where
# $ask_seconds is set: busybox's `timeout` leaves a watcher behind for a second after each call, and
# a hundred calls a second would use up the container's processes.
ask() {
	_node=$1
	shift
	${ask_seconds:+timeout "$ask_seconds"} \
		redis-cli -h "${_node%:*}" -p "${_node##*:}" "$@" 2>&1 | tr -d '\r'
}

# info NODE FIELD: one field of CLUSTER INFO.
info() { ask "$1" cluster info | sed -n "s/^$2://p"; }

# survey NODE: what it is and sees, on one line, in one session: role, number of its own slots, keys,
# nodes known, slots assigned, slots ok, state, link to its master ("-": not told).
survey() {
	printf 'cluster info\ncluster nodes\ninfo replication\ndbsize\n' | ask "$1" | awk '
		function said(name) { return (name in fact) ? fact[name] : "-" }
		$3 ~ /myself/ {
			for (i = 9; i <= NF; i++) if ($i !~ /^\[/) {
				parts = split($i, range, "-")
				slots += (parts == 2 ? range[2] - range[1] : 0) + 1
			}
		}
		NF == 1 && split($0, pair, ":") == 2 { fact[pair[1]] = pair[2] }
		/^[0-9]+$/ { keys = $0 }
		END {
			print said("role"), slots + 0, keys + 0, said("cluster_known_nodes"), said("cluster_slots_assigned"),
				said("cluster_slots_ok"), said("cluster_state"), said("master_link_status")
		}'
}

id_of() { ask "$1" cluster myid; }

role_of() { ask "$1" role | head -n 1; }

keys_in() { ask "$1" dbsize; }

# Slots that the node itself says it serves, as ranges.
own_slots() {
	ask "$1" cluster nodes | awk '$3 ~ /myself/ { for (i = 9; i <= NF; i++) if ($i !~ /^\[/) print $i }'
}

# Reads ranges such as 0-5460 or 7, prints every slot.
each_slot() { awk -F- '{ for (s = $1; s <= ($2 == "" ? $1 : $2); s++) print s }'; }

# contested_slots NODE...: slots that more than one of them claims.
contested_slots() (
	for node in "$@"; do own_slots "$node" | each_slot; done | sort -n | uniq -d
)

# unowned_slots FIRST LAST NODE...: ranges within FIRST..LAST that no NODE knows an owner of.
unowned_slots() (
	first=$1 last=$2
	shift 2
	for node in "$@"; do ask "$node" cluster nodes; done |
		awk '{ for (i = 9; i <= NF; i++) if ($i !~ /^\[/) print $i }' |
		awk -F- -v first="$first" -v last="$last" '
			{ for (s = $1; s <= ($2 == "" ? $1 : $2); s++) owned[s] = 1 }
			END {
				for (s = first; s <= last; s++) {
					if (s in owned) continue
					from = s
					while (s < last && !((s + 1) in owned)) s++
					print from, s
				}
			}'
)

# knows NODE OTHER: whether NODE is connected to OTHER, under its present id, at its present address.
knows() {
	ask "$1" cluster nodes | awk -v id="$(id_of "$2")" -v at="$2@" '
		$1 == id && index($2, at) == 1 && $8 == "connected" { found = 1 }
		END { exit !found }'
}

# master_of NODE: the id of the master that a replica belongs to.
master_of() { ask "$1" cluster nodes | awk '$3 ~ /myself/ { print $4 }'; }

# address_of ID NODE: where NODE knows the node of that id to be.
address_of() { ask "$2" cluster nodes | awk -v id="$1" '$1 == id { sub(/@.*/, "", $2); print $2 }'; }

# followed_by NODE: where a replica fetches from.
followed_by() { ask "$1" role | awk 'NR == 2 { host = $0 } NR == 3 { print host ":" $0 }'; }

# A node that belongs to no cluster and holds nothing.
is_virgin() {
	[ "$(info "$1" cluster_known_nodes)" = 1 ] &&
		[ "$(info "$1" cluster_slots_assigned)" = 0 ] &&
		[ "$(keys_in "$1")" = 0 ]
}

# One line for a person: what the node is and sees.
describe() {
	survey "$1" | {
		read -r role slots keys known _ _ state _
		echo "$1: $role, $slots slots, $keys keys, knows $known nodes, state $state"
	}
}
