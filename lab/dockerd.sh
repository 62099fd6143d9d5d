#!/bin/bash
# dockerd.sh CONFIGURATION: run dockerd with a /run of its own.
#
# To be started in a mount namespace of its own (unshare --mount): Docker, containerd and
# runc all keep state in fixed places below /run, where two engines would meet and where
# one that is killed leaves it lying.
set -euo pipefail

name_servers=$(cat /etc/resolv.conf)
mount -t tmpfs -o mode=755 tmpfs /run
if [[ ! -e /etc/resolv.conf ]]; then # It was a link into /run.
    target=$(readlink --canonicalize-missing /etc/resolv.conf)
    mkdir -p "${target%/*}"
    printf '%s\n' "$name_servers" >"$target"
fi
exec dockerd --config-file "$1"
