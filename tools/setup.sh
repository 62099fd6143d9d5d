#!/bin/bash
# Everything that a fresh machine lacks to run and test this repository.
#
# Asks for Python 3.11 or newer and git; fetches from PyPI. Writes to .tools/
# and .venv/, and bytecode beside our sources, and nowhere else. Twice is the same as once.
# UV_PYTHON names the Python of the environment; unset, see `choose_python`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fits() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

require_python() {
    if ! fits python3; then
        echo "TT Deploy needs Python 3.11 or newer as python3; found: $(python3 --version 2>&1)" >&2
        exit 1
    fi
}

# The distribution's own where it is new enough: a version manager's has its interpreter in a shared
# library, which made the same work take a seventh longer (Debian 12's 3.11.2 beside pyenv's 3.11.7).
choose_python() {
    if [[ -n ${UV_PYTHON:-} ]]; then
        echo "$UV_PYTHON"
    elif [[ -x /usr/bin/python3 ]] && fits /usr/bin/python3; then
        echo /usr/bin/python3
    else
        echo python3
    fi
}

# Whatever folder a command of ours is typed in, as `--plan` is in any clone. Last on the path,
# so that a worktree's own files come first; relative, so that it names the tree it lies in.
make_importable_anywhere() {
    local packages
    for packages in .venv/lib/python*/site-packages; do
        echo ../../../.. >"$packages/tt-deploy.pth"
    done
}

# Where Python is told to write no bytecode (PYTHONDONTWRITEBYTECODE), each command would compile anew.
compile_our_own() {
    .venv/bin/python -m compileall -q benchmarks blocks delivery deployments flows lab tasks tests tools
}

require_python
# Compiled once here, not in every new process: importing Prefect takes 1 s instead of 3.
UV_PYTHON=$(choose_python) UV_COMPILE_BYTECODE=1 tools/uv.sh sync --locked
make_importable_anywhere
compile_our_own
