#!/bin/bash
# Renders Alertmanager's configuration inside "doppler run".
#
# The result holds the Slack webhook, so it lies in /run (memory, root only), never in the
# git tree nor on disk; starting the stack hands it to Compose from there.
# shellcheck source=host/lib.sh
[ -n "${tt_log:-}" ] || . "$(dirname "$0")/lib.sh"
open_log
need TT_CLONE TT_TEMPLATE
load_doppler_token
take_lock

template="$TT_CLONE/$TT_TEMPLATE"
rendered="$tt_run/alertmanager.yml"
[ -f "$template" ] || fail "the template $TT_TEMPLATE is not in this revision"
# shellcheck disable=SC2016 # a literal dollar
variables=$(grep -o '\${[A-Za-z_][A-Za-z0-9_]*}' "$template" | tr -d '${}' | sort -u || true)

read -ra names <<<"${variables//$'\n'/ }"

# Only the template's own variables are replaced: Alertmanager's templates keep their
# dollars. A name that Doppler lacks stops here, with that name.
# shellcheck disable=SC2016 # expanded inside doppler run
with_secrets bash -c 'for name in "$@"; do
        [ -n "${!name:-}" ] || { echo "Doppler has no value for $name" >&2; exit 3; }
    done
    envsubst "$(printf "\${%s} " "$@")"' render "${names[@]}" <"$template" >"$rendered.new" || {
    rm -f "$rendered.new"
    explain_secrets_failure "the template was not rendered: $(tail -n 1 "$tt_log")"
}
chmod 400 "$rendered.new"
mv -f "$rendered.new" "$rendered"
say "rendered $TT_TEMPLATE with: ${variables//$'\n'/ }"

succeed "\"path\":$(json_string "$rendered")" "\"variables\":$(printf '%s' "$variables" | json_lines)" \
    "\"sha256\":$(json_string "$(sha256sum "$template" | cut -d' ' -f1)")"
