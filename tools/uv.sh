#!/bin/bash
# uv.sh ARGUMENTS...: the machine's uv, or our own where it has none.
#
# Our own goes under .tools/ by pip's --target, which touches neither the
# system's Python nor the user's (and so is not refused by PEP 668).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly VERSION=0.13.9
readonly HOME_OF_UV=.tools/uv

install_pip() {
    if [[ $EUID -ne 0 ]] || ! command -v apt-get >/dev/null; then
        echo "python3 has no pip, and uv comes through pip: install python3-pip, then try again." >&2
        exit 1
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends python3-pip >/dev/null
}

# In an activated environment python3 is the environment's, which may have no pip; the one below it has.
python_with_pip() {
    local python
    for python in python3 "$(python3 -c 'import sys; print(sys._base_executable)')"; do
        if "$python" -m pip --version >/dev/null 2>&1; then
            echo "$python" && return 0
        fi
    done
    return 1
}

install_uv() {
    local python
    echo "Installing uv $VERSION into $HOME_OF_UV" >&2
    python=$(python_with_pip) || { install_pip && python=$(python_with_pip); }
    "$python" -m pip install --quiet --disable-pip-version-check --root-user-action ignore \
        --only-binary :all: --upgrade --target "$HOME_OF_UV" "uv==$VERSION" >&2
}

# A company's or a mirror's own certificate authority is in the system's store, not in uv's.
export UV_SYSTEM_CERTS=${UV_SYSTEM_CERTS:-true}

# Asked rather than looked up: a version manager's shim may exist and yet not run.
if uv --version >/dev/null 2>&1; then
    exec uv "$@"
fi
[[ -x $HOME_OF_UV/bin/uv ]] || install_uv
exec "$HOME_OF_UV/bin/uv" "$@"
