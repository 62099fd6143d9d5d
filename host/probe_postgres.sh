#!/bin/bash
# Asks Postgres a few times in a row as the application's user, with its password.
# shellcheck source=host/lib.sh
[ -n "${tt_log:-}" ] || . "$(dirname "$0")/lib.sh"
open_log
need TT_PROJECT TT_APP_SERVICE TT_LOOKS TT_INTERVAL

# Over the container's own address: the image trusts its loopback, and a test that no
# password can fail proves little. The password stays inside the container.
read -r -d '' connect <<'TEXT' || true
export PGPASSWORD="${POSTGRES_PASSWORD:-$(cat "${POSTGRES_PASSWORD_FILE:-/dev/null}")}" PGCONNECT_TIMEOUT=3
export PGOPTIONS="-c statement_timeout=5s -c lock_timeout=3s" PGAPPNAME="tt-deploy probe"
exec psql --no-psqlrc --quiet --tuples-only --no-align --field-separator=" " --set ON_ERROR_STOP=1 \
    --host "$(hostname -i | cut -d" " -f1)" --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
    --command "$LOOK" --command BEGIN --command "$WRITE" --command COMMIT
TEXT

# One line: recovery, connections, used, replicas, broken ones, bytes behind. numbackends, since
# other users' sessions are hidden from a user without rights; a slot is a replica that may be away.
read -r -d '' look <<'TEXT' || true
SELECT 'TT', pg_is_in_recovery(),
    current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
        - coalesce(current_setting('reserved_connections', true)::int, 0),
    (SELECT sum(numbackends) FROM pg_stat_database),
    (SELECT count(*) FROM pg_stat_replication),
    (SELECT count(*) FROM pg_stat_replication WHERE state <> 'streaming')
        + (SELECT count(*) FROM pg_replication_slots WHERE NOT active),
    CASE WHEN pg_is_in_recovery() THEN 0 ELSE coalesce((SELECT
        max(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn))::bigint FROM pg_stat_replication), 0) END
TEXT

# A commit that truly goes to the disk (the table's own entry in the catalogue) and leaves nothing.
write="CREATE TEMP TABLE tt_probe ON COMMIT DROP AS SELECT now() AS at"

# The application's own setting, as its container has it; 10 is Hikari's default.
pool_size() {
    local app pool=""
    app=$(container_of "$TT_APP_SERVICE")
    [ -z "$app" ] || pool=$(docker inspect --format '{{range .Config.Env}}{{println .}}{{end}}' "$app" |
        sed -n 's/^SPRING_DATASOURCE_HIKARI_MAXIMUM_POOL_SIZE=\([0-9]\{1,4\}\)$/\1/p' | head -n 1)
    echo "${pool:-10}"
}

# sight_as_json ANSWER ERROR: the line that begins with TT, if there is one, and what went wrong.
sight_as_json() {
    local mark="" recovery="" connections used replicas broken lag
    read -r mark recovery connections used replicas broken lag < <(grep -m1 '^TT ' <<<"$1") || true
    if [ "$mark" = TT ]; then
        printf '{"answered":true,"in_recovery":%s,"connections":%d,"used":%d,"pool":%d,"replicas":%d,"replicas_broken":%d,"lag_bytes":%d,' \
            "$([ "$recovery" = t ] && echo true || echo false)" "$connections" "$used" "$pool" \
            "$replicas" "$broken" "$lag"
    else
        printf '{'
    fi
    printf '"error":%s}' "$(json_string "${2:0:300}")"
}

look_once() {
    local container answer="" error=""
    container=$(container_of postgres)
    if [ -z "$container" ]; then
        error="no postgres container is running"
    elif ! answer=$(timeout 12 docker exec --env "LOOK=$look" --env "WRITE=$write" "$container" sh -c "$connect" 2>&1); then
        error=$(grep -v '^TT ' <<<"$answer" | head -n 3)
        error=${error:-"no answer within 12 s"}
    fi
    sight_as_json "$answer" "$error"
}

pool=$(pool_size)
samples=""
for ((turn = 1; turn <= TT_LOOKS; turn++)); do
    [ ${#samples} -lt 6000 ] || break # what SSM keeps is limited; the worker asks again
    [ "$turn" = 1 ] || sleep "$TT_INTERVAL"
    samples+="${samples:+,}$(look_once)"
done
succeed "\"samples\":[$samples]"
