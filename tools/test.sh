#!/bin/bash
# test.sh [STAGE...]: the tests, quickest first; the first stage that fails ends it.
#
#   fast     no server, no lab; all of delivery's branches must be covered
#   prefect  with Prefect's test server
#   e2e      the product in labs of the tests' own
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH=$PWD/.venv/bin:$PATH

fast() {
    pytest -m "not prefect and not e2e" \
        --cov --cov-branch --cov-report=term:skip-covered --cov-fail-under=100
}
prefect() { pytest -m "prefect and not e2e"; }
e2e() { pytest -m e2e; }

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
