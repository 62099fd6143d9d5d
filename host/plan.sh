#!/bin/bash
# Says what a deploy of a revision would do to each service, and touches nothing.
#
# The revision's files are fetched into a folder in memory that is gone afterwards: the clone
# keeps its files, its branches and its objects.
# shellcheck source=host/lib.sh
[ -n "${tt_log:-}" ] || . "$(dirname "$0")/lib.sh"
# shellcheck source=host/compose.sh
declare -F load_release_inputs >/dev/null || . "$(dirname "$0")/compose.sh"
# shellcheck source=host/stores.sh
declare -F replace_data_stores >/dev/null || . "$(dirname "$0")/stores.sh"
# shellcheck source=host/template.sh
declare -F fill_template >/dev/null || . "$(dirname "$0")/template.sh"
open_log
need TT_CLONE TT_REVISION TT_COMPOSE_FILE TT_PROJECT TT_APP_IMAGE TT_APP_SERVICE
load_doppler_token

folder=$(own_folder plan)
clean_up() { rm -rf "$folder"; }

# not_known WHY: a plan that cannot be made without touching the host is no failure.
not_known() { succeed "\"unknown\":$(json_string "$1")"; }

in_clone() { git -c safe.directory="$TT_CLONE" -C "$TT_CLONE" "$@"; }

has_revision() { in_clone cat-file -e "$TT_REVISION^{commit}" 2>/dev/null; }

[ -d "$TT_CLONE/.git" ] || not_known "there is no git clone at $TT_CLONE yet"
mkdir "$folder/objects" "$folder/files"
export GIT_OBJECT_DIRECTORY="$folder/objects" GIT_ALTERNATE_OBJECT_DIRECTORIES="$TT_CLONE/.git/objects"
export GIT_TERMINAL_PROMPT=0
has_revision || timeout 30 git -c safe.directory="$TT_CLONE" -C "$TT_CLONE" fetch --quiet --no-tags \
    --no-write-fetch-head --no-auto-maintenance --refmap= origin "$TT_REVISION" || true
has_revision || not_known "the host cannot fetch ${TT_REVISION:0:12} without changing its clone"
in_clone archive "$TT_REVISION" -- "$(dirname "$TT_COMPOSE_FILE")" ${TT_TEMPLATE:+"$TT_TEMPLATE"} |
    tar -x -C "$folder/files" || not_known "the revision lacks $TT_COMPOSE_FILE or ${TT_TEMPLATE:-its folder}"

tt_rendered="$folder/alertmanager.yml"
[ -z "${TT_TEMPLATE:-}" ] || fill_template "$folder/files/$TT_TEMPLATE" "$tt_rendered"
load_release_inputs
# Paths in the file mean the clone, as they will: they are part of each definition.
compose=(docker compose --project-name "$TT_PROJECT" --progress quiet
    --project-directory "$(dirname "$TT_CLONE/$TT_COMPOSE_FILE")" --file "$folder/files/$TT_COMPOSE_FILE")
read_compose_file

succeed "\"services\":$(list_changes)"
