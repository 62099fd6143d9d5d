#!/bin/bash
# Marks a deploy in Grafana, so that its dashboards show when it was.
# shellcheck source=host/lib.sh
[ -n "${tt_log:-}" ] || . "$(dirname "$0")/lib.sh"
open_log
need TT_PROJECT TT_ANNOTATION

grafana=$(container_of grafana)
[ -n "$grafana" ] || succeed '"annotated":false'
# As it is published on this host: to all the world, or on loopback alone.
address=$(docker port "$grafana" 3000/tcp) || address=""
address=${address%%$'\n'*}
address=${address/#0.0.0.0:/127.0.0.1:}
[ -n "$address" ] || fail "Grafana's port is not published on this host" "docker port $grafana"
load_doppler_token

# curl reads the password as its configuration, by a pipe: it is in no argument and no file.
# shellcheck disable=SC2016 # GRAFANA_PASSWORD is Doppler's, known only in there
with_secrets bash -c '[ -n "${GRAFANA_PASSWORD:-}" ] || { echo "GRAFANA_PASSWORD is not in Doppler"; exit 3; }
    password=${GRAFANA_PASSWORD//\\/\\\\}
    password=${password//\"/\\\"}
    printf "user = \"admin:%s\"\n" "$password" |
        curl --config - --silent --show-error --fail --max-time 8 --output /dev/null \
            --header "Content-Type: application/json" --data-binary "$TT_ANNOTATION" "$1"' \
    annotate "http://$address/api/annotations" ||
    explain_secrets_failure "Grafana did not take the annotation: $(tail -n 1 "$tt_log")"

succeed '"annotated":true'
