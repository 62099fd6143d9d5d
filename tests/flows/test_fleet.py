"""Several hosts: a wave that fails stops the rest, and each touched host goes back to its own."""

import time
from collections.abc import Iterator

import pytest

from blocks.environment import load_environment
from delivery.report import Outcome, Report
from tests.flows.conftest import World
from tests.scripted_hosts import HostWorld, failed

pytestmark = pytest.mark.prefect


@pytest.fixture
def fleet(world: World) -> Iterator[dict[str, HostWorld]]:
    """Three hosts that run v1.0.0: a canary and two waves of one."""
    target = load_environment(world.name)
    policy = target.rollout.model_copy(update={"wave_size": 1, "failure_budget": 0})
    target.model_copy(update={"expected_hosts": 3, "rollout": policy}).save(
        world.name, overwrite=True
    )
    image = world.built("v1.0.0")
    hosts = {name: HostWorld() for name in ("a", "b", "c")}
    for host in hosts.values():
        host.runs(image, "1.0.0")
    world.aws.worlds = hosts
    yield hosts
    target.save(world.name, overwrite=True)


def how_they_went_back(report: Report) -> list[tuple[str, str, str]]:
    assert report.restored is not None
    told = report.restored.as_json()
    return [(host["host"], host["version"], host["failure"]) for host in told["hosts"]]


def rollouts_of(host: HostWorld) -> list[str]:
    return [inputs["TT_TAG"] for step, inputs in host.asked if step == "rollout"]


def failure_told(host: HostWorld) -> float:
    """When the release failed, as the host is told for its way back; a deploy tells of none."""
    there, back = (inputs["TT_FAILED_AT"] for step, inputs in host.asked if step == "rollout")
    assert there == ""
    return float(back)


@pytest.mark.parametrize("why", ["takeover", "health"])
def test_a_later_wave_that_fails_stops_the_rest_and_every_touched_host_goes_back(
    world: World, fleet: dict[str, HostWorld], why: str
) -> None:
    old, new = fleet["a"].image, world.built("v1.1.0")
    if why == "takeover":
        fleet["b"].fail("rollout", failed("the gate did not open"))
    else:
        fleet["b"].unhealthy.add(new)

    began = time.time()
    report = world.rolled_out("v1.1.0")

    assert report.outcome is Outcome.ROLLED_BACK
    assert [host.image for host in fleet.values()] == [old] * 3
    assert [rollouts_of(host) for host in fleet.values()] == [["v1.1.0", "v1.0.0"]] * 2 + [[]]
    assert how_they_went_back(report) == [("a", "1.0.0", ""), ("b", "1.0.0", "")]
    assert began < failure_told(fleet["a"]) < time.time()
    assert [(host.host, host.touched, bool(host.failure)) for host in report.hosts] == [
        *(("a", True, False), ("b", True, why == "takeover"), ("c", False, False))
    ]
    assert "| not touched | c |" in report.as_markdown()
    assert not any("record" in host.steps for host in fleet.values())


def test_each_host_of_the_wave_that_stops_it_tells_what_became_of_it(
    world: World, fleet: dict[str, HostWorld]
) -> None:
    target = load_environment(world.name)
    wide = target.rollout.model_copy(update={"wave_size": 2})
    target.model_copy(update={"rollout": wide}).save(world.name, overwrite=True)
    world.built("v1.1.0")
    fleet["b"].fail("rollout", failed("the gate did not open"))

    report = world.rolled_out("v1.1.0")

    assert report.outcome is Outcome.ROLLED_BACK
    assert [(host.host, host.changed) for host in report.hosts] == [
        *(("a", ("app",)), ("b", ()), ("c", ("app",)))
    ]
    assert report.hosts[1].failure.endswith("the gate did not open")
    assert report.changed == ("app",)


def test_each_host_goes_back_to_its_own_release_and_one_that_has_none_is_told(
    world: World, fleet: dict[str, HostWorld]
) -> None:
    old, older, new = fleet["a"].image, world.built("v0.9.0"), world.built("v1.1.0")
    fleet["b"].record.clear()
    fleet["b"].runs(older, "0.9.0")
    fleet["c"].record.clear()
    fleet["c"].image = ""
    fleet["c"].unhealthy.add(new)

    report = world.rolled_out("v1.1.0")

    assert report.outcome is Outcome.NO_WAY_BACK
    assert [fleet["a"].image, fleet["b"].image] == [old, older]
    assert rollouts_of(fleet["c"]) == ["v1.1.0"]
    assert how_they_went_back(report) == [("a", "1.0.0", ""), ("b", "0.9.0", "")]
    assert "no way back for c, the others serve the release before" in report.headline
    assert "| c |  | **no way back**" in report.as_markdown()


def test_a_host_that_does_not_go_back_keeps_no_other_from_it(
    world: World, fleet: dict[str, HostWorld]
) -> None:
    old = fleet["a"].image
    world.built("v1.1.0")
    # In the deploy, beside the other one on the way back, and then alone.
    fleet["b"].fail("rollout", failed("the disk is full"), times=3)

    report = world.rolled_out("v1.1.0")

    assert report.outcome is Outcome.ROLLBACK_FAILED
    assert fleet["a"].image == old
    there, lost = how_they_went_back(report)
    assert (there, lost[:2]) == (("a", "1.0.0", ""), ("b", "1.0.0"))
    assert "the disk is full" in lost[2]
