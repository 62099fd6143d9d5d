"""Health in depth, the watchers, the gate after a takeover: on a stack that is really broken."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from benchmarks.load import Load
from tests.e2e.conftest import ROOT
from tests.e2e.delivering import Delivering

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

SUMMARY = "This is a drill, nothing is wrong"

SCRAPE_SECONDS = 10
"""Prometheus' scrape interval, in which it notices."""

SAVE = """
import json, sys
from blocks.environment import load_environment
lab, before = load_environment("lab"), {}
for name, settings in json.loads(sys.argv[1]).items():
    policy = getattr(lab, name)
    before[name] = {key: getattr(policy, key) for key in settings}
    setattr(lab, name, policy.model_copy(update=settings))
lab.save("lab", overwrite=True)
print(json.dumps(before))
"""


@pytest.fixture(autouse=True)
def serving(delivering: Delivering) -> str:
    """A healthy release that took over from another serves; its version."""
    if not delivering.serving() or len(delivering.record()) < 2:
        delivering.run("deploy")
        delivering.commit("fix", message="something to compare with")
        assert delivering.run("deploy").outcome == "DEPLOYED"
    return delivering.serving()


def failed(delivering: Delivering, *arguments: str) -> dict[str, str]:
    """The failed checks of a verification, with their evidence."""
    done = delivering.run("verify", *arguments)
    assert done.answer, done.said
    return {c["name"]: c["evidence"] for c in done.answer["checks"] if c["level"] == "fail"}


def unhealthy(delivering: Delivering) -> dict[str, str]:
    """The probes that did not hold, with what they saw."""
    done = delivering.run("healthcheck")
    assert done.answer, done.said
    probes: list[dict[str, Any]] = done.answer["probes"]
    return {each["name"]: each["detail"] for each in probes if each["verdict"] == "unhealthy"}


@contextmanager
def stopped(delivering: Delivering, verb: str, undo: str, container: str) -> Iterator[None]:
    """A container stopped, or paused, for a while."""
    delivering.lab.exec("docker", verb, container)
    try:
        yield
    finally:
        delivering.lab.exec("docker", undo, container)


def psql(delivering: Delivering, statement: str) -> str:
    ask = f'psql --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" --command "{statement}"'
    return delivering.lab.exec("docker", "exec", "tt-postgres-1", "sh", "-c", ask)


def messages(delivering: Delivering, text: str) -> int:
    return delivering.lab.command("slack", "messages").count(text)


@contextmanager
def changed(delivering: Delivering, **policies: dict[str, int]) -> Iterator[None]:
    """The lab's environment with some settings of its policies changed for a while."""

    def save(settings: str) -> str:
        """Save these settings; those that they replace."""
        done = subprocess.run(
            [sys.executable, "-c", SAVE, settings],
            cwd=ROOT,
            env=dict(delivering.lab.env),
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        return done.stdout.strip().splitlines()[-1]

    before = save(json.dumps(policies))
    try:
        yield
    finally:
        save(before)


def test_a_healthy_stack_verifies_and_a_drill_reaches_slack_and_is_resolved(
    delivering: Delivering,
) -> None:
    said, resolved = (
        messages(delivering, f"*{SUMMARY}*"),
        messages(delivering, "resolved: " + SUMMARY),
    )

    done = delivering.run("verify", "--drill")

    assert (done.status, done.outcome) == (0, "VERIFIED"), done.said
    names = {check["name"] for check in done.answer["checks"]}
    assert {"targets", "scrapes", "dashboards", "receivers", "drill: resolved in Slack"} <= names
    assert messages(delivering, f"*{SUMMARY}*") == said + 1
    assert messages(delivering, "resolved: " + SUMMARY) == resolved + 1


@pytest.fixture(scope="class")
def impatient(delivering: Delivering) -> Iterator[None]:
    """Nobody waits long for what will not mend itself."""
    health, verification = {"deadline_seconds": 8}, {"patience_seconds": 0}
    with changed(delivering, health=health, verification=verification):
        yield


@pytest.mark.usefixtures("impatient")
class TestFaults:
    def test_an_exporter_that_is_down_is_named(self, delivering: Delivering) -> None:
        with stopped(delivering, "stop", "start", "tt-postgres-exporter-1"):
            time.sleep(SCRAPE_SECONDS + 1)
            found = failed(delivering)
        assert found.keys() == {"targets"}
        assert found["targets"].startswith("postgres postgres-exporter:9187: ")

    def test_a_redis_node_that_hangs_is_named(self, delivering: Delivering) -> None:
        with stopped(delivering, "pause", "unpause", "tt-redis-node-6-1"):
            found = unhealthy(delivering)
        assert found == {"redis": "redis-node-6: does not answer"}
        assert unhealthy(delivering) == {}, "it comes back by itself"

    def test_postgres_that_takes_no_write_is_told_from_one_that_is_down(
        self,
        delivering: Delivering,
    ) -> None:
        psql(delivering, "ALTER SYSTEM SET default_transaction_read_only = on")
        psql(delivering, "SELECT pg_reload_conf()")
        try:
            found = unhealthy(delivering)
        finally:
            psql(delivering, "ALTER SYSTEM RESET default_transaction_read_only")
            psql(delivering, "SELECT pg_reload_conf()")
        assert "read-only transaction" in found["postgres"]

    def test_too_few_connections_for_a_takeover_are_counted(self, delivering: Delivering) -> None:
        hold = (
            "for i in $(seq 80); do "
            'psql -U "$POSTGRES_USER" -d "$POSTGRES_DB" -c "SELECT pg_sleep(600)" & done; wait'
        )
        delivering.lab.exec("docker", "exec", "--detach", "tt-postgres-1", "sh", "-c", hold)
        try:
            found = unhealthy(delivering)
        finally:
            theirs = "query = 'SELECT pg_sleep(600)'"
            psql(
                delivering, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {theirs}"
            )
        assert "overlapping pools of 10 may take 20" in found["postgres"]


def test_a_release_that_the_gateway_lets_pass_is_caught_by_prometheus(
    delivering: Delivering, serving: str
) -> None:
    sha = delivering.commit("fix", behaviour="fail-rate=0.04", message="fails a little")
    load = Load(f"{delivering.app_url}/api/tickets", per_second=15)
    soak = {"watch_seconds": 60, "before_minutes": 2, "interval_seconds": 4}
    with changed(delivering, soak=soak), load:
        done = delivering.run("deploy", "--revision", sha)
    delivering.commit("fix", behaviour="healthy", message="mended")

    assert (done.status, done.outcome) == (1, "ROLLED_BACK"), done.said
    assert "more requests fail than before the takeover" in done.answer["failure"]["message"]
    assert delivering.serving() == serving
