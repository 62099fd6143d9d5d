"""Of many deploys that queue up the newest has the last word."""

import datetime
from collections.abc import Callable
from typing import Any

import pytest
from prefect import Flow, flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.states import Cancelled, Completed, Failed, Pending, Running, Scheduled

from delivery.errors import Refused
from tasks.environments import refuse_the_form_of_another, superseded_by

pytestmark = pytest.mark.prefect

NOW = datetime.datetime.now(datetime.UTC)


@flow(name="deploy-that-queues")
def queueing(environment: str, dry_run: bool = False) -> None:
    """Only its runs matter."""


@flow(name="deploy")
def deploying(environment: str) -> None:
    """Likewise, by the name of the real one."""


@flow(name="rollback")
def rolling_back(environment: str) -> None:
    """Likewise."""


def asked(
    environment: str,
    seconds_ago: float,
    state: State[Any] | None = None,
    of: Flow[..., Any] = queueing,
    **parameters: Any,
) -> FlowRun:
    """A run that was asked for so long ago, in this state."""
    with get_client(sync_client=True) as client:
        run = client.create_flow_run(
            of,
            parameters={"environment": environment, **parameters},
            state=Scheduled(scheduled_time=NOW - datetime.timedelta(seconds=seconds_ago)),
        )
        if state is not None:
            client.set_flow_run_state(run.id, state, force=True)
        return client.read_flow_run(run.id)


@pytest.fixture
def seen_by(monkeypatch: pytest.MonkeyPatch) -> Callable[[FlowRun], str | None]:
    """Who is newer in the eyes of a run."""

    def look(run: FlowRun) -> str | None:
        monkeypatch.setenv("PREFECT__RUNTIME__FLOW_RUN__ID", str(run.id))
        return superseded_by()

    return look


@pytest.mark.parametrize("state", [None, Pending(), Running(), Completed()], ids=str)
def test_a_run_steps_aside_for_a_newer_one_that_waits_or_came_first(
    seen_by: Callable[[FlowRun], str | None], state: State[Any] | None
) -> None:
    environment = f"aside-{state.type.value.lower() if state else 'scheduled'}"
    old, new = asked(environment, 20, Running()), asked(environment, 10, state)
    assert seen_by(old) == new.name
    assert seen_by(new) is None


@pytest.mark.parametrize("state", [Failed(), Cancelled()], ids=str)
def test_a_newer_one_that_came_to_nothing_supersedes_nobody(
    seen_by: Callable[[FlowRun], str | None], state: State[Any]
) -> None:
    environment = f"nothing-{state.type.value.lower()}"
    old = asked(environment, 20, Running())
    asked(environment, 10, state)
    assert seen_by(old) is None


def test_another_environment_a_plan_and_an_older_run_supersede_nobody(
    seen_by: Callable[[FlowRun], str | None],
) -> None:
    old = asked("mine", 20, Running())
    asked("others", 10)
    asked("mine", 10, Completed(), dry_run=True)
    asked("mine", 30, Completed())
    assert seen_by(old) is None


@pytest.mark.parametrize("state", [None, Running(), Completed()], ids=str)
def test_a_deploy_does_not_undo_a_rollback_that_was_asked_for_after_it(
    seen_by: Callable[[FlowRun], str | None], state: State[Any] | None
) -> None:
    environment = f"undone-{state.type.value.lower() if state else 'scheduled'}"
    old = asked(environment, 20, Running(), of=deploying)
    way_back = asked(environment, 10, state, of=rolling_back)
    assert seen_by(old) == way_back.name
    assert seen_by(way_back) is None


def test_a_rollback_waits_for_no_newer_deploy_but_does_not_undo_one(
    seen_by: Callable[[FlowRun], str | None],
) -> None:
    way_back = asked("mended", 30, Running(), of=rolling_back)
    asked("mended", 20, of=deploying)
    assert seen_by(way_back) is None
    mended = asked("mended", 10, Completed(), of=deploying)
    assert seen_by(way_back) == mended.name


@pytest.fixture
def served_for_staging(monkeypatch: pytest.MonkeyPatch) -> None:
    """This run is one of a deployment whose environment is ``staging``."""
    with get_client(sync_client=True) as client:
        deployment = client.create_deployment(
            client.create_flow(queueing), name="staging", parameters={"environment": "staging"}
        )
    monkeypatch.setenv("PREFECT__RUNTIME__DEPLOYMENT__ID", str(deployment))
    monkeypatch.setenv("PREFECT__RUNTIME__FLOW_RUN__FLOW_NAME", "deploy")


@pytest.mark.usefixtures("served_for_staging")
def test_the_form_of_one_environment_deploys_to_no_other() -> None:
    refuse_the_form_of_another("staging")
    with pytest.raises(Refused, match="of staging; production has one") as refused:
        refuse_the_form_of_another("production")
    assert refused.value.next_command == "prefect deployment run deploy/production"


def test_a_run_without_a_deployment_goes_where_it_is_told() -> None:
    refuse_the_form_of_another("production")


def test_outside_of_a_run_there_is_nobody_to_step_aside_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("PREFECT__RUNTIME__FLOW_RUN__ID", raising=False)
    assert superseded_by() is None
