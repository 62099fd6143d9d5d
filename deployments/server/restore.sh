#!/bin/bash
# restore.sh FILE: make Prefect's database what it was when FILE was written.
#
# Stop the server first: with anyone connected it refuses. The dump is read into a database
# of its own and takes the other's place only when it is complete; the replaced one stays as
# <name>_before_<time>, until a person drops it.
set -euo pipefail

readonly FILE=${1:?usage: restore.sh FILE}
readonly NAME=${PGDATABASE:?}
readonly FRESH=${NAME}_restored
BEFORE=${NAME}_before_$(date -u +%Y%m%dt%H%M%S)
readonly BEFORE

sql() { # statement, with :"name", :"fresh" and :"before" as identifiers
    PGOPTIONS='--client-min-messages=warning' psql --no-psqlrc --quiet --tuples-only --no-align --dbname=postgres \
        --set=ON_ERROR_STOP=1 --set=name="$NAME" --set=fresh="$FRESH" --set=before="$BEFORE" <<<"$1"
}

pg_restore --list "$FILE" >/dev/null

# Autovacuum counts for nobody: Postgres ends it itself where a database gets another name.
others=$(sql "select count(*) from pg_stat_activity where datname = :'name' and backend_type <> 'autovacuum worker'")
if ((others > 0)); then
    echo "$others connections to $NAME: stop the server first (docker compose stop server)." >&2
    exit 1
fi

sql 'drop database if exists :"fresh"'
sql 'create database :"fresh"'
pg_restore --dbname="$FRESH" --no-owner --exit-on-error "$FILE"
sql 'begin; alter database :"name" rename to :"before"; alter database :"fresh" rename to :"name"; commit'
echo "Restored $NAME from $FILE; what it was before is $BEFORE."
