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

# Without what this deploy wrote before.
recorded_by_others() { [ ! -s "$record" ] || grep -vF "\"generation\":$TT_GENERATION," "$record" || true; }

# Of each release only the newest line, of which what comes before the configuration says which it
# is: one that is rolled out again and again must push nobody out. The last 50 are plenty.
lines=$({ recorded_by_others && printf '%s\n' "$line"; } | tac |
    awk -F ',"configuration":' '!seen[$1]++ && kept++ < 50' | tac)
write_whole "$record" "$lines"

succeed "\"releases\":$(wc -l <"$record")"
