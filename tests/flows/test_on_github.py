"""GitHub and Grafana show where a commit runs, and no deploy fails because they do not."""

from typing import Any

import pytest

from blocks.buildx import Buildx
from delivery.errors import BuildError, Refused
from delivery.report import Outcome
from flows.rollback import rollback
from tests.fake_environment import SECRETS
from tests.flows.conftest import World
from tests.flows.test_deploy import deployed, with_its_image
from tests.flows.test_reported import ended, raising

pytestmark = pytest.mark.prefect


def states(world: World) -> list[list[str]]:
    """How each deployment stood, oldest first."""
    return [each["states"] for each in world.github.deployments]


def test_a_deploy_is_a_deployment_and_a_status_of_its_commit(world: World) -> None:
    with_its_image(world)
    report = deployed(world)
    (shown,) = world.github.deployments
    assert shown["ref"] == report.revision
    assert (shown["environment"], shown["production_environment"]) == ("testing", False)
    assert (shown["auto_merge"], shown["required_contexts"]) == (False, [])
    assert shown["states"] == ["in_progress", "success"]
    assert world.github.commit_states == [
        (report.revision, "tt-deploy/testing", "pending"),
        (report.revision, "tt-deploy/testing", "success"),
    ]


def test_one_that_is_taken_back_failed_and_the_one_before_stays(world: World) -> None:
    world.built("v1.0.0")
    world.rolled_out("v1.0.0")
    world.host.unhealthy.add(world.built("v1.1.0", "f" * 40))
    assert world.rolled_out("v1.1.0").outcome is Outcome.ROLLED_BACK
    assert states(world) == [["in_progress", "success"], ["in_progress", "failure"]]
    assert world.github.commit_states[-1] == ("f" * 40, "tt-deploy/testing", "failure")


def test_a_rollback_by_hand_puts_the_deployment_that_it_replaces_out_of_use(world: World) -> None:
    world.running("v1.0.0")
    world.built("v1.1.0", "f" * 40)
    world.rolled_out("v1.1.0")
    rollback(world.name, return_state=True)
    assert states(world) == [["in_progress", "success", "inactive"], ["in_progress", "success"]]


def test_a_deploy_and_a_rollback_are_marked_on_the_hosts_dashboards(world: World) -> None:
    world.running("v1.0.0")
    world.built("v1.1.0", "f" * 40)
    world.rolled_out("v1.1.0")
    world.rolled_out("v1.1.0")  # nothing to do, nothing to mark
    rollback(world.name, return_state=True)
    assert [mark["tags"] for mark in world.host.annotations] == [
        ["deploy", "testing", "1.1.0", "DEPLOYED"],
        ["rollback", "testing", "1.0.0", "DEPLOYED"],
    ]


def test_a_grafana_that_does_not_take_the_mark_fails_no_deploy(
    world: World, run_log: list[str]
) -> None:
    world.host.fail("annotate")
    world.built("v1.0.0")
    assert world.rolled_out("v1.0.0").outcome is Outcome.DEPLOYED
    assert any(line.startswith("WARNING Without a mark in Grafana") for line in run_log)


def test_a_dry_run_and_a_refusal_before_anything_was_known_write_nothing(world: World) -> None:
    deployed(world, dry_run=True)
    ended(world.name, raising(Refused("Not now.")))
    assert [asked for asked in world.github.requests if asked.method != "GET"] == []


@pytest.mark.parametrize("status", [403, 404, 500, 429])
def test_a_github_that_will_not_have_it_fails_no_deploy(
    world: World, run_log: list[str], status: int
) -> None:
    world.github.fail("POST", status, times=99)
    world.built("v1.0.0")
    assert world.rolled_out("v1.0.0").outcome is Outcome.DEPLOYED
    warned = [line for line in run_log if line.startswith("WARNING Without")]
    assert ["deployment on GitHub" in line or "commit's status" in line for line in warned] == [
        True,
        True,
        True,
    ]
    assert SECRETS["github"] not in "".join(run_log)


def test_a_token_that_may_write_no_statuses_still_shows_the_deployment(world: World) -> None:
    world.github.fail("POST .*/repos/tt/app/statuses", 403, times=9)
    world.built("v1.0.0")
    world.rolled_out("v1.0.0")
    assert states(world) == [["in_progress", "success"]]
    assert world.github.commit_states == []


def test_a_build_that_fails_is_an_error_of_that_deployment(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise BuildError("It does not compile.")

    monkeypatch.setattr(Buildx, "build_and_push", broken)
    any_report: Any = deployed(world)
    assert any_report.failure.message == "It does not compile."
    assert any_report.outcome is Outcome.FAILED
    assert states(world) == [["in_progress", "error"]]
