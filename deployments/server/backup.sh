#!/bin/bash
# backup.sh: one dump of Prefect's database into TT_BACKUPS; prints its path.
#
# Where the database is, PGHOST, PGUSER, PGPASSWORD and PGDATABASE say. A dump appears whole
# and readable or not at all; those older than TT_BACKUP_DAYS (30) go, once a new one is there.
set -euo pipefail
umask 077

readonly FOLDER=${TT_BACKUPS:?}
readonly DAYS=${TT_BACKUP_DAYS:-30}

mkdir -p "$FOLDER"
draft=$(mktemp "$FOLDER/.draft-XXXXXX")
trap 'rm -f "$draft"' EXIT

pg_dump --format=custom --no-owner --file="$draft"
pg_restore --list "$draft" >/dev/null # a dump that cannot be read is no backup

kept=$FOLDER/prefect-$(date -u +%Y%m%dT%H%M%S.%3NZ).dump
mv "$draft" "$kept"
find "$FOLDER" -name 'prefect-*.dump' -mtime "+$DAYS" -delete
echo "$kept"
