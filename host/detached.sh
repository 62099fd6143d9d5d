#!/bin/bash
# Lets a script outlive whoever started it.
#
# The SSM agent kills a command's whole process group, without traps, on a timeout or a
# cancel. So the dangerous part runs as a job of its own (a systemd unit where there is
# systemd, else a session of its own), and the command only waits for it. A second command
# for the same job finds it and waits too.
# shellcheck disable=SC2154,SC2034 # variables of lib.sh and jobs.sh

# run_detached NAME: in the waiting command it never returns; in the job it does, once.
run_detached() {
    [ "${TT_DETACHED:-}" != "$1" ] || return 0
    local job="$tt_jobs/$1"
    mkdir -p "$tt_jobs"
    trap - EXIT
    exec 8>"$job.lock"
    flock 8
    # What failed for now is tried again, and not told again.
    ! tail -n 1 "$job.out" 2>/dev/null | grep -q '"transient":true}$' || rm -f "$job.out"
    if [ ! -f "$job.out" ] && ! job_runs "$job"; then start_job "$1" "$job"; fi
    exec 8>&-
    wait_for_job "$job"
}

start_job() {
    local name=$1 job=$2
    { printf '#!/bin/bash\nexport TT_DETACHED=%q\n' "$name" && cat "${BASH_SOURCE[-1]}"; } >"$job.sh"
    if [ -d /run/systemd/system ] && command -v systemd-run >/dev/null; then
        systemd-run --quiet --collect --unit="tt-deploy-$name" bash "$job.sh" 8>&-
        systemctl show --property MainPID --value "tt-deploy-$name" >"$job.pid"
    else
        setsid bash "$job.sh" </dev/null >/dev/null 2>&1 8>&- &
        echo $! >"$job.pid"
    fi
}

# In the job: starts it once more inside one "doppler run", so that a rollout asks Doppler
# once and not for each of its many calls. The secrets live in the job's memory only.
reload_with_secrets() {
    [ -z "${TT_SECRETS_LOADED:-}" ] || return 0
    load_doppler_token
    trap - EXIT
    export TT_SECRETS_LOADED=1
    exec doppler run --no-fallback --project "$DOPPLER_PROJECT" --config "$DOPPLER_CONFIG" -- bash "$0"
}

# Shows the job's own output, and ends as it ended.
wait_for_job() {
    local job=$1
    while [ ! -f "$job.out" ]; do
        if ! job_runs "$job" && [ ! -f "$job.out" ]; then
            trap print_failure EXIT
            tt_log="$tt_logs/${job##*/}.log"
            explain_secrets_failure "the job ended without a result: it was killed, or the host went down"
        fi
        pause 0.2
    done
    cat "$job.out" >&3
    exec grep -q '^TT_RESULT {"ok":true' "$job.out"
}

# In the job: its result goes to a file, which appears whole.
open_job_output() {
    echo $$ >"$tt_jobs/$TT_DETACHED.pid.new"
    mv -f "$tt_jobs/$TT_DETACHED.pid.new" "$tt_jobs/$TT_DETACHED.pid"
    exec 3>"$tt_jobs/$TT_DETACHED.part"
}

hand_over() {
    mv -f "$tt_jobs/$TT_DETACHED.part" "$tt_jobs/$TT_DETACHED.out"
    find "$tt_jobs" -type f -mmin +1440 -delete
    afterwards
}

# What a job still does once its result can be had; scripts define their own.
afterwards() { :; }
