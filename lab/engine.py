"""The Docker engine that builds the images and holds the hosts.

An engine that answers is used as it is, and only what carries the lab's label is touched
there. Where none answers, the lab starts one of its own: see `private_engine`.
"""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError
from lab.packages import BETWEEN, NEWER, STABLE, DebianPackages, PackageSet, install

LABEL = "tt-lab"
PRIVATE = "private"
COMMAND_SECONDS = 1800
"""Long enough to build every image on a machine that has much else to do."""
COMPLAINT_LINES = 25
"""How much of a failed command's words an error repeats: the end of it."""

ENGINE_PACKAGES = (
    PackageSet(
        NEWER,
        ("docker.io", "docker-buildx", "docker-compose", "containerd", "tini-static"),
    ),
    PackageSet(BETWEEN, ("docker-cli",)),
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
    return Toolbox(install(cache / "engine", ENGINE_PACKAGES, packages, finish=lay_out))


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
            timeout=COMMAND_SECONDS,
        )
        if done.returncode:
            said = "\n".join((done.stderr or done.stdout).strip().splitlines()[-COMPLAINT_LINES:])
            raise LabError(f"docker {' '.join(map(str, arguments[:3]))} ... failed:\n{said}")
        return done.stdout.strip()

    def docker_or_nothing(self, *arguments: str | Path) -> str:
        """What `docker ARGUMENTS` printed, or the empty string if it failed."""
        try:
            return self.docker(*arguments)
        except LabError:
            return ""

    def output_of(self, container: str) -> str:
        """The end of what a container printed, on both of its streams."""
        done = subprocess.run(
            [self.tools.docker, "logs", "--tail", str(COMPLAINT_LINES), container],
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=COMMAND_SECONDS,
        )
        return done.stdout.strip()

    def labelled(self, kind: str, lab: str) -> list[str]:
        """Ids of this lab's objects: `container`, `volume`, `network` or `image`."""
        everything = ["--all"] if kind == "container" else []
        listing = self.docker(
            kind, "ls", "--quiet", *everything, "--filter", f"label={LABEL}={lab}"
        )
        return sorted(set(listing.split()))


def engine_answers(address: str) -> bool:
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
        if engine_answers(address):
            return address
    return PRIVATE
