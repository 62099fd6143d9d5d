"""init-cluster.sh and node.sh against real Redis servers, in every state a cluster gets into.

No engine is needed, only Redis from Debian's packages; slow all the same, since elections and
failure detection take the seconds they take.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stack.redis_nodes import RedisNodes, ended, free_ports
from tools.stack_programs import environment

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def programs() -> dict[str, str]:
    return environment(os.environ)


def started(folder: Path, programs: dict[str, str]) -> Iterator[RedisNodes]:
    nodes = RedisNodes(folder, programs, free_ports(6))
    try:
        nodes.start()
        nodes.wait_until_up()
        yield nodes
    finally:
        nodes.stop()


@pytest.fixture
def empty(tmp_path: Path, programs: dict[str, str]) -> Iterator[RedisNodes]:
    """Six nodes that know nothing of each other."""
    yield from started(tmp_path, programs)


@pytest.fixture(scope="module")
def cluster(
    tmp_path_factory: pytest.TempPathFactory, programs: dict[str, str]
) -> Iterator[RedisNodes]:
    """A whole cluster with data; every test leaves it whole."""
    for nodes in started(tmp_path_factory.mktemp("cluster"), programs):
        assert nodes.initialise().status == 0
        nodes.write_keys()
        yield nodes


def is_whole(nodes: RedisNodes) -> bool:
    """Judged by the nodes themselves, not by the script."""
    views = [nodes.ask(n, "cluster", "info") for n in range(6)]
    roles = [nodes.ask(n, "role").splitlines()[0] for n in range(6)]
    links = [nodes.ask(n, "info", "replication") for n in range(6) if roles[n] == "slave"]
    wanted = ("cluster_state:ok", "cluster_slots_ok:16384", "cluster_known_nodes:6")
    return (
        all(line in view for view in views for line in wanted)
        and roles.count("master") == 3
        and all("master_link_status:up" in link for link in links)
    )


def test_two_runs_at_once_make_one_cluster(empty: RedisNodes) -> None:
    runs = [ended(run) for run in [empty.begin_initialisation(), empty.begin_initialisation()]]
    assert [run.status for run in runs] == [0, 0]
    assert sum("making the cluster" in run.text for run in runs) == 1
    assert sum("another initialisation is at work" in run.text for run in runs) == 1
    assert is_whole(empty)


def test_a_creation_that_broke_off_before_the_nodes_met_is_finished(empty: RedisNodes) -> None:
    empty.ask(0, "cluster", "addslotsrange", "0", "5460")
    empty.ask(1, "cluster", "addslotsrange", "5461", "9000")
    run = empty.initialise()
    assert run.status == 0, run.text
    assert "not whole: mending it" in run.text
    assert is_whole(empty)


def test_a_creation_that_broke_off_before_the_replicas_were_placed_is_finished(
    empty: RedisNodes,
) -> None:
    for number, (first, last) in enumerate([(0, 5460), (5461, 10922), (10923, 16383)]):
        empty.ask(number, "cluster", "addslotsrange", str(first), str(last))
    for port in empty.ports[1:]:
        empty.ask(0, "cluster", "meet", "127.0.0.1", str(port))
    run = empty.initialise()
    assert run.status == 0, run.text
    assert is_whole(empty)


def test_nodes_of_different_clusters_are_left_to_a_person(empty: RedisNodes) -> None:
    empty.ask(0, "cluster", "addslotsrange", "0", "100")
    empty.ask(1, "cluster", "addslotsrange", "50", "200")
    run = empty.initialise()
    assert run.status == 1
    assert "two nodes claim the same slots" in run.text
    assert "cluster_known_nodes:1" in empty.ask(0, "cluster", "info")


def test_without_a_cluster_all_six_are_needed(empty: RedisNodes) -> None:
    empty.stop(5)
    run = empty.initialise()
    assert run.status == 1
    assert f"there is no cluster yet and {empty.addresses[5]} does not answer" in run.text
    assert "cluster_known_nodes:1" in empty.ask(0, "cluster", "info")


def test_a_changed_password_is_told_from_a_broken_cluster(cluster: RedisNodes) -> None:
    run = cluster.initialise(password="another")
    assert run.status == 1
    assert "REDIS_PASSWORD was changed while the node runs with the old one" in run.text
    assert "then run this again by docker compose up" in run.text
    assert is_whole(cluster)


def test_a_whole_cluster_is_left_alone(cluster: RedisNodes) -> None:
    before = cluster.ask(0, "cluster", "info").splitlines()
    run = cluster.initialise()
    assert run.status == 0
    assert "the cluster is whole: nothing to do" in run.text
    epoch = next(line for line in before if line.startswith("cluster_current_epoch"))
    assert epoch in cluster.ask(0, "cluster", "info").splitlines()


def test_all_nodes_stopped_and_started_come_back_with_their_data(cluster: RedisNodes) -> None:
    cluster.stop()
    cluster.start()
    cluster.wait_until_up()
    run = cluster.initialise()
    assert run.status == 0, run.text
    assert "nothing to do" in run.text
    assert cluster.keys_left(through=0) == 30


def test_nodes_recreated_with_a_changed_password_keep_their_data(cluster: RedisNodes) -> None:
    old = cluster.password
    cluster.stop()
    cluster.password = 'as "odd", but another'
    cluster.start()
    cluster.wait_until_up()
    run = cluster.initialise()
    assert run.status == 0, run.text
    assert "nothing to do" in run.text
    assert is_whole(cluster)
    assert cluster.keys_left(through=0) == 30
    assert cluster.initialise(password=old).status == 1


def test_a_cluster_that_serves_without_one_node_is_no_reason_to_stop(cluster: RedisNodes) -> None:
    victim = next(n for n in range(6) if cluster.ask(n, "role").startswith("slave"))
    cluster.stop(victim)
    run = cluster.initialise()
    assert run.status == 0, run.text
    assert f"found {cluster.addresses[victim]}: no answer" in run.text
    assert "serves all slots, without" in run.text
    cluster.start(victim)
    cluster.wait_until_up()
    assert cluster.initialise().status == 0
    assert is_whole(cluster)


def test_a_replica_that_lost_its_data_becomes_a_replica_again(cluster: RedisNodes) -> None:
    victim = next(n for n in range(6) if cluster.ask(n, "role").startswith("slave"))
    cluster.lose_data(victim)
    cluster.start(victim)
    cluster.wait_until_up()
    run = cluster.initialise()
    assert run.status == 0, run.text
    assert "which a replaced node left behind" in run.text
    assert is_whole(cluster)
    assert cluster.keys_left(through=victim) == 30


def test_a_master_that_lost_its_data_leaves_it_to_its_replica(cluster: RedisNodes) -> None:
    victim = cluster.number_of_a_master(seen_by=0)
    cluster.lose_data(victim)
    cluster.start(victim)
    cluster.wait_until_up()
    assert "leaving it to its replica" in cluster.log(victim)
    run = cluster.initialise()
    assert run.status == 0, run.text
    assert is_whole(cluster)
    assert cluster.keys_left(through=victim) == 30


def test_no_password_stands_on_a_command_line(cluster: RedisNodes) -> None:
    for process in cluster.running.values():
        assert b"odd" not in Path(f"/proc/{process.pid}/cmdline").read_bytes()
