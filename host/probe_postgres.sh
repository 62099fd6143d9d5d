#!/bin/bash
# Asks Postgres a few times in a row as the application's user, with its password.
# shellcheck source=host/lib.sh
[ -n "${tt_log:-}" ] || . "$(dirname "$0")/lib.sh"
open_log
need TT_PROJECT TT_LOOKS TT_INTERVAL

# Over the container's own address: the image trusts its loopback, and a test that no
# password can fail proves little. The password stays inside the container.
# shellcheck disable=SC2016 # expanded in the container
ask='export PGPASSWORD="${POSTGRES_PASSWORD:-$(cat "${POSTGRES_PASSWORD_FILE:-/dev/null}")}" PGCONNECT_TIMEOUT=3
exec psql --no-psqlrc --tuples-only --no-align --host "$(hostname -i | cut -d" " -f1)" \
    --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" --command "SELECT 1, pg_is_in_recovery()"'

samples=""
for ((look = 1; look <= TT_LOOKS; look++)); do
    [ ${#samples} -lt 6000 ] || break # what SSM keeps is limited; the worker asks again
    [ "$look" = 1 ] || sleep "$TT_INTERVAL"
    answer="" error=""
    container=$(container_of postgres)
    if [ -z "$container" ]; then
        error="no postgres container is running"
    elif ! answer=$(timeout 8 docker exec "$container" sh -c "$ask" 2>&1); then
        error=${answer:-"no answer within 8 s"} answer=""
    fi
    samples+="${samples:+,}{\"answer\":$(json_string "${answer:0:300}"),\"error\":$(json_string "${error:0:300}")}"
done
succeed "\"samples\":[$samples]"
