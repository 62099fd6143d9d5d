#!/bin/bash
# Looking at the jobs that outlive their commands (detached.sh starts them).
# shellcheck disable=SC2154 # lib.sh's variables

tt_jobs="$tt_run/jobs"

# Whether a job runs. Asked for a second before it is said to be gone: a process that is just
# being replaced (exec) has no command line for a moment. Starts no process unless it is gone:
# whoever waits for a job asks five times a second.
job_runs() {
    local pid tries words
    for tries in 1 2 3 4 5; do
        if { read -r pid <"$1.pid" && mapfile -d '' -t words <"/proc/$pid/cmdline"; } 2>/dev/null; then
            [[ ${words[*]} != *"$1.sh"* ]] || return 0
        fi
        [ -f "$1.pid" ] || return 1
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
