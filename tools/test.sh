#!/bin/bash
# test.sh [STAGE...]: the tests, quickest first; the first stage that fails ends it.
#
#   fast     no server, no lab; all of delivery's branches must be covered
#   prefect  with Prefect's test server
#   e2e      the product in a lab of the tests' own, which is gone afterwards
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH=$PWD/.venv/bin:$PATH

readonly LAB=${TT_LAB_HOME:-.lab-test}

fast() {
    tests -m "not prefect and not e2e" \
        --cov --cov-branch --cov-report=term:skip-covered --cov-fail-under=100
}
prefect() { tests -m "prefect and not e2e"; }
e2e() { tests -m e2e; }

# Not in the foreground: bash would answer a signal only once pytest has ended. In a group of
# its own, so that what it is waiting for can be ended with it.
tests() {
    setsid pytest "$@" &
    running=$!
    wait "$running"
}

end() {
    [[ -z ${running:-} ]] || kill -- "-$running" 2>/dev/null || true
    # The tests take their lab down; a pytest that was killed could not.
    if [[ -f $LAB/lab.json && -z ${TT_LAB_KEEP:-} ]]; then
        python -m lab --home "$LAB" down
    fi
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
