"""What the stack's Redis settings and the health policies owe each other."""

import re

import pytest

from delivery.policies import HealthPolicy, HostLayout
from deployments.environment_file import ENVIRONMENTS, load_file
from tests.stack.files import STACK, services


def node_timeout_seconds() -> float:
    text = (STACK / "docker" / "redis" / "redis.conf").read_text()
    (milliseconds,) = re.findall(r"^cluster-node-timeout (\d+)$", text, re.MULTILINE)
    return int(milliseconds) / 1000


@pytest.mark.parametrize("name", ["staging", "production"])
def test_where_it_counts_three_passes_span_more_than_the_node_timeout(name: str) -> None:
    settings = load_file(ENVIRONMENTS / f"{name}.yaml", {"TT_REPOSITORY": "tt/app"}).settings
    policy = settings["health"]
    assert policy.passes >= 3
    assert (policy.passes - 1) * policy.pause_seconds > node_timeout_seconds()


def test_the_default_spans_it_too() -> None:
    assert HealthPolicy().span_seconds > node_timeout_seconds()


def test_the_probe_looks_for_the_nodes_that_the_compose_file_has() -> None:
    nodes = {name for name in services() if name.startswith("redis-node-")}
    asked = HostLayout().redis_addresses(HealthPolicy().redis_nodes)
    assert {address.partition(":")[0] for address in asked} == nodes
    for address in asked:
        name, _, port = address.partition(":")
        assert services()[name]["environment"]["NODE_PORT"] == port
