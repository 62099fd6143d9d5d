#!/bin/bash
# Waits until the rollout that is under way on this host has ended, however it ends.
# shellcheck source=host/lib.sh
[ -n "${tt_log:-}" ] || . "$(dirname "$0")/lib.sh"
# shellcheck source=host/jobs.sh
declare -F job_under_way >/dev/null || . "$(dirname "$0")/jobs.sh"
open_log
need TT_WAIT_SECONDS

first=$(job_under_way)
job=$first
while [ -n "$job" ]; do
    ((SECONDS < TT_WAIT_SECONDS)) || fail "the rollout $job is still under way after $TT_WAIT_SECONDS s" \
        "cat $tt_jobs/$job.pid; tail $tt_logs/$job.log   # its process, its log"
    sleep 1
    job=$(job_under_way)
done

succeed "\"waited_for\":$(json_string "$first")"
