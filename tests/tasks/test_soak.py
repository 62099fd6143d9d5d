"""The soak gate: how long it looks, and what it asks of a host."""

from collections.abc import Iterator

import pytest
from prefect.logging import disable_run_logger

from blocks.aws_hosts import Host
from delivery.errors import HostScriptFailed
from delivery.health import Probe, Sample, Verdict
from delivery.policies import SoakPolicy
from tasks.soak import probe_soak, watch_soak
from tests.fake_environment import environment
from tests.fakes import FakeClock

HOST = Host("i-TT-ec2-1", "TT-ec2-1")
SAME, WORSE = Sample(True, "as before"), Sample(False, "more requests fail")


@pytest.fixture(autouse=True)
def without_a_run() -> Iterator[None]:
    with disable_run_logger():
        yield


def watched(*looks: Sample | Exception, age: float = 0.0, seconds: int = 60) -> tuple[Probe, float]:
    """The probe that saw these, the last of them for ever; and how long that took."""
    clock, left = FakeClock(now=0), list(looks)

    def look() -> tuple[Sample, float]:
        seen = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(seen, Exception):
            raise seen
        return seen, age + clock.now

    policy = SoakPolicy(watch_seconds=seconds)
    return watch_soak(HOST, policy, look, clock=clock, sleep=clock.sleep), clock.now


def test_a_release_is_watched_until_it_is_old_enough() -> None:
    probe, took = watched(SAME, age=15)
    assert (probe.name, probe.verdict, probe.detail) == ("soak", Verdict.HEALTHY, "as before")
    assert (probe.looks, took) == (6, 50)


def test_one_that_is_old_enough_is_looked_at_once() -> None:
    assert watched(SAME, age=61)[0].looks == 1


def test_worse_twice_in_a_row_ends_it_at_once() -> None:
    probe, took = watched(SAME, WORSE, WORSE)
    assert (probe.verdict, probe.detail, took) == (Verdict.UNHEALTHY, WORSE.detail, 20)


def test_worse_once_may_pass() -> None:
    assert watched(WORSE, SAME, age=61)[0].verdict is Verdict.HEALTHY
    assert watched(WORSE, SAME, WORSE, SAME)[0].verdict is Verdict.HEALTHY


def test_worse_at_the_very_end_is_looked_at_again() -> None:
    probe, _ = watched(WORSE, age=61)
    assert (probe.verdict, probe.looks) == (Verdict.UNHEALTHY, 2)


def test_monitoring_that_is_away_takes_no_release_back() -> None:
    probe, took = watched(HostScriptFailed("Prometheus does not answer"))
    assert (probe.verdict, took) == (Verdict.HEALTHY, 60)
    assert probe.detail == "not judged: Prometheus does not answer"


def test_the_host_is_asked_with_the_policy_s_own_question() -> None:
    target = environment(soak=SoakPolicy(before_minutes=7, warm_up_seconds=9))
    world = target.hosts.worlds["TT-ec2-1"]
    probe = probe_soak.fn(target, HOST)
    inputs = world.inputs_of("probe_soak")
    assert ("[7m]" in inputs["TT_QUERY"], inputs["TT_WARM_UP"]) == (True, "9")
    assert (probe.verdict, probe.host) == (Verdict.HEALTHY, "TT-ec2-1")
    assert "not enough traffic to judge" in probe.detail
