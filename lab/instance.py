"""The lab's "EC2 instances": containers with a Docker engine, a disk and an agent of their own."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from lab.capabilities import grantable_capabilities
from lab.engine import LABEL, Engine
from lab.errors import LabError
from lab.processes import Processes, wait_until
from lab.settings import HOST_PORTS, SERVICE_PORTS, Host, LabSettings

IMAGE = "tt-lab/instance:latest"
AGENT = Path(__file__).with_name("agent")
IS_READY = Path(__file__).with_name("is-ready.sh")
CLONE = "/dockerProjects/tt-src/WEB7_9_B2ST_BE"
BRANCH = "develop"
STOP_SECONDS = 40
"""What a host gets to stop in, as at a real shutdown; then its power is cut."""

BOOT_SECONDS = 120

FORWARDED = tuple(name for name in SERVICE_PORTS if name not in ("prefect", "database"))
"""Services that a host reaches at the same `localhost` port as this machine."""

DEFAULT_DISK_GB = 8
LARGEST_DISK_GB = 1024
NOBODY_RESOLVES = "--dns=127.0.0.1"
"""A name that the host and its containers do not know themselves is refused at once.

Else its engine asks this machine's resolver for each container that is gone, and who waits for the
answer of a slow one, or of one that is away, does not get to say that the container is.
"""

IMAGE_STORES = ("overlay2", "containerd")
"""Where a host's engine may keep images; the first is what Docker 28 and before take by themselves.

It is the default since with containerd's each container that is listed costs four milliseconds of a
processor, and Compose lists them all with every command.
"""


def start_forwards(settings: LabSettings, processes: Processes) -> None:
    """Offer the services' ports on Unix sockets, which the hosts have mounted."""
    sockets = socket_folder(settings)
    sockets.mkdir(parents=True, exist_ok=True)
    ports = [settings.ports[name] for name in FORWARDED]
    pairs = [f"unix:{sockets}/{port}.sock=tcp:127.0.0.1:{port}" for port in ports]
    processes.start("forward", [sys.executable, "-u", AGENT / "forward.py", *pairs])
    wanted = [sockets / f"{port}.sock" for port in ports]
    processes.wait_ready(
        "forward", lambda: all(path.exists() for path in wanted), deadline_seconds=20
    )


def socket_folder(settings: LabSettings) -> Path:
    """Where the forwards' sockets lie."""
    return settings.home / "run" / "sockets"


class Instance:
    """One host of the lab."""

    def __init__(self, engine: Engine, settings: LabSettings, host: Host) -> None:
        self._engine = engine
        self._settings = settings
        self._host = host

    def state(self) -> str:
        """As the engine says: `running`, `exited`, ...; `missing` if there is no such container."""
        form = "{{.State.Status}}"
        found = self._engine.docker_or_nothing(
            "container", "inspect", "--format", form, self._host.container
        )
        return found or "missing"

    def start(self) -> None:
        """Create or start it; return once it has booted."""
        self.power_on()
        self.wait_booted()

    def power_on(self) -> None:
        """Create or start it, unless it runs; it has yet to boot then."""
        state = self.state()
        if state == "missing":
            self._create()
        elif state != "running":
            self._engine.docker("start", self._host.container)

    def stop(self) -> None:
        """Shut it down as an operator would."""
        self._engine.docker("stop", "--time", str(STOP_SECONDS), self._host.container)

    def reboot(self) -> None:
        """Shut it down and start it; its disk and its files stay."""
        self._engine.docker("restart", "--time", str(STOP_SECONDS), self._host.container)
        self.wait_booted()

    def set_up(self) -> None:
        """Give it the Doppler token, Doppler's address and the clone, as it was done by hand."""
        facts = {
            "TT_DOPPLER_URL": self._settings.url("doppler"),
            "TT_CLONE_URL": f"{self._settings.url('github')}/{self._settings.slug}.git",
            "TT_BRANCH": BRANCH,
            "TT_CLONE": CLONE,
        }
        options = [f"--env={name}={value}" for name, value in facts.items()]
        command = ["exec", "--interactive", *options, self._host.container, "set-up-host"]
        self._engine.docker(*command, stdin=self._settings.doppler_token)

    def run(self, *command: str) -> str:
        """What a command printed that ran on the host as root; raise `LabError` if it failed."""
        return self._engine.docker("exec", self._host.container, *command)

    def succeeds(self, *command: str) -> bool:
        """Whether a command that ran on the host as root exited with 0."""
        try:
            self.run(*command)
        except LabError:
            return False
        return True

    def attach(self, command: Sequence[str]) -> NoReturn:
        """Become a command that runs on the host, with this terminal and its exit status."""
        terminal = ["--tty"] if sys.stdin.isatty() and sys.stdout.isatty() else []
        arguments = ["exec", "--interactive", *terminal, self._host.container, *command]
        program = self._engine.tools.docker
        # An argument list, no shell; to wait for it would only put a process in between.
        os.execve(program, [str(program), *arguments], self._engine.environment())  # noqa: S606

    def wait_booted(self) -> None:
        """Return once the host has booted; raise `LabError` if it does not."""

        script = IS_READY.read_text()

        def booted_or_dead() -> bool:
            return self.succeeds("bash", "-c", script) or self.state() != "running"

        if not wait_until(booted_or_dead, BOOT_SECONDS) or self.state() != "running":
            raise LabError(
                f"{self._host.name} is {self.state()} and does not boot:\n"
                f"{self._engine.output_of(self._host.container)}\n"
                f"See `python -m lab exec {self._host.name} -- tail /var/log/dockerd.log`"
            )

    def _create(self) -> None:
        folder = make_disk(self._settings, self._host)
        ports = " ".join(str(self._settings.ports[name]) for name in FORWARDED)
        facts = {
            "TT_LAB_INSTANCE_ID": self._host.instance_id,
            "TT_LAB_REGION": self._settings.region,
            "TT_LAB_PORTS": ports,
            "TT_LAB_AWS_PORT": str(self._settings.ports["aws"]),
            "TT_LAB_MIRROR_PORT": str(self._settings.ports["mirror"]),
            "TT_LAB_IMAGE_STORE": image_store(),
        }
        mounts = {
            AGENT: "/opt/tt-lab:ro",
            socket_folder(self._settings): "/var/lib/tt-lab/sockets",
            folder: "/var/lib/tt-lab/disk",
        }
        self._engine.docker(
            "run", "--detach", "--init", f"--name={self._host.container}",
            f"--hostname={self._host.name}", f"--label={LABEL}={self._settings.name}",
            *freedom(), *(f"--env={name}={value}" for name, value in facts.items()),
            *(f"--volume={source}:{target}" for source, target in mounts.items()),
            *published(self._host), *own_disk(folder), NOBODY_RESOLVES, IMAGE,
        )  # fmt: skip


def freedom() -> list[str]:
    """Options that let an engine run inside the container; it has namespaces of its own."""
    capabilities = grantable_capabilities(Path("/proc/self/status").read_text())
    return [
        *(f"--cap-add={name}" for name in capabilities),
        "--security-opt=seccomp=unconfined",
        "--security-opt=apparmor=unconfined",
        "--security-opt=systempaths=unconfined",
        "--device-cgroup-rule=a *:* rwm",
        "--cgroupns=private",
        "--tmpfs=/run:exec,mode=755",
    ]


def published(host: Host) -> list[str]:
    """Options that publish the host's ports, on the loopback interface only."""
    return [
        f"--publish=127.0.0.1:{host.ports[name]}:{inside}"
        for name, (inside, _) in HOST_PORTS.items()
    ]


def image_store() -> str:
    """The image store of a host that is made now, as TT_LAB_IMAGE_STORE says."""
    chosen = os.environ.get("TT_LAB_IMAGE_STORE") or IMAGE_STORES[0]
    if chosen not in IMAGE_STORES:
        raise LabError(f"TT_LAB_IMAGE_STORE is {chosen}; it may be {' or '.join(IMAGE_STORES)}")
    return chosen


def disk_bytes() -> int:
    """The size of the disk of a host that is made now, as TT_LAB_DISK_GB says; 0: it has none."""
    chosen = os.environ.get("TT_LAB_DISK_GB") or str(DEFAULT_DISK_GB)
    with suppress(ValueError):
        gigabytes = float(chosen)
        if gigabytes == 0 or 1 <= gigabytes <= LARGEST_DISK_GB:
            return int(gigabytes * 2**30)
    raise LabError(
        f"TT_LAB_DISK_GB is {chosen}; it may be 0, or from 1 to {LARGEST_DISK_GB} gigabytes"
    )


def make_disk(settings: LabSettings, host: Host) -> Path:
    """The folder that holds the host's disk: a sparse file of `disk_bytes`.

    With TT_LAB_DISK_GB=0 the host has no disk of its own, and none that could be full.
    """
    folder = settings.home / "hosts" / host.name
    folder.mkdir(parents=True, exist_ok=True)
    size = disk_bytes()
    if size and not (folder / "disk.img").exists():
        with (folder / "disk.img").open("wb") as disk:
            disk.truncate(size)
    return folder


def own_disk(folder: Path) -> list[str]:
    """Options for where the inner engine keeps its data: on the disk, else on a volume."""
    # An overlay cannot lie on an overlay, so it must not be the container's own layer.
    return [] if (folder / "disk.img").exists() else ["--volume=/var/lib/docker"]
