"""The Redis Cluster keeps its data when the whole network gets other addresses.

As when the stack moves to another subnet, or from a project without fixed addresses. Straight
on the lab's engine, with nothing but the Redis services of the compose file.
"""

import os
import re
import subprocess
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import RunningLab
from tests.stack.files import COMPOSE, EXAMPLE
from tools.stack_programs import environment

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1500)]

OWNED = {1: "b1", 2: "c", 3: "a"}
"""A key of each third of the slots, by the node that is its first master."""
NODES = [f"redis-node-{n}" for n in range(1, 7)]


class RedisProject:
    """The Redis services as a Compose project of their own."""

    def __init__(self, lab: RunningLab) -> None:
        required = re.findall(r"^([A-Z0-9_]+)=$", EXAMPLE.read_text(), re.MULTILINE)
        self._environment = {
            **environment(os.environ),
            **dict.fromkeys(required, "unused"),
            "DOCKER_HOST": str(lab.status["docker_host"]),
            "REDIS_IMAGE": f"{lab.status['mirror']}/library/redis:7-alpine",
            "REDIS_PASSWORD": "of these tests",
            "DATA_BIND_ADDRESS": "127.0.0.77",
        }
        self._name = f"tt-addresses-{lab.home.name.strip('.').lower()}"

    def compose(self, *arguments: str, prefix: str) -> str:
        """What `docker compose` printed, with the network at this prefix."""
        done = subprocess.run(
            ["docker", "compose", "--project-name", self._name, "--file", COMPOSE, *arguments],
            env={**self._environment, "NETWORK_PREFIX": prefix},
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def up(self, prefix: str) -> str:
        """Start the nodes, then run the initialisation; what it said."""
        self.compose("up", "--detach", "--wait", *NODES, prefix=prefix)
        return self.initialise(prefix)

    def initialise(self, prefix: str) -> str:
        """Run the initialisation as the runbook does; what it said."""
        return self.compose("up", "--no-deps", "redis-cluster-init", prefix=prefix)

    def change_password(self, password: str) -> None:
        """What Compose gives to containers that it makes or starts from now on."""
        self._environment["REDIS_PASSWORD"] = password

    def ask(self, number: int, *command: str, prefix: str) -> str:
        """A node's answer."""
        ask = ("sh", "/usr/local/etc/redis/ask.sh")
        node = NODES[number - 1]
        return self.compose("exec", "--no-TTY", node, *ask, *command, prefix=prefix).strip()


@pytest.fixture
def project(lab: RunningLab) -> Iterator[RedisProject]:
    project = RedisProject(lab)
    yield project
    project.compose("down", "--volumes", "--timeout", "5", prefix="172.16.202")


def kept(project: RedisProject, prefix: str) -> bool:
    """Whether each master's key is still there; who does not own it answers MOVED."""
    return all(
        f"kept by {owner}" in [project.ask(node, "get", key, prefix=prefix) for node in range(1, 7)]
        for owner, key in OWNED.items()
    )


def test_the_cluster_is_whole_and_complete_after_all_addresses_and_then_the_password_changed(
    project: RedisProject,
) -> None:
    assert "the cluster is whole" in project.up("172.16.201")
    for node, key in OWNED.items():
        assert project.ask(node, "set", key, f"kept by {node}", prefix="172.16.201") == "OK"
    project.compose("down", "--timeout", "30", prefix="172.16.201")

    assert "the cluster is whole" in project.up("172.16.202")

    nodes = project.ask(1, "cluster", "nodes", prefix="172.16.202")
    assert nodes.count("172.16.202.") == 6
    assert kept(project, prefix="172.16.202")

    project.change_password("another of these tests")
    project.compose("up", "--detach", "--force-recreate", "--wait", *NODES, prefix="172.16.202")
    assert "the cluster is whole" in project.initialise(prefix="172.16.202")

    assert kept(project, prefix="172.16.202")
