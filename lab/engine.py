"""The Docker engine that builds the images and holds the hosts.

An engine that answers is used as it is, and only what carries the lab's label is touched
there. Where none answers, one is unpacked from Debian's packages and started for this lab
alone: its data, its sockets, its bridge and its mounts are the lab's, and `stop` removes
them without asking the engine.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from lab import bridge
from lab.errors import LabError
from lab.packages import NEWER, STABLE, DebianPackages, PackageSet, locked, unpack
from lab.processes import Processes, wait_until

LABEL = "tt-lab"
PRIVATE = "private"
SYSTEM_PATH = ":/usr/sbin:/usr/bin:/sbin:/bin"
LIBRARIES = "usr/lib/x86_64-linux-gnu"

ENGINE_PACKAGES = (
    PackageSet(
        NEWER,
        ("docker.io", "docker-cli", "docker-buildx", "docker-compose", "containerd", "tini-static"),
    ),
    # runc of the newer suite wants a newer C library than the stable suite has. Without an
    # iptables binary the engine gives containers no name server, even if told not to use it.
    PackageSet(
        STABLE,
        (
            "runc",
            "libseccomp2",
            "iptables",
            "libxtables12",
            "libnftnl11",
            "libmnl0",
            "libip4tc2",
            "libip6tc2",
            "libnetfilter-conntrack3",
            "libnfnetlink0",
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Toolbox:
    """Docker's programs, unpacked from packages under the cache."""

    root: Path

    @property
    def docker(self) -> Path:
        """The command-line client."""
        return self.root / "bin" / "docker"

    @property
    def configuration(self) -> Path:
        """A client configuration that knows the plugins and no credentials."""
        return self.root / "config"


def install_tools(cache: Path, packages: DebianPackages) -> Toolbox:
    """Unpack Docker, buildx and Compose under the cache unless they are there."""
    key = "-".join(wanted.key[:8] for wanted in ENGINE_PACKAGES)
    tools = Toolbox(cache / "engine" / key)
    with locked(cache / "engine.lock"):
        if not tools.root.exists():
            draft = tools.root.with_suffix(".draft")
            shutil.rmtree(draft, ignore_errors=True)
            for wanted in ENGINE_PACKAGES:
                unpack(packages.fetch(wanted), draft)
            lay_out(draft)
            draft.rename(tools.root)
    return tools


def lay_out(root: Path) -> None:
    """Give the unpacked programs the names by which the engine and the client look.

    `bin` holds the client alone, as it goes on people's PATH; `helpers` is the engine's.
    """
    programs, helpers, plugins = root / "bin", root / "helpers", root / "config" / "cli-plugins"
    for folder in (programs, helpers, plugins):
        folder.mkdir(parents=True)
    (programs / "docker").symlink_to("../usr/bin/docker")
    (helpers / "docker-init").symlink_to("../usr/bin/tini-static")
    for name in ("iptables", "ip6tables"):
        (helpers / name).symlink_to("../usr/sbin/xtables-nft-multi")
    for plugin in root.glob("usr/libexec/docker/cli-plugins/*"):
        (plugins / plugin.name).symlink_to(f"../../usr/libexec/docker/cli-plugins/{plugin.name}")


@dataclass(frozen=True, slots=True)
class Engine:
    """A Docker engine that answers, and the client to talk to it."""

    address: str
    """As in `DOCKER_HOST`."""
    tools: Toolbox

    def environment(self) -> dict[str, str]:
        """Environment of a command that is to use this engine."""
        path = f"{self.tools.root / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        return {
            **os.environ,
            "PATH": path,
            "DOCKER_HOST": self.address,
            "DOCKER_CONFIG": str(self.tools.configuration),
        }

    def docker(self, *arguments: str | Path, stdin: str | None = None) -> str:
        """What `docker ARGUMENTS` printed; raise `LabError` with its complaint if it failed."""
        done = subprocess.run(
            [self.tools.docker, *arguments],
            env=self.environment(),
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            said = (done.stderr or done.stdout).strip()
            raise LabError(f"docker {' '.join(map(str, arguments[:3]))} ... failed:\n{said}")
        return done.stdout.strip()

    def docker_or_nothing(self, *arguments: str | Path) -> str:
        """What `docker ARGUMENTS` printed, or the empty string if it failed."""
        try:
            return self.docker(*arguments)
        except LabError:
            return ""

    def labelled(self, kind: str, lab: str) -> list[str]:
        """Ids of this lab's objects: `container`, `volume`, `network` or `image`."""
        everything = ["--all"] if kind == "container" else []
        listing = self.docker(
            kind, "ls", "--quiet", *everything, "--filter", f"label={LABEL}={lab}"
        )
        return sorted(set(listing.split()))


def answers(address: str) -> bool:
    """Whether a Docker engine answers at this unix socket address."""
    if not address.startswith("unix://"):
        return False
    try:
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(5)
            link.connect(address.removeprefix("unix://"))
            connection = http.client.HTTPConnection("docker")
            connection.sock = link
            connection.request("GET", "/_ping")
            return connection.getresponse().status == http.client.OK
    except OSError:
        return False


def choose_engine(environment: Mapping[str, str]) -> str:
    """The address of an engine that answers, or `private`.

    `TT_LAB_ENGINE=private` forces the private one; otherwise `DOCKER_HOST` and the usual
    socket are asked, in this order. Only unix sockets count: the hosts share directories
    with this machine, so the engine must be on it.
    """
    if environment.get("TT_LAB_ENGINE") == PRIVATE:
        return PRIVATE
    usual = "unix:///var/run/docker.sock"
    for address in (environment.get("DOCKER_HOST", usual), usual):
        if answers(address):
            return address
    return PRIVATE


class PrivateEngine:
    """A Docker engine of the lab's own, under the lab's home."""

    NAME = "dockerd"

    def __init__(self, home: Path, lab: str, tools: Toolbox, processes: Processes) -> None:
        self._folder = home / "engine"
        self._tools = tools
        self._processes = processes
        self._bridge = lab.replace("tt-lab-", "ttlab")[: bridge.NAME_LIMIT]

    @property
    def address(self) -> str:
        """Where it listens, as in `DOCKER_HOST`."""
        return f"unix://{self._folder}/docker.sock"

    def start(self) -> Engine:
        """Start it unless it runs; return once it answers."""
        if not answers(self.address):
            self._processes.stop(self.NAME)
            network = self._network()
            bridge.create(self._bridge, network)
            self._write_configuration(network)
            self._processes.start(self.NAME, self._command(), env=self._environment())
            self._processes.wait_ready(
                self.NAME, lambda: answers(self.address), deadline_seconds=60
            )
        return Engine(self.address, self._tools)

    def stop(self) -> None:
        """End it and take its bridge away; its files are the caller's to remove.

        Its mounts lie in a mount namespace of its own and end with its last process.
        """
        self._processes.stop(self.NAME, grace_seconds=30)
        bridge.remove(self._bridge)

    def _network(self) -> IPv4Network:
        """The network of the bridge: chosen once, so that a restart finds its containers."""
        note = self._folder / "network"
        if not note.exists():
            note.parent.mkdir(parents=True, exist_ok=True)
            note.write_text(str(bridge.unused_network()))
        return IPv4Network(note.read_text())

    def _write_configuration(self, network: IPv4Network) -> None:
        configuration = {
            "bridge": self._bridge,
            "fixed-cidr": str(network),
            "data-root": str(self._folder / "data"),
            "exec-root": str(self._folder / "exec"),
            "pidfile": str(self._folder / "dockerd.pid"),
            "hosts": [self.address],
            "features": {"containerd-snapshotter": True},
            "insecure-registries": ["127.0.0.0/8"],
            "ip-forward": False,
            "iptables": False,
            "ip6tables": False,
            "log-driver": "json-file",
            "log-opts": {"max-size": "10m"},
            "shutdown-timeout": 10,
        }
        (self._folder / "daemon.json").write_text(json.dumps(configuration, indent=2))
        # Left behind by a kill -9; it would keep the engine from starting if the pid was reused.
        (self._folder / "dockerd.pid").unlink(missing_ok=True)

    def _command(self) -> Sequence[str]:
        """dockerd in a mount namespace of its own, with its own /run/containerd in it."""
        script = (
            "mkdir -p /run/containerd && mount -t tmpfs tmpfs /run/containerd && "
            f'exec dockerd --config-file "{self._folder}/daemon.json"'
        )
        return ["unshare", "--mount", "--propagation", "private", "bash", "-c", script]

    def _environment(self) -> dict[str, str]:
        root = self._tools.root
        libraries = f"{root / LIBRARIES}:{root / 'lib/x86_64-linux-gnu'}"
        return {
            "PATH": ":".join(str(root / part) for part in ("helpers", "usr/bin", "usr/sbin"))
            + SYSTEM_PATH,
            "LD_LIBRARY_PATH": libraries,
            "XTABLES_LIBDIR": str(root / LIBRARIES / "xtables"),
            "HOME": str(self._folder),
        }


def wait_gone(path: Path, deadline_seconds: float) -> bool:
    """Wait for a file to disappear; whether it did."""
    return wait_until(lambda: not path.exists(), deadline_seconds)
