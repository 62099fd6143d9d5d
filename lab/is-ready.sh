#!/bin/bash
# Whether a host has booted: its engine answers, its forwards listen, its agent runs.
# Sent to the host whole, so it also fits hosts that an older state of the lab made.
set -euo pipefail

docker version >/dev/null 2>&1
for port in $TT_LAB_PORTS; do
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null
done
kill -0 "$(</run/tt-lab/ssm-agent.pid)"
