"""Six Redis servers on loopback, started by node.sh, for the tests of init-cluster.sh."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.stack.files import STACK

SCRIPTS = STACK / "docker" / "redis"
PASSWORD = 'odd "quoted" \\back pass'
BUS_OFFSET = 10_000
"""A cluster node also listens at its port plus this."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a run of init-cluster.sh came to."""

    status: int
    text: str


@dataclass(slots=True)
class RedisNodes:
    """Up to six nodes; numbered from 0, the first three are meant to be masters."""

    folder: Path
    programs: dict[str, str]
    ports: list[int]
    password: str = PASSWORD
    running: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Have scripts of our own: their folder is what an initialisation locks."""
        shutil.copytree(SCRIPTS, self._scripts, dirs_exist_ok=True)

    @property
    def _scripts(self) -> Path:
        return self.folder / "scripts"

    @property
    def addresses(self) -> list[str]:
        """`address:port` of all six."""
        return [f"127.0.0.1:{port}" for port in self.ports]

    def environment(self, password: str = "") -> dict[str, str]:
        """What both scripts read; with the nodes' own password unless another is given."""
        password = password or self.password
        secret = self.folder / f"password-{hash(password)}"
        if not secret.exists():  # a node may be reading it
            secret.write_text(password)
        return {
            **self.programs,
            "REDIS_NODES": " ".join(self.addresses),
            "REDIS_PASSWORD_FILE": str(secret),
            "REDISCLI_AUTH": password,
        }

    def start(self, *numbers: int) -> None:
        """Start these nodes, or all; on whatever data they have."""
        for number in numbers or range(6):
            self._start(number)

    def _start(self, number: int) -> None:
        data = self.data(number)
        data.mkdir(exist_ok=True)
        own = {
            "NODE_PORT": str(self.ports[number]),
            "REDIS_MAXMEMORY": "32mb",
            "REDIS_DATA": str(data),
            "REDIS_RENDERED": str(self.folder / f"{number}.conf"),
        }
        with (self.folder / f"{number}.log").open("ab") as log:
            self.running[number] = subprocess.Popen(
                ["sh", self._scripts / "node.sh"],
                env={**self.environment(), **own},
                cwd=data,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def stop(self, *numbers: int) -> None:
        """End these nodes, or all."""
        ending = [self.running.pop(n) for n in numbers or tuple(self.running)]
        for process in ending:
            os.killpg(process.pid, signal.SIGTERM)
        for process in ending:
            process.wait(timeout=60)

    def lose_data(self, number: int) -> None:
        """Stop a node and take its volume away."""
        self.stop(number)
        shutil.rmtree(self.data(number))

    def data(self, number: int) -> Path:
        """Where a node keeps what it knows."""
        return self.folder / f"data-{number}"

    def log(self, number: int) -> str:
        """What a node printed."""
        return (self.folder / f"{number}.log").read_text()

    def ask(self, number: int, *command: str) -> str:
        """A node's answer."""
        done = subprocess.run(
            ["redis-cli", "-c", "-p", str(self.ports[number]), *command],
            env=self.environment(),
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )
        return done.stdout.strip()

    def wait_until_up(self) -> None:
        """Wait until every running node answers."""
        deadline = time.monotonic() + 120
        waiting = set(self.running)
        while waiting:
            assert time.monotonic() < deadline, f"nodes {waiting} do not answer"
            waiting = {n for n in waiting if self.ask_quietly(n, "ping") != "PONG"}
            time.sleep(0.1)

    def ask_quietly(self, number: int, *command: str) -> str:
        """A node's answer, or nothing."""
        try:
            return self.ask(number, *command)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
            return ""

    def begin_initialisation(self, password: str = "") -> subprocess.Popen[str]:
        """Run init-cluster.sh in the background."""
        patience = {
            "ROLL_CALL_SECONDS": "8", "SETTLE_SECONDS": "90", "DEADLINE_SECONDS": "100"
        }  # fmt: skip
        return subprocess.Popen(
            ["sh", self._scripts / "init-cluster.sh"],
            env={**self.environment(password), **patience},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def initialise(self, password: str = "") -> Said:
        """Run init-cluster.sh to its end."""
        return ended(self.begin_initialisation(password))

    def write_keys(self) -> None:
        """Spread 30 keys over the cluster."""
        for n in range(30):
            assert self.ask(0, "set", f"key-{n}", str(n)) == "OK"

    def keys_left(self, through: int) -> int:
        """How many of them are still there, asked through one node."""
        return sum(self.ask(through, "get", f"key-{n}") == str(n) for n in range(30))

    def number_of_a_master(self, seen_by: int) -> int:
        """A node other than `seen_by` that serves slots."""
        for line in self.ask(seen_by, "cluster", "nodes").splitlines():
            fields = line.split()
            port = int(fields[1].split("@")[0].rpartition(":")[2])
            if fields[2] == "master" and len(fields) > 8:
                return self.ports.index(port)
        raise AssertionError("no other master")


def ended(run: subprocess.Popen[str]) -> Said:
    """Wait for a run of init-cluster.sh."""
    text, _ = run.communicate(timeout=280)
    return Said(run.returncode, text)


def free_ports(count: int) -> list[int]:
    """Ports that are free and whose cluster bus ports are free, too.

    Both lie below those that the kernel hands out for connections (from 32768).
    """
    found: list[int] = []
    for port in range(12_000 + os.getpid() * 37 % 5_000, 22_000):
        if is_free(port) and is_free(port + BUS_OFFSET):
            found.append(port)
        if len(found) == count:
            return found
    raise AssertionError("no free ports")


def is_free(port: int) -> bool:
    """Whether something could listen there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
