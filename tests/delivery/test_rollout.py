import dataclasses
import datetime
from collections.abc import Sequence

import pytest

from delivery.errors import Refused
from delivery.host_state import HealthyRelease, HostState
from delivery.image import Image
from delivery.rollout import (
    Bundle,
    HostOutcome,
    Rollout,
    choose_way_back,
    plan_rollout,
    running_tag,
    waves,
    ways_back,
    ways_back_now,
)

REVISION = "0123456789abcdef0123456789abcdef01234567"
OLD = Bundle("0.1.0", "v0.1.0", REVISION, "r/a/b@sha256:" + "1" * 64)
NEW = Bundle("0.2.0", "v0.2.0", REVISION[::-1], "r/a/b@sha256:" + "2" * 64)


def record(bundle: Bundle) -> HealthyRelease:
    return HealthyRelease(
        version=bundle.version,
        tag=bundle.tag,
        revision=bundle.revision,
        image=bundle.image,
        configuration=bundle.configuration,
        at=datetime.datetime(2026, 11, 23, tzinfo=datetime.UTC),
    )


def state(
    name: str = "TT-ec2-1",
    *,
    healthy: Bundle | None = OLD,
    runs: Bundle | None = OLD,
    earlier: Sequence[Bundle] = (),
    seen: int = 0,
) -> HostState:
    return HostState(
        host=name,
        running_image=runs.image if runs else "",
        running_healthy=True,
        revision=REVISION,
        generation=seen,
        record=tuple(record(each) for each in (*earlier, healthy) if each),
        images=frozenset(),
    )


def test_what_can_be_gone_back_to_once_the_target_runs_is_what_every_host_has_on_record() -> None:
    before = Bundle("0.0.9", "v0.0.9", REVISION, "r/a/b@sha256:" + "9" * 64)
    plan = plan_rollout([state(earlier=[before])], NEW, generation=1)
    assert plan.ways_back_after == ("v0.1.0", "v0.0.9")
    fleet = [state("a", earlier=[before]), state("b")]
    assert plan_rollout(fleet, NEW, generation=1).ways_back_after == ("v0.1.0",)
    assert plan_rollout([state(earlier=[before])], OLD, generation=1).ways_back_after == ("v0.0.9",)


def test_what_can_be_gone_back_to_now_is_what_every_host_has() -> None:
    both = [state(healthy=NEW, runs=NEW, earlier=[OLDER, OLD])] * 2
    assert ways_back_now(both) == (OLD.tag, OLDER.tag)
    assert ways_back_now([*both, state(healthy=NEW, runs=NEW, earlier=[OLD])]) == (OLD.tag,)
    assert ways_back_now([]) == ()


def test_the_way_back_is_what_the_host_last_ran_healthily() -> None:
    plan = plan_rollout([state()], NEW, generation=1)
    assert plan.target == NEW
    assert plan.way_back_of("TT-ec2-1", None) == OLD
    assert plan.reason == "another image runs"


def test_a_new_host_has_no_way_back() -> None:
    plan = plan_rollout([state(healthy=None, runs=None)], NEW, generation=1)
    assert (plan.way_back_of("TT-ec2-1", None), plan.reason) == (None, "nothing runs yet")


def test_each_host_goes_back_to_its_own_release_and_a_new_one_bars_no_other() -> None:
    other = Bundle("0.1.5", "v0.1.5", REVISION, "r/a/b@sha256:" + "3" * 64)
    fleet = [state("a"), state("b", healthy=other), state("c", healthy=None, runs=None)]
    plan = plan_rollout(fleet, NEW, generation=1)
    assert [plan.way_back_of(name, None) for name in "abc"] == [OLD, other, None]


@pytest.mark.parametrize(
    ("configuration", "failure", "way_back"),
    [("as before", "", None), ("bad", "", NEW), ("as before", "gate", NEW), (None, "", NEW)],
    ids=["the same in all", "another configuration", "not reached", "not known"],
)
def test_the_target_is_its_own_way_back_unless_its_configuration_is_the_same_too(
    configuration: str | None, failure: str, way_back: Bundle | None
) -> None:
    healthy = dataclasses.replace(NEW, configuration="as before")
    plan = plan_rollout([state(healthy=healthy, runs=NEW)], NEW, generation=1)
    assert plan.reason.startswith("the image already runs")
    outcome = HostOutcome("TT-ec2-1", ("app",), configuration or "", failure=failure)
    found = plan.way_back_of("TT-ec2-1", outcome if configuration else None)
    assert found == way_back


def test_what_a_host_never_ran_healthily_is_unproved_though_it_runs_there() -> None:
    plan = plan_rollout(
        [state("one", healthy=NEW), state("two", healthy=OLD, runs=NEW)], NEW, generation=5
    )
    assert plan.is_unproved(["one", "two"])
    assert not plan.is_unproved(["one"])
    assert plan.is_unproved(["three"])


def test_the_same_image_with_other_files_is_another_release() -> None:
    newer = dataclasses.replace(OLD, revision=REVISION[::-1])
    plan = plan_rollout([state()], newer, generation=1)
    assert plan.way_back_of("TT-ec2-1", HostOutcome("TT-ec2-1", (), "")) == OLD


def test_a_deploy_that_slept_does_not_undo_a_later_one() -> None:
    with pytest.raises(Refused) as caught:
        plan_rollout([state("a"), state("b", seen=8)], NEW, generation=7)
    assert caught.value.where == "b"


def test_the_same_deploy_may_reach_its_host_again() -> None:
    assert plan_rollout([state(seen=7)], NEW, generation=7).generation == 7


def test_an_image_is_run_by_its_digest() -> None:
    image = Image("ghcr.io/a/b", "v0.2.0", "sha256:" + "2" * 64)
    bundle = Bundle.of_image(image, version="0.2.0", revision=REVISION)
    assert bundle.image == "ghcr.io/a/b@sha256:" + "2" * 64


def test_a_host_that_kept_the_release_before_was_not_reached() -> None:
    there, kept = HostOutcome("a", ("app",), "c"), HostOutcome("b", (), "c", failure="gate")
    assert Rollout(NEW, (there, kept)).reached == (there,)


@pytest.mark.parametrize(
    ("canary", "size", "order"),
    [
        (1, 2, ["a", "bc", "de"]),
        (1, 9, ["a", "bcde"]),
        (2, 1, ["ab", "c", "d", "e"]),
        (9, 1, ["abcde"]),
    ],
)
def test_a_canary_goes_first_and_then_wave_by_wave(
    canary: int, size: int, order: list[str]
) -> None:
    fleet = [HostOutcome(name, (), "") for name in "abcde"]
    split = waves(fleet, canary=canary, size=size)
    assert ["".join(host.host for host in wave) for wave in split] == order


def test_the_services_that_changed_on_any_host_are_named_once() -> None:
    hosts = (HostOutcome("a", ("app", "grafana"), "c"), HostOutcome("b", ("app",), "c"))
    assert Rollout(NEW, hosts).changed_services == ("app", "grafana")


OLDER = Bundle("0.0.9", "v0.0.9", REVISION, "r/a/b@sha256:" + "9" * 64)


def chosen(fleet: list[HostState], wanted: str | None) -> Bundle:
    return choose_way_back(fleet, wanted, environment="lab", tag_prefix="v")


def test_going_back_means_the_release_before_the_one_that_runs() -> None:
    fleet = [state(name, healthy=NEW, runs=NEW, earlier=[OLDER, OLD]) for name in "ab"]
    assert chosen(fleet, None) == OLD


@pytest.mark.parametrize("wanted", ["0.0.9", "v0.0.9"])
def test_an_earlier_release_can_be_asked_for_by_version_or_tag(wanted: str) -> None:
    host = state(healthy=NEW, runs=NEW, earlier=[OLDER, OLD])
    assert chosen([host], wanted) == OLDER


def test_a_release_that_one_host_never_ran_healthily_is_no_way_back() -> None:
    fleet = [
        state("a", healthy=NEW, runs=NEW, earlier=[OLDER, OLD]),
        state("b", healthy=NEW, runs=NEW, earlier=[OLDER]),
    ]
    assert chosen(fleet, None) == OLDER
    with pytest.raises(Refused, match=r"no way back to v0\.1\.0; there is: v0\.0\.9"):
        chosen(fleet, "v0.1.0")


def test_a_host_with_one_release_has_nothing_to_go_back_to() -> None:
    with pytest.raises(Refused, match="an earlier release; there is: nothing"):
        chosen([state()], None)


@pytest.mark.parametrize(
    ("wanted", "command"),
    [
        (None, "flows.history --environment lab"),
        ("7.7.7", "flows.deploy --environment lab --revision v7.7.7"),
        ("v7.7.7", "flows.deploy --environment lab --revision v7.7.7"),
        ("7; reboot", "flows.deploy --environment lab --revision 'v7; reboot'"),
    ],
)
def test_what_is_no_way_back_may_be_deployed(wanted: str | None, command: str) -> None:
    with pytest.raises(Refused) as refused:
        chosen([state()], wanted)
    assert refused.value.next_command == f"python -m {command}"


def test_a_release_that_failed_is_not_in_the_way_of_the_last_healthy_one() -> None:
    assert ways_back(state(healthy=OLD, runs=NEW, earlier=[OLDER, OLD])) == [OLD, OLDER]


def test_what_runs_is_the_release_that_proved_healthy_last_on_any_host() -> None:
    later = record(NEW).model_copy(
        update={"at": datetime.datetime(2027, 1, 1, tzinfo=datetime.UTC)}
    )
    newest = dataclasses.replace(state(), record=(record(OLD), later))
    assert running_tag([newest, state(healthy=OLD)]) == "v0.2.0"
    assert running_tag([state(healthy=OLD), state(healthy=None)]) == "v0.1.0"
    assert running_tag([state(healthy=None)]) == ""
