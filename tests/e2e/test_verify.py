"""Health in depth, the watchers, the gate after a takeover: on a stack that is really broken."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from prefect.logging import disable_run_logger
from prefect.settings import PREFECT_API_URL, temporary_settings

from benchmarks.load import Load
from blocks.environment import load_environment
from delivery.checks import Check, Level
from delivery.policies import SoakPolicy
from lab.processes import wait_until
from tasks.verification import drill_alerts, verify_watchers
from tests.e2e.breaking import Broken
from tests.e2e.delivering import Delivering, under_policies
from tests.e2e.metrics import query
from tests.e2e.watchers import BLIND, Blindness

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1500)]

SUMMARY = "This is a drill, nothing is wrong"

NOTICED_SECONDS = 180
"""Within which Prometheus and the others notice: it scrapes every ten seconds."""
_PAUSE_SECONDS = 3.0
"""Between two looks: each keeps the host busy for half as long."""


@pytest.fixture(autouse=True)
def serving(delivering: Delivering) -> str:
    """A healthy release that took over from another serves; its version."""
    if not delivering.serving() or len(delivering.record()) < 2:
        delivering.run("deploy")
        delivering.commit("fix", message="something to compare with")
        assert delivering.run("deploy").outcome == "DEPLOYED"
    return delivering.serving()


def unhealthy(delivering: Delivering) -> dict[str, str]:
    """The probes that did not hold, with what they saw."""
    began = time.monotonic()
    done = delivering.run("healthcheck")
    assert done.answer, done.said
    probes: list[dict[str, Any]] = done.answer["probes"]
    print(f"healthcheck: {done.outcome} ({time.monotonic() - began:.1f} s)")
    return {each["name"]: each["detail"] for each in probes if each["verdict"] == "unhealthy"}


def unhealthy_until(
    delivering: Delivering, fits: Callable[[dict[str, str]], bool]
) -> dict[str, str]:
    """The same, of the first check that fits, or of the last one in time."""
    due = time.monotonic() + NOTICED_SECONDS
    while not fits(found := unhealthy(delivering)) and time.monotonic() < due:
        pass  # a check takes its time
    return found


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


def requests_counted(delivering: Delivering) -> float:
    """How many requests Prometheus has seen answered in the last two minutes."""
    answered = 'http_server_requests_seconds_count{uri!~"/actuator.*"}'
    return sum(
        float(each["value"][1]) for each in query(delivering, f"sum(increase({answered}[2m]))")
    )


class Watched:
    """The lab's watchers, looked at once: the flow's own parts, through SSM, in this process."""

    def __init__(self) -> None:
        lab = load_environment("lab")
        given = {"patience_seconds": 0, "drill_seconds": 25}
        lab.verification = lab.verification.model_copy(update=given)
        lab.timeouts = lab.timeouts.model_copy(update={"delivery": 30})
        self._target, self._hosts = lab, lab.hosts_door().running(lab.tag_key, lab.tag_value)

    def failed(self, *, drill: bool = False) -> list[Check]:
        """The checks that fail now, causes first."""
        checks = verify_watchers.fn(self._target, self._hosts)
        if drill:
            checks += self.drill(now=True)
        return [check for check in checks if check.level is Level.FAIL]

    def drill(self, *, now: bool) -> list[Check]:
        """The checks of a drill, or of one that is left out unless it is due."""
        return drill_alerts.fn(self._target, self._hosts, now=now)

    def first_failed(self, fault: Blindness) -> Check:
        """The first check that fails once the fault is noticed, by whoever notices it last."""
        noticed = time.monotonic() + NOTICED_SECONDS
        while True:
            found = self.failed(drill=fault.drill)
            if found and found[0].name == fault.first and fault.words in found[0].evidence:
                return found[0]
            if time.monotonic() > noticed:
                assert found, "nothing fails"
                return found[0]
            time.sleep(_PAUSE_SECONDS)

    def until_fine(self) -> None:
        """Wait until nothing fails any more."""
        fine = time.monotonic() + NOTICED_SECONDS
        while found := self.failed():
            assert time.monotonic() < fine, found
            time.sleep(_PAUSE_SECONDS)


@pytest.fixture(scope="module")
def watching(delivering: Delivering) -> Iterator[Watched]:
    """The watchers of this lab, which are all well afterwards."""
    address = {PREFECT_API_URL: delivering.lab.env["PREFECT_API_URL"]}
    with temporary_settings(address), disable_run_logger():
        looking = Watched()
        yield looking
        looking.until_fine()


@pytest.fixture
def watched(watching: Watched) -> Watched:
    """The watchers, all well before a fault."""
    watching.until_fine()
    return watching


def test_a_healthy_stack_verifies_and_a_drill_reaches_slack_once_a_day_and_is_resolved(
    delivering: Delivering, watching: Watched
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

    (left_out,) = watching.drill(now=False)
    assert (left_out.name, left_out.level) == ("drill", Level.PASS)
    assert "left out: the last one was 0.0 h ago" in left_out.evidence
    assert messages(delivering, f"*{SUMMARY}*") == said + 1


@pytest.mark.parametrize("fault", BLIND, ids=lambda fault: fault.name)
def test_what_watches_no_more_is_the_first_to_fail_and_nothing_is_changed(
    delivering: Delivering, watched: Watched, fault: Blindness
) -> None:
    host = Broken(delivering.lab)
    with fault.made(host):
        if fault.drill:
            watched.until_fine()
        before, began = host.standing(), time.monotonic()
        first = watched.first_failed(fault)
        seconds, after = time.monotonic() - began, host.standing()

    assert (first.name, first.host) == (fault.first, "TT-ec2-1"), first
    assert fault.words in first.evidence
    assert fault.remedy in first.remedy
    assert after == before
    print(f"{fault.name}: {first.evidence} ({seconds:.1f} s)")


@pytest.fixture(scope="class")
def impatient(delivering: Delivering) -> Iterator[None]:
    """Nobody waits long for what will not mend itself."""
    with under_policies(delivering, health={"deadline_seconds": 12}):
        yield


@pytest.mark.usefixtures("impatient")
class TestFaults:
    def test_a_redis_node_that_hangs_is_named_and_told(self, delivering: Delivering) -> None:
        named = {"redis": "redis-node-6: does not answer"}
        told = 'ALERTS{alertname="RedisNodeDown", alertstate="firing", instance=~"redis-node-6:.+"}'
        with stopped(delivering, "pause", "unpause", "tt-redis-node-6-1"):
            found = unhealthy_until(delivering, lambda seen: seen == named)
            assert wait_until(lambda: bool(query(delivering, told)), 60)
        assert found == named
        back = unhealthy_until(delivering, lambda seen: not seen)
        assert back == {}, "it comes back by itself"

    def test_postgres_that_takes_no_write_is_told_from_one_that_is_down(
        self,
        delivering: Delivering,
    ) -> None:
        with Broken(delivering.lab).read_only_database():
            words = "read-only transaction"
            found = unhealthy_until(delivering, lambda seen: words in seen.get("postgres", ""))
        assert words in found["postgres"]

    def test_too_few_connections_for_a_takeover_are_counted(self, delivering: Delivering) -> None:
        hold = (
            "for i in $(seq 80); do "
            'psql -U "$POSTGRES_USER" -d "$POSTGRES_DB" -c "SELECT pg_sleep(600)" & done; wait'
        )
        theirs = "query = 'SELECT pg_sleep(600)'"
        held = f"SELECT 'held: ' || count(*) FROM pg_stat_activity WHERE {theirs}"
        delivering.lab.exec("docker", "exec", "--detach", "tt-postgres-1", "sh", "-c", hold)
        try:
            assert wait_until(lambda: "held: 80" in psql(delivering, held), NOTICED_SECONDS)
            words = "overlapping pools of 10 may take 20"
            found = unhealthy_until(delivering, lambda seen: words in seen.get("postgres", ""))
        finally:
            psql(
                delivering, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {theirs}"
            )
        assert words in found["postgres"]


def test_a_release_that_the_gateway_lets_pass_is_caught_by_prometheus(
    delivering: Delivering, serving: str
) -> None:
    sha = delivering.commit("fix", behaviour="fail-rate=0.04", message="fails a little")
    load = Load(f"{delivering.app_url}/api/tickets", per_second=15)
    soak = {"watch_seconds": 60, "before_minutes": 2, "interval_seconds": 4}
    compared = 2 * SoakPolicy().least_requests
    with under_policies(delivering, soak=soak), load:
        # Where a deploy is quick, Prometheus has not seen enough by then to compare with.
        assert wait_until(lambda: requests_counted(delivering) > compared, NOTICED_SECONDS)
        done = delivering.run("deploy", "--revision", sha)
    delivering.commit("fix", behaviour="healthy", message="mended")

    assert (done.status, done.outcome) == (1, "ROLLED_BACK"), done.said
    assert "more requests fail than before the takeover" in done.answer["failure"]["message"]
    assert delivering.serving() == serving
    print(f"a release that fails a little: {done.answer['duration_seconds']:.0f} s")
