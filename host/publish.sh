#!/bin/bash
# Has the host's Prometheus keep some figures, given in its text format.
# shellcheck source=host/lib.sh
[ -n "${tt_log:-}" ] || . "$(dirname "$0")/lib.sh"
# shellcheck source=host/monitoring.sh
declare -F push_metrics >/dev/null || . "$(dirname "$0")/monitoring.sh"
open_log
need TT_PROJECT TT_METRICS

prometheus=$(container_of prometheus)
[ -n "$prometheus" ] || succeed '"published":false'
printf '%s\n' "$TT_METRICS" | push_metrics "$prometheus" ||
    fail "Prometheus did not take the figures: $(tail -n 1 "$tt_log")" "docker logs --tail 20 $prometheus"

succeed '"published":true'
