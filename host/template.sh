#!/bin/bash
# Filling a template in with Doppler's values.
# shellcheck disable=SC2154 # lib.sh's variables

# fill_template TEMPLATE TO: writes the template with its own ${NAMES} replaced; sets $variables.
#
# Only the template's own variables are replaced: Alertmanager's templates keep their dollars. A
# name that Doppler lacks stops here, with that name.
fill_template() {
    local names
    # shellcheck disable=SC2016 # a literal dollar
    variables=$(grep -o '\${[A-Za-z_][A-Za-z0-9_]*}' "$1" | tr -d '${}' | sort -u || true)
    read -ra names <<<"${variables//$'\n'/ }"
    # shellcheck disable=SC2016 # expanded inside doppler run
    with_secrets bash -c 'for name in "$@"; do
            [ -n "${!name:-}" ] || { echo "Doppler has no value for $name" >&2; exit 3; }
        done
        envsubst "$(printf "\${%s} " "$@")"' render "${names[@]}" <"$1" >"$2" || {
        rm -f "$2"
        explain_secrets_failure "the template was not rendered: $(tail -n 1 "$tt_log")"
    }
}
