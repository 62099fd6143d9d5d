#!/bin/bash
# Measures a rollout from the host itself: a prober at the public port, and the gateway's
# own counters. What it finds goes into the answer as the deploy's receipt.
# shellcheck disable=SC2154 # lib.sh's variables

prober="" probes="$tt_run/probes.$$" probe_patience_seconds=5

# Ten requests a second at most, until stop_prober, this process's end, or half an hour.
start_prober() {
    : >"$probes"
    prober_loop $$ &
    prober=$!
}

prober_loop() {
    local began=$SECONDS
    trap '' PIPE # of a gateway that closes at once
    while [ -d "/proc/$1" ] && ((SECONDS - began < 1800)); do
        probe >>"$probes"
        pause 0.1
    done
}

# One request: when it left, its status (000: no answer that ended in time), and the seconds that it took.
# By this very shell: a takeover asks a hundred times, and each curl is fifty times the work.
probe() {
    local left=$EPOCHREALTIME socket reply="" status=000 took
    if { exec {socket}<>"/dev/tcp/127.0.0.1/$TT_APP_PORT"; } 2>/dev/null; then
        printf 'GET /actuator/health/liveness HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n' \
            1>&"$socket" 2>/dev/null || true
        # A status of 1 is the answer's end.
        IFS= read -r -d '' -t "$probe_patience_seconds" -u "$socket" reply || [ $? = 1 ] || reply=""
        exec {socket}>&-
    fi
    if [[ $reply =~ ^HTTP/[0-9.]+\ ([0-9]{3}) ]]; then status=${BASH_REMATCH[1]}; fi
    took=$((${EPOCHREALTIME/[.,]/} - ${left/[.,]/}))
    printf '%s %s %d.%06d\n' "${left/,/.}" "$status" $((took / 1000000)) $((took % 1000000))
}

stop_prober() {
    [ -z "$prober" ] || kill "$prober" 2>/dev/null || true
    prober=""
}

# window NAME FROM TO: requests, failures and latencies of the probes in [FROM, TO).
window() {
    awk -v from="$2" -v to="$3" '$1 >= from && $1 < to { print ($2 == 200 ? 0 : 1), $3 * 1000 }' "$probes" |
        sort -k2,2n | awk -v name="$1" '
            { failed += $1; if (!$1) took[++good] = $2 }
            function at(share, place) { place = int(good * share) + 1; return good ? took[place > good ? good : place] : 0 }
            END { printf "\"%s\":{\"requests\":%d,\"failed\":%d,\"p50_ms\":%.1f,\"p99_ms\":%.1f}", name, NR, failed, at(0.5), at(0.99) }'
}

# The longest time between two good answers, in milliseconds.
longest_gap() {
    awk '$2 == 200 { if (last && $1 - last > gap) gap = $1 - last; last = $1 } END { printf "%.0f", gap * 1000 }' "$probes"
}

# receipt STARTED SWITCHED: the measurements as JSON; times are seconds since 1970.
receipt() {
    local settled
    settled=$(awk -v at="$2" 'BEGIN { printf "%.3f", at + 1 }')
    printf '{%s,%s,%s,"longest_gap_ms":%s,"gateway_requests":%d,"gateway_errors":%d}' \
        "$(window before 0 "$1")" "$(window during "$1" "$settled")" "$(window after "$settled" 99999999999)" \
        "$(longest_gap)" "$3" "$4"
    rm -f "$probes"
}

# The receipt of a release that took over from another; null where nothing was replaced.
measured() {
    stop_prober
    if [ -n "${totals_after:-}" ] && [ -n "$outgoing" ]; then
        receipt "$started_at" "$switched_at" \
            $((${totals_after% *} - ${totals_before% *})) $((${totals_after#* } - ${totals_before#* }))
    else
        printf null
    fi
}
