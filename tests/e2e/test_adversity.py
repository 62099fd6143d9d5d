"""What else breaks while a release takes over: a registry that dies, a database that is down."""

import httpx
import pytest

from benchmarks.endurance.one_host import left_wrong
from benchmarks.load import Load, together
from tests.e2e.delivering import Delivering

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1500), pytest.mark.usefixtures("serving")]

_BROKEN_PULLS = 6
"""Answers cut short: more than an engine's own tries for one layer."""


def test_a_registry_that_dies_in_mid_pull_for_good_ends_the_deploy_and_nothing_else(
    delivering: Delivering, serving: str
) -> None:
    before = delivering.record()[-1]["revision"]
    sha = delivering.commit("fix", message="fix: its layers never arrive")
    assert delivering.run("build", "--revision", sha).status == 0
    containers = delivering.containers()
    # Not "reset", which sends two bytes first: the engine takes that for progress and asks for the
    # rest a hundred times a second.
    delivering.lab.command("fault", "registry", "down", "--match", "GET /v2/.*/blobs/.* docker/")
    try:
        # Minutes of patience: a light load will do.
        with Load(f"{delivering.app_url}/api/tickets", per_second=5, posts=0.1) as load:
            done = delivering.run("deploy", "--revision", sha)
    finally:
        delivering.lab.command("fault", "registry", "clear")

    assert (done.status, done.outcome) == (1, "FAILED"), done.said
    assert done.answer["failure"]["message"].startswith("The step 'pull' failed on the host")
    assert load.figures.failed == []
    assert delivering.serving() == serving
    assert delivering.containers() == containers
    assert list(left_wrong(delivering, before)) == []


def test_a_registry_that_dies_in_mid_pull_costs_time_and_no_request(
    delivering: Delivering, serving: str
) -> None:
    sha = delivering.commit("fix", message="fix: pulled from a registry that dies")
    assert delivering.run("build", "--revision", sha).status == 0
    layers = ("--match", "GET /v2/.*/blobs/.* docker/", "--count", str(_BROKEN_PULLS))
    delivering.lab.command("fault", "registry", "reset", *layers)
    try:
        with delivering.under_load() as loads:
            done = delivering.run("deploy", "--revision", sha)
        board = f"http://{delivering.lab.status['registry']}/_lab/fault"
        left = httpx.get(board, timeout=30, trust_env=False).json()["faults"]
    finally:
        delivering.lab.command("fault", "registry", "clear")

    assert left == [], "the registry did not die as often as it was to"
    assert (done.status, done.outcome) == (0, "DEPLOYED"), done.said
    assert together(loads).failed == []
    assert delivering.serving() != serving
    assert list(left_wrong(delivering, sha)) == []


def test_a_database_that_was_down_before_is_started_and_not_held_against_the_release(
    delivering: Delivering, serving: str, another: str
) -> None:
    # What a release can answer without its database.
    asked = f"{delivering.app_url}/api/slow?ms=50"
    loads = [Load(asked, per_second=15), Load(asked, per_second=15, keep_alive=True)]

    with loads[0], loads[1]:
        delivering.lab.exec("docker", "stop", "tt-postgres-1")
        done = delivering.run("deploy", "--revision", another)

    assert (done.status, done.outcome) == (0, "DEPLOYED"), done.said
    figures = together(loads)
    assert figures.failed == []
    assert set(figures.versions) == {serving, delivering.serving()}
    assert "tt-postgres-1" in delivering.containers()
    assert list(left_wrong(delivering, another)) == []
