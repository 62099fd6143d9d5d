"""A Docker engine of the lab's own, for machines where none answers.

It is unpacked from Debian's packages; nothing is installed. Its data, sockets, bridge,
control groups and mounts are the lab's alone, and `stop` gets rid of them without the
engine's help, so that even an engine that was killed leaves nothing behind.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from ipaddress import IPv4Network
from pathlib import Path

from lab import bridge, cgroups
from lab.engine import Engine, Toolbox, engine_answers
from lab.processes import Processes

RUN_DOCKERD = Path(__file__).with_name("dockerd.sh")
LIBRARIES = "usr/lib/x86_64-linux-gnu"
SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


class PrivateEngine:
    """A Docker engine of the lab's own, under the lab's home."""

    NAME = "dockerd"

    def __init__(self, home: Path, lab: str, processes: Processes) -> None:
        self._folder = home / "engine"
        self._processes = processes
        self._cgroup = lab
        self._bridge = lab.replace("tt-lab-", "ttlab")[: bridge.NAME_LIMIT]

    @property
    def address(self) -> str:
        """Where it listens, as in `DOCKER_HOST`."""
        return f"unix://{self._folder}/docker.sock"

    def start(self, tools: Toolbox) -> Engine:
        """Start it from these programs unless it runs; return once it answers."""
        if not engine_answers(self.address):
            self._processes.stop(self.NAME)
            network = self._network()
            bridge.create(self._bridge, network)
            self._write_configuration(network)
            self._processes.start(self.NAME, self._command(), env=self._environment(tools.root))
            self._processes.wait_ready(
                self.NAME, lambda: engine_answers(self.address), deadline_seconds=60
            )
        return Engine(self.address, tools)

    def stop(self) -> None:
        """End it and everything that runs in it; its files are the caller's to remove.

        Its containers are killed first: nobody will ask them again, and waiting for them
        to end in peace takes longer than everything else. Its mounts lie in a mount
        namespace of its own and end with its last process.
        """
        cgroups.kill(self._cgroup)
        self._processes.stop(self.NAME, grace_seconds=30)
        cgroups.remove(self._cgroup)
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
            "exec-opts": ["native.cgroupdriver=cgroupfs"],
            "cgroup-parent": f"/{self._cgroup}",
            "shutdown-timeout": 20,
        }
        (self._folder / "daemon.json").write_text(json.dumps(configuration, indent=2))
        # Left behind by a kill -9; it would keep the engine from starting if the pid was reused.
        (self._folder / "dockerd.pid").unlink(missing_ok=True)

    def _command(self) -> Sequence[str | Path]:
        """dockerd in a mount namespace of its own, which ends with its last process."""
        own_mounts = ("unshare", "--mount", "--propagation", "private")
        return [*own_mounts, RUN_DOCKERD, self._folder / "daemon.json"]

    def _environment(self, root: Path) -> dict[str, str]:
        libraries = f"{root / LIBRARIES}:{root / 'lib/x86_64-linux-gnu'}"
        return {
            **os.environ,
            "PATH": f"{root}/helpers:{root}/usr/bin:{root}/usr/sbin:{SYSTEM_PATH}",
            "LD_LIBRARY_PATH": libraries,
            "XTABLES_LIBDIR": str(root / LIBRARIES / "xtables"),
            "HOME": str(self._folder),
        }
