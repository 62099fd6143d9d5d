"""A host that a whole rollout can be run on: its Docker, its gateway and its application in files.

A container is a folder of `containers`; the gateway's memory is `gateway`. For each command of
the rollout to Docker or the gateway `worlds` has a hash of what the host is like by then. One that
finds it as `kill-in` says is not obeyed: it kills the rollout and all that it started, as a power
cut would. After each one that is obeyed, `outages` has it if no release serves by then.
"""

import json
import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from delivery.host_script import compose_script
from tasks.ssm import script_parts
from tests.free_ports import free_port
from tests.host.running import Machine

_COMMON = r"""
cd "$HOSTED"
serves() { # prints who answers on the public port
    local first slot name state
    read -r first <gateway/active
    for slot in "$first" a b; do
        read -r name <"gateway/$slot.name"
        read -r state <"gateway/$slot.state"
        if [ "$state" = ready ] && answers "$name"; then echo "$name"; return; fi
    done
    return 1
}
answers() {
    local up=""
    [ -n "$1" ] && [ ! -f "containers/$1/ill" ] && read -r up 2>/dev/null <"containers/$1/running"
    [ "$up" = true ]
}
world() {
    local state=$TT_STATE_DIRECTORY
    cat containers/*/* gateway/* "$state"/{generation,before,gateway/current/slots} 2>/dev/null |
        md5sum | cut -d' ' -f1
}
put() { cat >"$1.new" && mv -f "$1.new" "$1"; }
begin() {
    local found
    found=$(world)
    echo "$found" >>worlds
    [ "$found" != "$(cat kill-in)" ] || power_cut
}
power_cut() { # the group that the rollout leads, and this one, which `timeout` may have made
    kill "-$(cat kill-with)" -- "-$(ps -o sid= -p $$ | tr -d ' ')"
    kill -9 0
}
end() { serves >/dev/null || echo "$*" >>outages; }
"""
_DOCKER = r"""
service_of() { sed -n 's/.*compose.service=\([a-z]*\).*/\1/p' <<<"$*"; }
with() { # FILE TEXT: the containers of whose files one says so
    local each
    for each in containers/*; do [ "$(cat "$each/$1")" != "$2" ] || echo "${each##*/}"; done
}
of() { cat "containers/$1/$2"; }
hash_of() {
    if [ "$1" = app ]; then md5sum <<<"$APP_IMAGE $(cat values)" | cut -c1-12; else echo "as-$1"; fi
}
make() { # NAME SERVICE
    mkdir "containers/.$1"
    echo "$2" >"containers/.$1/service"; hash_of "$2" >"containers/.$1/definition"
    echo "$APP_IMAGE" >"containers/.$1/image"; echo true >"containers/.$1/running"
    [ "$2" != app ] || [ "$(cat values)" != bad ] || touch "containers/.$1/ill"
    mv "containers/.$1" "containers/$1"
}
up() {
    local most=1 word service last
    for word in "$@"; do
        case "$word" in app=*) most=${word#app=} ;; [a-z]*) service=$word ;; esac
    done
    while [ "$(with service "$service" | wc -l)" -lt "$most" ]; do
        last=$(with service "$service" | sed 's/.*-//' | sort -n | tail -n 1)
        make "tt-$service-$((${last:-0} + 1))" "$service"
    done
}
begin
name=${*: -1}
case "$1" in
compose)
    until [[ "$1" =~ ^(config|up|run)$ ]]; do shift; done
    case "$*" in
    "run "*) cat refused 2>/dev/null && exit 1 || exit 0 ;;
    "config --services") printf '%s\n' postgres app gateway ;;
    "config --hash"*) for each in postgres app gateway; do echo "$each $(hash_of "$each")"; done ;;
    up*) shift; up "$@" ;;
    esac ;;
ps)
    case "$*" in
    *config-hash*) for c in $(with running true); do
        echo "$(of "$c" service) $(of "$c" definition)"
    done ;;
    *{{.Names}}*) with service "$(service_of "$@")" ;;
    *{{.ID}}*) for c in $(with running true); do echo "$(of "$c" service) $c"; done ;;
    *name=^*) with running true | grep -x "$(sed -n 's/.*name=^\([^$]*\)\$.*/\1/p' <<<"$*")" ;;
    *service=*) comm -12 <(with service "$(service_of "$@")") <(with running true) ;;
    esac ;;
inspect)
    [ -d "containers/$name" ] || exit 1
    case "$*" in
    *State.Pid*) cat gateway-process ;;
    *Running*RestartCount*)
        echo "$(of "$name" running) 0|$(cat "health-of-$(of "$name" image)" 2>/dev/null)|$name" ;;
    *RestartCount*) echo 0 ;;
    *config-hash*) of "$name" definition ;;
    *Config.Image*) of "$name" image ;;
    *) echo "$name" ;;
    esac ;;
stop) echo false | put "containers/$name/running" ;;
rm) rm -rf "containers/$name" ;;
esac
status=$?
end docker "$@"
exit $status
"""
_GATEWAY = r"""
read -r -a words -d '' || true
begin
obey() {
    case "$*" in
    "show map") echo "0 (/etc/active.map) pattern loaded from file" ;;
    "show map "*) echo "0x55 active to_$(cat gateway/active)" ;;
    "show stat public"*) printf '# pxname,svname,req_tot,hrsp_5xx,\npublic,FRONTEND,7,0,\n' ;;
    "show stat"*) status ;;
    "set map"*) echo "${*: -1}" | sed 's/to_//' | put gateway/active ;;
    *"/last "*) ;;
    *" fqdn "*) echo "$5" | put "gateway/${3#to_?/}.name" ;;
    *" state "*) echo "$5" | put "gateway/${3#to_?/}.state" ;;
    esac
}
status() {
    local backend slot seen
    echo '# pxname,svname,scur,stot,status,econ,eresp,hrsp_5xx,'
    for backend in a b; do for slot in a b; do
        seen=DOWN; ! answers "$(cat "gateway/$slot.name")" || seen=UP
        [ "$(cat "gateway/$slot.state")" = ready ] || seen=MAINT
        echo "to_$backend,$slot,0,0,$seen,0,0,0,"
    done; done
}
each=()
for word in "${words[@]}"; do
    each+=("${word%;}")
    if [[ $word == *";" ]]; then obey "${each[@]}"; each=(); fi
done
obey "${each[@]}"
end gateway "${words[@]}"
"""
_CURL = r"""
url=${*: -1} host=${url#http://} host=${host%%:*}
down=$(cat down-everywhere "down-in-$(cat "containers/$host/image")" 2>/dev/null)
if ! answers "$host"; then
    printf 503
elif [[ $url != */readiness ]] && [ -f "containers/$host/mute" ]; then
    printf 000
elif [[ $url == */readiness ]] || [ -z "$down" ]; then
    printf 200
else
    until [ "$1" = --output ]; do shift; done
    printf '"%s":{"status":"DOWN"}' $down >"$2"
    printf 503
fi
"""


@dataclass(frozen=True)
class Run:
    """A rollout that was run: its answer, or nothing if it was killed."""

    result: dict[str, Any] | None
    log: str


class WholeHost:
    """A machine whose rollouts can be run from end to end and killed before any command."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.folder = machine.root / "hosted"
        for name in ("containers", "gateway"):
            (self.folder / name).mkdir(parents=True)
        for name, body in (("docker", _DOCKER), ("nsenter", _GATEWAY), ("curl", _CURL)):
            machine.program(name, f"HOSTED={self.folder}\n{_COMMON}\n{body}")
        machine.program("doppler", 'until [ "$1" = -- ]; do shift; done; shift; exec "$@"')
        machine.program("sleep", "exec /bin/sleep 0.01")
        (machine.root / "token").write_text("dp.st.token\n")
        self._write("gateway-process", str(os.getpid()))
        self._write("gateway/active", "a")
        for slot in "ab":
            self._write(f"gateway/{slot}.name", "")
            self._write(f"gateway/{slot}.state", "maint")
        self.values("good")
        # Where the prober finds nobody: who serves is told by the outages.
        self._public = free_port()
        self._generation = self._generation_kept = 0
        self._kept = machine.root.with_name("kept")

    def values(self, values: str) -> None:
        """What Doppler says; an application that is started with `bad` is never ready."""
        self._write("values", values)

    def refuses_the_gateways_files(self, why: str) -> None:
        """Let HAProxy refuse what the clone has for it."""
        self._write("refused", why)

    def is_down(self, component: str, *, image: str = "") -> None:
        """Let a component be down in all containers, or in an image's; they are ready."""
        self._write(f"down-in-{image}" if image else "down-everywhere", component)

    def finds(self, image: str, health: str) -> None:
        """What Docker's own health check says of this image's containers; before: it has none."""
        self._write(f"health-of-{image}", health)

    def says_nothing_of_its_health(self, container: str) -> None:
        """Let a container hang when it is asked for its health; it is ready all the same."""
        (self.folder / "containers" / container / "mute").touch()

    def falls_ill(self, container: str) -> None:
        """Let a container answer no more."""
        (self.folder / "containers" / container / "ill").touch()

    def rolled_out(
        self,
        image: str,
        *,
        kill_in: str = "never",
        kill_with: str = "KILL",
        goes_back: bool = False,
        prepared: bool = True,
        warm_seconds: int = 0,
        gate_seconds: int = 15,
    ) -> Run:
        """Run host/rollout.sh as its job is run, for this release, until its answer is there.

        ``goes_back``: it undoes the last one, in its generation; ``prepared``: git, Doppler and the
        registry were there for it. ``gate_seconds`` are waited out by what is never ready.
        """
        self._generation += 0 if goes_back else 1
        for name in ("outages", "worlds"):
            (self.folder / name).write_text("")
        self._write("kill-in", kill_in)
        self._write("kill-with", kill_with)
        job = f"rollout-{self._generation}-x"
        jobs = self._machine.memory / "jobs"
        jobs.mkdir(parents=True, exist_ok=True)
        (jobs / f"{job}.out").unlink(missing_ok=True)
        script = self._machine.root / "job.sh"
        way_back = {"TT_WAY_BACK": "yes" if goes_back else "no", "TT_DETACHED": job}
        way_back["TT_PREPARED"] = "yes" if prepared else "no"
        seconds = {"TT_WARM_SECONDS": str(warm_seconds), "TT_GATE_SECONDS": str(gate_seconds)}
        given = {**self._inputs(image), **way_back, **seconds}
        script.write_text(compose_script(script_parts("rollout"), given))
        with subprocess.Popen(
            ["bash", str(script)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=self._machine.environment(),
            cwd=self._machine.root,
            start_new_session=True,
        ) as process:
            while process.poll() is None and not (jobs / f"{job}.out").exists():
                time.sleep(0.02)
            with suppress(ProcessLookupError):  # what it would still do is keep the old one warm
                os.killpg(process.pid, signal.SIGKILL)
        log = (self._machine.logs / f"{job}.log").read_text()
        return Run(_answer_in(jobs / f"{job}.out"), log)

    def save(self) -> None:
        """Keep what is on the machine now, for ``restore``."""
        shutil.copytree(self._machine.root, self._kept, symlinks=True)
        self._generation_kept = self._generation

    def restore(self) -> None:
        """Have the machine as it was saved."""
        shutil.rmtree(self._machine.root)
        shutil.copytree(self._kept, self._machine.root, symlinks=True)
        self._generation = self._generation_kept

    def _inputs(self, image: str) -> dict[str, str]:
        return {
            "TT_STEP": "rollout",
            "TT_APP_IMAGE": image,
            "TT_GENERATION": str(self._generation),
            "TT_ATTEMPT": "x",
            "TT_CLONE": str(self.folder),
            "TT_COMPOSE_FILE": "docker-compose.yml",
            "TT_PROJECT": "tt",
            "TT_APP_SERVICE": "app",
            "TT_APP_PORT": str(self._public),
            "TT_GATEWAY": "gateway",
            "TT_DATA_STORES": "postgres",
            "TT_TOKEN_FILE": str(self._machine.root / "token"),
            "TT_DOPPLER_PROJECT": "tt",
            "TT_DOPPLER_CONFIG": "prd",
            "TT_GATE_PASSES": "2",
            "TT_DRAIN_SECONDS": "15",
            "TT_SOAK_SECONDS": "0",
            "TT_SOAK_ERRORS": "5",
            "TT_STOP_SECONDS": "1",
        }

    @property
    def worlds(self) -> list[str]:
        """What the host was like before the commands of the last run, each once and in order."""
        return list(dict.fromkeys((self.folder / "worlds").read_text().splitlines()))

    @property
    def outages(self) -> list[str]:
        """The commands of the last run after which no release served."""
        return (self.folder / "outages").read_text().splitlines()

    @property
    def serving(self) -> str:
        """The image of whom the gateway asks first; empty if that container does not answer."""
        active = self._read("gateway/active")
        name = self._read(f"gateway/{active}.name")
        folder = self.folder / "containers" / name
        well = name and (folder / "image").exists() and not (folder / "ill").exists()
        return self._read(f"containers/{name}/image") if well else ""

    @property
    def apps(self) -> list[str]:
        """The application's containers."""
        return sorted(path.name for path in (self.folder / "containers").glob("tt-app-*"))

    def _write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(f"{text}\n")

    def _read(self, name: str) -> str:
        return (self.folder / name).read_text().strip()


def _answer_in(file: Path) -> dict[str, Any] | None:
    if not file.exists():
        return None
    *_, last = file.read_text().splitlines()
    answer = json.loads(last.removeprefix("TT_RESULT "))
    assert isinstance(answer, dict)
    return answer
