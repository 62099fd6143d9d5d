"""What the server watches over."""

from prefect.events.schemas.automations import EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

from delivery.report import Outcome
from deployments.automations import crash_of_silent_runs
from flows.watched import HEARTBEAT_SECONDS, TAG


def trigger() -> EventTrigger:
    watching = crash_of_silent_runs().trigger
    assert isinstance(watching, EventTrigger)
    return watching


def test_three_missing_heartbeats_make_a_run_crashed() -> None:
    assert trigger().posture is Posture.Proactive
    assert trigger().after == {"prefect.flow-run.Running", "prefect.flow-run.heartbeat"}
    assert trigger().within.total_seconds() == 3 * HEARTBEAT_SECONDS
    (action,) = crash_of_silent_runs().actions
    assert action.model_dump()["state"] == "CRASHED"
    assert action.model_dump()["force"] is False


def test_every_way_that_a_run_of_ours_ends_is_no_silence() -> None:
    endings = {f"prefect.flow-run.{outcome.state_name}" for outcome in Outcome}
    assert endings <= trigger().expect
    assert {"prefect.flow-run.Completed", "prefect.flow-run.Suspended"} <= trigger().expect


def test_runs_of_others_on_the_same_server_are_left_alone() -> None:
    related = trigger().match_related
    assert isinstance(related, ResourceSpecification)
    assert related.model_dump() == {"prefect.resource.id": f"prefect.tag.{TAG}"}


def test_each_run_is_watched_for_itself() -> None:
    assert trigger().for_each == {"prefect.resource.id"}
