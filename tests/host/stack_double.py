"""A Compose project that is one directory, and the ``docker`` that scripts of host/ see of it."""

import os
from pathlib import Path

from tests.host.running import HOST, Machine, Ran

# A container is a file running/SERVICE that holds the hash it was made from; roles/SERVICE holds
# "master" or "slave SERVICE". What changes something is written down in `changes`.
DOCKER = r"""
cd "$STACK"
service_of() { sed -n 's/.*service=\([a-z0-9-]*\).*/\1/p' <<<"$*"; }
up() {
    local recreate=1 service word
    for word in "$@"; do
        case "$word" in
        --no-recreate) recreate="" ;;
        --wait-timeout | [0-9]* | up | --*) ;;
        *) service=$word
            [ -n "$recreate" ] || [ ! -f "running/$service" ] || continue
            wanted=$(sed -n "s/^$service //p" hashes)
            [ "$(cat "running/$service" 2>/dev/null)" != "$wanted" ] || continue
            echo "$wanted" >"running/$service"
            echo "up $service" >>changes
            rm -f "sick/$service" ;;
        esac
    done
}
redis() { # SERVICE -p PORT COMMAND...
    local me=$1
    shift 3
    read -r role master <"roles/$me"
    case "$*" in
    "") for question in "cluster info" "info replication" "cluster nodes"; do
            redis "$me" -p 0 $question
        done ;;
    "info replication") printf 'role:%s\r\nmaster_link_status:up\r\n' "$role" ;;
    "cluster info") printf 'cluster_state:ok\r\ncluster_slots_ok:16384\r\n' ;;
    "cluster myid") echo "id-$me" ;;
    "cluster nodes") echo "id-$me 1:1@1 myself,$role ${master:+id-$master} 0 0 1 connected" ;;
    "cluster failover") echo "failover $me" >>changes
        [ ! -e timid ] || { rm timid; echo OK; return; }
        echo master >"roles/$me"; echo "slave $me" >"roles/$master"; echo OK ;;
    esac
}
case "$1" in
ps)
    case "$*" in
    *config-hash*) for file in running/*; do echo "${file##*/} $(cat "$file")"; done ;;
    *service=*) name=$(service_of "$*"); [ ! -f "running/$name" ] || echo "container-$name" ;;
    esac ;;
inspect) [[ $* != *State.Pid* ]] || { cat gateway-pid; exit; }
    [ -f "sick/${*: -1}" ] && echo unhealthy || echo healthy ;;
exec) name=${2#container-}; shift 6; redis "$name" "$@" ;;
compose)
    while [ "$1" != config ] && [ "$1" != up ]; do shift; done
    case "$*" in
    "config --services") cut -d' ' -f1 hashes ;;
    "config --hash"*) cat hashes ;;
    up*) up "$@" ;;
    esac ;;
esac
"""
REDIS = [f"redis-node-{n}" for n in range(1, 7)]
SERVICES = ["postgres", *REDIS, "app", "alertmanager", "prometheus", "gateway"]


class StackDouble:
    """The project of a machine: every service runs as defined until a test says otherwise."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.folder = machine.root / "stack"
        for name in ("running", "roles", "sick"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "hashes").write_text("".join(f"{s} defined\n" for s in SERVICES))
        for service in SERVICES:
            self.runs(service, "defined")
        for number, node in enumerate(REDIS, start=1):
            self._role(node, "master" if number <= 3 else f"slave redis-node-{number - 3}")
        self.gateway_runs_as(os.getpid())
        machine.program("docker", f"STACK={self.folder}\n{DOCKER}")

    def runs(self, service: str, definition: str) -> None:
        """Let a service run in a container that was made from this definition."""
        (self.folder / "running" / service).write_text(f"{definition}\n")

    def lacks(self, service: str) -> None:
        """Let a service not run."""
        (self.folder / "running" / service).unlink()

    def sickens(self, service: str) -> None:
        """Let a container be unhealthy until it is replaced."""
        (self.folder / "sick" / f"container-{service}").touch()

    def gives_a_failover_up(self) -> None:
        """Let the next failover that is asked for not come about."""
        (self.folder / "timid").touch()

    def gateway_runs_as(self, process: int) -> None:
        """Let the gateway's container have this process; 0 for none."""
        (self.folder / "gateway-pid").write_text(f"{process}\n")

    def do(self, body: str, *, replace: str = "") -> Ran:
        """Run shell that stands on compose.sh and stores.sh."""
        parts = [(HOST / f"{name}.sh").read_text() for name in ("compose", "stores")]
        begin = "open_log; TT_SECRETS_LOADED=1; compose_files; read_compose_file"
        return self._machine.run(
            "\n".join([*parts, begin, body]),
            TT_CLONE=str(self.folder),
            TT_COMPOSE_FILE="docker-compose.yml",
            TT_PROJECT="tt",
            TT_APP_SERVICE="app",
            TT_GATEWAY="gateway",
            TT_DATA_STORES=" ".join(["postgres", *REDIS]),
            TT_REDIS_NODES=" ".join(f"{node}:{7000 + n}" for n, node in enumerate(REDIS)),
            TT_REPLACE=replace,
        )

    @property
    def changes(self) -> list[str]:
        """What was changed, in order."""
        file = self.folder / "changes"
        return file.read_text().splitlines() if file.exists() else []

    def _role(self, node: str, role: str) -> None:
        Path(self.folder / "roles" / node).write_text(f"{role}\n")
