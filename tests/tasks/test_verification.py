"""Verifying the watchers: what is asked of a host, and for how long."""

from collections.abc import Iterator

import pytest
from prefect.logging import disable_run_logger

from blocks.aws_hosts import Host
from delivery.checks import Check, Level, worst
from delivery.errors import HostUnreachable
from delivery.policies import VerificationPolicy
from tasks.verification import drill_alerts, look_until_fine, verify_watchers
from tests.fake_environment import FakeEnvironment, environment
from tests.fakes import FakeClock
from tests.scripted_hosts import HostWorld, answered, failed, watched_stack

HOST = Host("i-TT-ec2-1", "TT-ec2-1")
FINE, WRONG = Check("targets", Level.PASS, "all up"), Check("targets", Level.FAIL, "one down")


@pytest.fixture(autouse=True)
def without_a_run() -> Iterator[None]:
    with disable_run_logger():
        yield


def impatient() -> FakeEnvironment:
    return environment(verification=VerificationPolicy(patience_seconds=0))


def world_of(target: FakeEnvironment) -> HostWorld:
    return target.hosts.worlds["TT-ec2-1"]


def looked(*looks: list[Check] | Exception) -> tuple[list[Check], float]:
    """What came of these looks, the last one seen for ever; and how long that took."""
    clock, left = FakeClock(now=0), list(looks)

    def look() -> list[Check]:
        seen = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(seen, Exception):
            raise seen
        return seen

    return look_until_fine(look, 30, clock=clock, sleep=clock.sleep), clock.now


def test_what_is_fine_is_looked_at_once() -> None:
    assert looked([FINE]) == ([FINE], 0)


def test_what_fails_is_given_time_for_a_scrape_or_two() -> None:
    assert looked([WRONG], [WRONG], [FINE]) == ([FINE], 6)
    assert looked([WRONG]) == ([WRONG], 30)


def test_a_host_that_cannot_be_reached_is_a_failed_check_in_the_end() -> None:
    (check,), took = looked(HostUnreachable("Systems Manager never said how it ended."))
    assert (check.name, check.level, took) == ("host answers", Level.FAIL, 30)


def test_a_host_is_asked_once_for_everything() -> None:
    target = impatient()
    checks = verify_watchers.fn(target, [HOST])
    assert worst(checks) is Level.PASS
    assert len(target.hosts.sent) == 1


def test_a_script_that_fails_is_a_failed_check_with_its_remedy() -> None:
    target = impatient()
    world_of(target).fail("verify", failed("the Docker engine does not answer"))
    (check,) = verify_watchers.fn(target, [HOST])
    assert (check.host, check.remedy) == ("TT-ec2-1", "journalctl -n 50")
    assert "the Docker engine does not answer" in check.evidence


def test_one_finding_among_all_is_a_failed_check() -> None:
    target = impatient()
    world_of(target).fail("verify", answered(step="verify", **watched_stack(grafana="")))
    checks = verify_watchers.fn(target, [HOST])
    assert [check.name for check in checks if check.level is Level.FAIL] == ["Grafana"]


def test_a_drill_is_said_to_be_one_and_goes_the_whole_way() -> None:
    target = impatient()
    checks = drill_alerts.fn(target, [HOST], now=True)
    assert [check.level for check in checks] == [Level.PASS] * 4
    inputs = world_of(target).inputs_of("drill")
    assert (inputs["TT_ALERT"], inputs["TT_RECEIVER"]) == ("AlertPathDrill", "slack-drill")
    assert (inputs["TT_HOST"], inputs["TT_EVERY_HOURS"]) == ("TT-ec2-1", "0")


def test_a_drill_that_is_only_due_leaves_a_host_alone_that_had_one() -> None:
    target = impatient()
    (check,) = drill_alerts.fn(target, [HOST], now=False)
    assert world_of(target).inputs_of("drill")["TT_EVERY_HOURS"] == "20"
    assert (check.level, "left out" in check.evidence) == (Level.PASS, True)


def test_a_drill_that_cannot_be_held_is_a_failed_check() -> None:
    target = impatient()
    world_of(target).fail("drill", failed("Prometheus does not run"))
    (check,) = drill_alerts.fn(target, [HOST], now=True)
    assert (check.level, "Prometheus does not run" in check.evidence) == (Level.FAIL, True)


def test_no_host_is_given_a_secret() -> None:
    target = impatient()
    verify_watchers.fn(target, [HOST])
    drill_alerts.fn(target, [HOST], now=True)
    sent = "".join(target.hosts.sent)
    assert [secret for secret in target.secrets() if secret in sent] == []
