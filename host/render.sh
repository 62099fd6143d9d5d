#!/bin/bash
# Renders Alertmanager's configuration inside "doppler run".
#
# The result holds the Slack webhook, so it lies in /run (memory, root only), never in the
# git tree nor on disk; starting the stack hands it to Compose from there.
# shellcheck source=host/lib.sh
[ -n "${tt_log:-}" ] || . "$(dirname "$0")/lib.sh"
# shellcheck source=host/template.sh
declare -F fill_template >/dev/null || . "$(dirname "$0")/template.sh"
open_log
need TT_CLONE TT_TEMPLATE
load_doppler_token
take_lock

template="$TT_CLONE/$TT_TEMPLATE"
rendered="$tt_run/alertmanager.yml"
[ -f "$template" ] || fail "the template $TT_TEMPLATE is not in this revision"
fill_template "$template" "$rendered.new"
chmod 400 "$rendered.new"
mv -f "$rendered.new" "$rendered"
say "rendered $TT_TEMPLATE with: ${variables//$'\n'/ }"

succeed "\"path\":$(json_string "$rendered")" "\"variables\":$(printf '%s' "$variables" | json_lines)" \
    "\"sha256\":$(json_string "$(sha256sum "$template" | cut -d' ' -f1)")"
