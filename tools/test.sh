#!/bin/bash
# test.sh [STAGE...]: the tests, quickest first; the first stage that fails ends it.
#
#   fast     no server, no lab; all of delivery's branches must be covered
#   slow     the next two side by side: each waits much, and neither fills the processors
#   prefect  with a Prefect server
#   e2e      the product in labs of the tests' own, which are gone afterwards
#
# Without a stage: fast, then slow. TT_TEST_WORKERS processes share a stage's files (2), each with
# its own server or lab; 0 has the stages run one after the other, each in one process.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH=$PWD/.venv/bin:$PATH

readonly LAB=${TT_LAB_HOME:-.lab-test}
readonly WORKERS=${TT_TEST_WORKERS:-2}
running=() said=""

# Coverage costs a third of the time, so only the tests of `delivery` pay it.
fast() {
    beside 1 tests/delivery --cov --cov-branch --cov-report=term:skip-covered --cov-fail-under=100
    start "$((WORKERS + 1))" --ignore tests/delivery -m "not prefect and not e2e"
    finish
}

prefect() {
    start "$WORKERS" -m "prefect and not e2e"
    finish
}

e2e() {
    start "$WORKERS" -m e2e
    finish
}

# A lab costs more than its share of tests, so a third process is better off with servers.
slow() {
    beside 2 -m "prefect and not e2e"
    start "$WORKERS" -m e2e
    finish
}

# beside PROCESSES ARGUMENT...: begins a pytest; what it says comes when it has ended.
beside() {
    if ((WORKERS)); then
        said=$(mktemp)
        start "$@" &>"$said"
    else
        start "$@"
        finish
    fi
}

# start PROCESSES ARGUMENT...: begins a pytest. Not in the foreground: bash would answer a signal
# only once it has ended. In a group of its own, so that what it waits for can be ended with it.
start() {
    local processes=$((WORKERS ? $1 : 0))
    shift
    # Files in the order in which they are collected: the longest first (tests/conftest.py).
    setsid pytest --numprocesses "$processes" --dist loadfile --no-loadscope-reorder --durations=15 "$@" &
    running+=($!)
}

# finish: waits for all that began; fails if one of them did.
finish() {
    local process status=0
    for process in "${running[@]}"; do
        wait "$process" || status=$?
        [[ -z $said ]] || cat "$said"
        rm -f "$said"
        said=""
    done
    running=()
    return "$status"
}

end() {
    local process settings
    for process in "${running[@]}"; do kill -- "-$process" 2>/dev/null || true; done
    rm -f "$said"
    # The tests take their lab down; a pytest that was killed could not.
    [[ -z ${TT_LAB_KEEP:-} ]] || return 0
    for settings in "$LAB"/lab.json "$LAB"-gw*/lab.json; do
        [[ ! -f $settings ]] || python -m lab --home "${settings%/*}" down
    done
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

(($# > 0)) || set -- fast slow
for stage in "$@"; do
    case $stage in
        fast | slow | prefect | e2e) ;;
        *)
            echo "There is no stage called '$stage'; there are: fast slow prefect e2e" >&2
            exit 2
            ;;
    esac
    echo "=== $stage tests"
    started=$SECONDS
    "$stage"
    echo "=== $stage tests passed in $((SECONDS - started)) s"
done
