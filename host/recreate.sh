#!/bin/bash
# Replaces the application in place, as "docker compose up" does: the service is away until
# the new container answers. For comparison, and for releases that cannot run side by side.
# shellcheck source=host/lib.sh
[ -n "${tt_log:-}" ] || . "$(dirname "$0")/lib.sh"
# shellcheck source=host/jobs.sh
declare -F job_under_way >/dev/null || . "$(dirname "$0")/jobs.sh"
# shellcheck source=host/detached.sh
declare -F run_detached >/dev/null || . "$(dirname "$0")/detached.sh"
# shellcheck source=host/compose.sh
declare -F start_data_stores >/dev/null || . "$(dirname "$0")/compose.sh"
# shellcheck source=host/stores.sh
declare -F replace_data_stores >/dev/null || . "$(dirname "$0")/stores.sh"
# shellcheck source=host/monitoring.sh
declare -F check_monitoring >/dev/null || . "$(dirname "$0")/monitoring.sh"
open_log
need TT_APP_IMAGE TT_APP_SERVICE TT_GENERATION TT_ATTEMPT
run_detached "recreate-$TT_GENERATION-$TT_ATTEMPT"

reload_with_secrets
clean_up() { forget_rendered; }
open_job_output
compose_files
take_lock
claim_generation
load_release_inputs
read_compose_file
check_monitoring
services_before=$(running_services)

start_data_stores
with_secrets "${compose[@]}" up --detach --no-deps --scale "$TT_APP_SERVICE=1" "$TT_APP_SERVICE" ||
    fail "the application did not start" "docker compose -p $TT_PROJECT logs $TT_APP_SERVICE"
start_gateway
start_the_rest
reload_monitoring

succeed "\"changed\":$(changed_services "$services_before" | json_lines)" \
    "\"configuration\":$(json_string "$(configuration_hash)")"
