#!/bin/sh
# Stands in for the official image's entrypoint: its documented environment variables
# (POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB, each also as ..._FILE, POSTGRES_INITDB_ARGS,
# POSTGRES_HOST_AUTH_METHOD, PGDATA), its /docker-entrypoint-initdb.d and its habit of
# starting a first server on the Unix socket alone while it initialises.
set -eu

# Set the variable $1 from the file that $1_FILE names, if it names one.
read_file_variable() {
    eval "file=\${$1_FILE:-}"
    # shellcheck disable=SC2154 # `file` is assigned by the eval above
    if [ -n "$file" ]; then
        eval "$1=\$(cat \"\$file\")"
    fi
}

become_postgres() {
    mkdir -p "$PGDATA" /var/run/postgresql
    chmod 700 "$PGDATA"
    chown -R postgres:postgres "$PGDATA" /var/run/postgresql
    chmod 3777 /var/run/postgresql
    exec start-stop-daemon -S -c postgres:postgres -x "$0" -- "$@"
}

make_cluster() {
    if [ -z "${POSTGRES_PASSWORD:-}" ] && [ "${POSTGRES_HOST_AUTH_METHOD:-}" != trust ]; then
        echo 'Error: the database is not initialised and POSTGRES_PASSWORD is not set.' >&2
        exit 1
    fi
    password_file=$(mktemp)
    printf '%s\n' "${POSTGRES_PASSWORD:-}" >"$password_file"
    # shellcheck disable=SC2086 # the variable holds several arguments, as documented
    initdb --username="$POSTGRES_USER" --pwfile="$password_file" ${POSTGRES_INITDB_ARGS:-}
    rm -f "$password_file"
    echo "host all all all ${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}" >>"$PGDATA/pg_hba.conf"
}

run_sql() {
    PGPASSWORD="${POSTGRES_PASSWORD:-}" psql -v ON_ERROR_STOP=1 --no-psqlrc --no-password \
        --username "$POSTGRES_USER" "$@"
}

run_init_files() {
    for file in /docker-entrypoint-initdb.d/*; do
        case "$file" in
            *.sh)
                echo "$0: running $file"
                sh "$file"
                ;;
            *.sql)
                echo "$0: running $file"
                run_sql --dbname "$POSTGRES_DB" -f "$file"
                ;;
            *.sql.gz)
                echo "$0: running $file"
                gunzip -c "$file" | run_sql --dbname "$POSTGRES_DB"
                ;;
        esac
    done
}

initialise() {
    make_cluster
    pg_ctl -D "$PGDATA" -o "-c listen_addresses='' -p ${PGPORT:-5432}" -w start
    if [ "$POSTGRES_DB" != postgres ]; then
        echo 'CREATE DATABASE :"name";' | run_sql --dbname postgres --set name="$POSTGRES_DB"
    fi
    run_init_files
    pg_ctl -D "$PGDATA" -m fast -w stop
    printf '\nPostgreSQL init process complete; ready for start up.\n\n'
}

case "${1:-}" in -*) set -- postgres "$@" ;; esac
if [ "${1:-}" != postgres ]; then
    exec "$@"
fi
for variable in POSTGRES_PASSWORD POSTGRES_USER POSTGRES_DB; do
    read_file_variable "$variable"
done
: "${POSTGRES_USER:=postgres}"
: "${POSTGRES_DB:=$POSTGRES_USER}"
export PGDATA POSTGRES_USER POSTGRES_DB
if [ "$(id -u)" = 0 ]; then
    become_postgres "$@"
fi
if [ -s "$PGDATA/PG_VERSION" ]; then
    echo 'PostgreSQL Database directory appears to contain a database; Skipping initialization'
else
    initialise
fi
exec "$@"
