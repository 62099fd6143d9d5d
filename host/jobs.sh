#!/bin/bash
# Looking at the jobs that outlive their commands (detached.sh starts them).
# shellcheck disable=SC2154 # lib.sh's variables

tt_jobs="$tt_run/jobs"

# Whether a job runs. Asked for a second before it is said to be gone: a process that is just
# being replaced (exec) has no command line for a moment.
job_runs() {
    local pid tries
    [ -f "$1.pid" ] || return 1
    for tries in 1 2 3 4 5; do
        pid=$(cat "$1.pid")
        if [ -n "$pid" ] && tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF "$1.sh"; then return 0; fi
        [ "$tries" = 5 ] || sleep 0.25
    done
    return 1
}

# The job whose end is still to come, if there is one: a worker that died leaves it to itself.
job_under_way() {
    local file job
    for file in "$tt_jobs"/*.pid; do
        job=${file%.pid}
        if [ -f "$file" ] && [ ! -f "$job.out" ] && job_runs "$job"; then
            echo "${job##*/}"
            return 0
        fi
    done
}
