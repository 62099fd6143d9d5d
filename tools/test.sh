#!/bin/bash
# test.sh [STAGE...]: the tests, quickest first; the first stage that fails ends it.
#
#   fast     no server, no lab; all of delivery's branches must be covered
#   prefect  with Prefect's test server
#   e2e      the product in labs of the tests' own, which are gone afterwards
#
# TT_TEST_WORKERS processes share a stage's files (2), each with its own server or lab; 0 has
# all tests run one after the other in one process.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH=$PWD/.venv/bin:$PATH

readonly LAB=${TT_LAB_HOME:-.lab-test}
readonly WORKERS=${TT_TEST_WORKERS:-2}

fast() {
    tests -m "not prefect and not e2e" \
        --cov --cov-branch --cov-report=term:skip-covered --cov-fail-under=100
}
prefect() { tests -m "prefect and not e2e"; }
e2e() { tests -m e2e; }

# Not in the foreground: bash would answer a signal only once pytest has ended. In a group of
# its own, so that what it is waiting for can be ended with it.
tests() {
    setsid pytest --numprocesses "$WORKERS" --dist loadfile --durations=15 "$@" &
    running=$!
    wait "$running"
}

end() {
    [[ -z ${running:-} ]] || kill -- "-$running" 2>/dev/null || true
    # The tests take their lab down; a pytest that was killed could not.
    [[ -z ${TT_LAB_KEEP:-} ]] || return 0
    local settings
    for settings in "$LAB"/lab.json "$LAB"-gw*/lab.json; do
        [[ ! -f $settings ]] || python -m lab --home "${settings%/*}" down
    done
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

(($# > 0)) || set -- fast prefect e2e
for stage in "$@"; do
    case $stage in
        fast | prefect | e2e) ;;
        *)
            echo "There is no stage called '$stage'; there are: fast prefect e2e" >&2
            exit 2
            ;;
    esac
    echo "=== $stage tests"
    started=$SECONDS
    "$stage"
    echo "=== $stage tests passed in $((SECONDS - started)) s"
done
