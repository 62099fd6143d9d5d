#!/bin/sh
# Makes six Redis nodes one cluster of three masters and three replicas, once.
#
# Looks first and says what it found. Then, as the case may be: makes the cluster (every node empty),
# mends it (half-made, a node replaced, addresses changed), or leaves it alone (whole). It never
# resets a node, never flushes, and stops with words where a person has to decide. It may run at any
# time, and twice at once: the second waits for the first.
#
# Inputs: REDIS_NODES (address:port, the three masters first), DEADLINE_SECONDS (60, for each step),
# SETTLE_SECONDS (15, for what looks complete), the file
# /run/secrets/redis_password. Exit status 0: the cluster serves all slots.
set -eu

# Nothing below may hang for ever, for instance on a node that was frozen after it had answered.
[ -n "${WATCHED:-}" ] || WATCHED=yes exec timeout 600 sh "$0"

here=$(dirname "$0")
# shellcheck source=stack/docker/redis/cluster.sh
. "$here/cluster.sh"

deadline_seconds=${DEADLINE_SECONDS:-60}
present=
absent=

say() { echo "redis-cluster-init: $*"; }

stop() {
	say "$*" >&2
	exit 1
}

# The kernel's lock on the directory that both runs have mounted: it dies with its process.
one_at_a_time() {
	exec 9<"$here"
	flock -n 9 && return
	say "another initialisation is at work; waiting for it"
	flock 9
}

# within SECONDS COMMAND...: whether the command holds before the time is over.
within() {
	_until=$(($(date +%s) + $1))
	shift
	until "$@"; do
		[ "$(date +%s)" -lt "$_until" ] || return 1
		sleep 0.5
	done
}

answers() {
	case $(ask_seconds=3 && ask "$1" ping) in
	PONG) return 0 ;;
	*WRONGPASS* | *NOAUTH*) stop "$1 refuses the password: REDIS_PASSWORD was changed while the node" \
		"runs with the old one. Recreate the six nodes together (docker compose up -d" \
		"--force-recreate of redis-node-1 to 6; data stays), then run this again by" \
		"docker compose up: start gives it the password that it had." ;;
	*) return 1 ;;
	esac
}

call_the_roll() {
	for node in $REDIS_NODES; do
		if within "$1" answers "$node"; then present="$present $node"; else absent="$absent $node"; fi
	done
	for node in $present; do say "found $(describe "$node")"; done
	for node in $absent; do say "found $node: no answer"; done
	[ -n "$present" ] || stop "no node answers"
}

all_virgin() {
	for node in $present; do is_virgin "$node" || return 1; done
}

create() {
	[ -z "$absent" ] || stop "there is no cluster yet and$absent does not answer: all six are needed"
	say "every node is empty: making the cluster"
	# shellcheck disable=SC2086 # a list of nodes
	timeout "$deadline_seconds" redis-cli --cluster create $REDIS_NODES \
		--cluster-replicas 1 --cluster-yes
}

# Whether every node counts on all others and all slots, and has something to do; they may still be
# finding each other.
looks_complete() {
	for node in $present; do
		survey "$node" | {
			read -r role slots _ known assigned _
			[ "$known" = "$nodes_wanted" ] && [ "$assigned" = 16384 ] &&
				{ [ "$role" = slave ] || [ "$slots" != 0 ]; }
		} || return 1
	done
}

# Whether every node that answers sees a whole cluster and every replica follows its master.
whole() {
	replicas=0
	for node in $present; do
		seen=$(survey "$node" | {
			read -r role _ _ known _ ok state link
			echo "$state $ok $known $role $link"
		})
		case $seen in
		"ok 16384 $nodes_wanted master -") ;;
		"ok 16384 $nodes_wanted slave up") replicas=$((replicas + 1)) ;;
		*) return 1 ;;
		esac
	done
	[ "$replicas" = 3 ] || [ -n "$absent" ]
}

everybody_knows_everybody() {
	strangers=0
	for node in $present; do
		for other in $present; do
			if [ "$node" = "$other" ] || knows "$node" "$other"; then continue; fi
			strangers=$((strangers + 1))
			ask "$node" cluster meet "${other%:*}" "${other##*:}" >/dev/null
		done
	done
	[ "$strangers" = 0 ]
}

introduce() {
	# shellcheck disable=SC2086 # a list of nodes
	[ -z "$(contested_slots $present)" ] ||
		stop "two nodes claim the same slots: they come from different clusters. Decide by hand which" \
			"data counts (docs/runbook.md, Redis)."
	within "$deadline_seconds" everybody_knows_everybody || stop "the nodes do not find each other"
}

# Gives the slots that nobody ever served to the masters that creation meant them for.
assign_slots() {
	position=0
	for node in $REDIS_NODES; do
		position=$((position + 1))
		case $position in
		1) first=0 last=5460 ;;
		2) first=5461 last=10922 ;;
		3) first=10923 last=16383 ;;
		*) break ;;
		esac
		# shellcheck disable=SC2086 # a list of nodes
		unowned=$(unowned_slots "$first" "$last" $present)
		[ -n "$unowned" ] || continue
		holds_no_key || stop "nobody serves slots" "$unowned," "and the cluster holds data: what was" \
			"in them is lost, or on a volume put aside. Decide by hand (docs/runbook.md, Redis)."
		say "giving $node the slots" "$unowned"
		# shellcheck disable=SC2086 # a list of ranges
		ask "$node" cluster addslotsrange $unowned
	done
}

holds_no_key() (
	for node in $present; do [ "$(keys_in "$node")" = 0 ] || exit 1; done
)

# Ids that some node still expects but that none of the six has: what a replaced node left behind.
ghosts() {
	[ -z "$absent" ] || return 0 # whoever does not answer may come back
	living=$(for node in $present; do id_of "$node"; done)
	for node in $present; do ask "$node" cluster nodes; done |
		awk -v living="$living" 'index(living, $1) == 0 && $3 !~ /handshake/ { print $1 }' | sort -u
}

owns_slots() {
	ask "$1" cluster nodes | awk -v id="$2" '$1 == id && NF > 8 { found = 1 } END { exit !found }'
}

forget_ghosts() {
	for ghost in $(ghosts); do
		for node in $present; do
			within "$deadline_seconds" no_slots_left "$node" "$ghost" ||
				stop "a node that is gone ($ghost) still owns slots and no replica has taken over." \
					"Bring its volume back, or decide by hand (docs/runbook.md, Redis)."
		done
		say "forgetting $ghost, which a replaced node left behind"
		for node in $present; do ask "$node" cluster forget "$ghost" >/dev/null; done
	done
}

no_slots_left() { ! owns_slots "$1" "$2"; }

# Makes each master without slots the replica of a master that has none. Redis itself refuses that
# to a node that holds keys.
place_replicas() {
	for node in $present; do
		if [ "$(role_of "$node")" != master ] || [ -n "$(own_slots "$node")" ]; then continue; fi
		for master in $present; do
			if [ -z "$(own_slots "$master")" ] || has_replica "$master"; then continue; fi
			say "making $node the replica of $master"
			answer=$(ask "$node" cluster replicate "$(id_of "$master")")
			[ "$answer" = OK ] || stop "$node: $answer"
			within "$deadline_seconds" has_replica "$master" || stop "$master does not hear of its replica"
			break
		done
	done
}

# A replica may know its master's new address and still fetch from the old one.
realign_replicas() {
	for node in $present; do
		[ "$(role_of "$node")" = slave ] || continue
		master=$(master_of "$node")
		at=$(address_of "$master" "$node")
		[ "$(followed_by "$node")" != "$at" ] || continue
		say "$node follows its master to $at"
		ask "$node" cluster replicate "$master" >/dev/null
	done
}

has_replica() {
	[ -n "$(ask "$1" cluster replicas "$(id_of "$1")")" ]
}

mend() {
	say "the cluster is not whole: mending it"
	introduce
	assign_slots
	forget_ghosts
	place_replicas
	realign_replicas
}

serves() {
	for node in $present; do
		[ "$(info "$node" cluster_state)" = ok ] && [ "$(info "$node" cluster_slots_ok)" = 16384 ] ||
			return 1
	done
}

main() {
	read_password "${REDIS_PASSWORD_FILE:-/run/secrets/redis_password}"
	nodes_wanted=$(echo "$REDIS_NODES" | wc -w)
	one_at_a_time
	call_the_roll "${ROLL_CALL_SECONDS:-15}"
	if [ -n "$absent" ] && ! all_virgin; then
		within "$deadline_seconds" serves || stop "the cluster does not serve all slots without$absent"
		say "the cluster serves all slots, without$absent"
		return
	fi
	if all_virgin; then
		create
	elif looks_complete && within "${SETTLE_SECONDS:-15}" whole; then
		say "the cluster is whole: nothing to do"
		return
	else
		mend
	fi
	within "$deadline_seconds" whole || {
		for node in $present; do say "left $(describe "$node")"; done
		stop "the cluster did not become whole within $deadline_seconds s"
	}
	say "the cluster is whole: 16384 slots, three masters, three replicas in step"
}

main
