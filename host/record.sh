#!/bin/bash
# Writes that a release proved healthy here. Only ever run after the health gate.
# shellcheck source=host/lib.sh
[ -n "${tt_log:-}" ] || . "$(dirname "$0")/lib.sh"
open_log
need TT_APP_VERSION TT_TAG TT_REVISION TT_APP_IMAGE TT_GENERATION TT_NOW
take_lock
claim_generation

record="$tt_state/releases.jsonl"
line=$(printf '{"version":%s,"tag":%s,"revision":%s,"image":%s,"configuration":%s,"generation":%s,"at":%s}' \
    "$(json_string "$TT_APP_VERSION")" "$(json_string "$TT_TAG")" "$(json_string "$TT_REVISION")" \
    "$(json_string "$TT_APP_IMAGE")" "$(json_string "${TT_CONFIGURATION:-}")" "$TT_GENERATION" \
    "$(json_string "$TT_NOW")")
# The last 50 releases are plenty; a re-run of the newest one replaces its own line.
kept=""
[ ! -s "$record" ] || kept=$(grep -vF "\"generation\":$TT_GENERATION," "$record" | tail -n 49 || true)
write_whole "$record" "${kept:+$kept$'\n'}$line"

succeed "\"releases\":$(wc -l <"$record")"
