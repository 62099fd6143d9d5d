"""A deploy that somebody must agree to: what is asked, what the answers do, what it holds."""

import contextvars
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from prefect import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.flow_runs import resume_flow_run

from blocks.environment import Environment, load_environment
from delivery.policies import ApprovalPolicy
from delivery.report import Outcome, Report
from deployments.server import ensure_limit
from flows.deploy import deploy
from flows.ending import report_of
from tests.flows.conftest import World
from tests.flows.test_deploy import with_its_image
from tests.prefect_world import latest_artifact

pytestmark = pytest.mark.prefect


@pytest.fixture
def guarded(world: World) -> World:
    """The environment, demanding approval."""
    return guard(world, "guarded", ApprovalPolicy(required=True, deadline_minutes=5))


def guard(world: World, name: str, policy: ApprovalPolicy) -> World:
    """The same far ends as an environment of another name with this policy."""
    shared = load_environment(world.name)
    # Made anew: a copy would be saved over the document that it was loaded from.
    fields = {field: getattr(shared, field) for field in Environment.model_fields}
    Environment(**fields | {"name": name, "approval": policy}).save(name, overwrite=True)
    with get_client(sync_client=True) as client:
        ensure_limit(client, f"deploy-{name}")
    return replace(world, name=name)


def deployed(world: World, **parameters: Any) -> Report:
    state: Any = deploy(world.name, actor="kim", reason="friday", return_state=True, **parameters)
    return report_of(state)


@contextmanager
def an_approver(world: World, meanwhile: Any = None, **answer: Any) -> Iterator[list[int]]:
    """Somebody who answers the form; how many held the environment's slot meanwhile."""
    held: list[int] = []

    def answer_when_asked() -> None:
        with get_client(sync_client=True) as client:
            run = paused_run(client)
            limit = client.read_global_concurrency_limit_by_name(f"deploy-{world.name}")
            held.append(limit.active_slots)
        if meanwhile:
            meanwhile()
        resume(run, answer)

    context = contextvars.copy_context()
    thread = threading.Thread(target=lambda: context.run(answer_when_asked))
    thread.start()
    yield held
    thread.join(timeout=250)


def resume(run: FlowRun, answer: dict[str, Any]) -> None:
    """Answer the form: Prefect calls a run paused a moment before it has stored that."""
    due = time.monotonic() + 120
    while True:
        try:
            resume_flow_run(run.id, run_input=answer)
        except RuntimeError:
            if time.monotonic() > due:
                raise
            time.sleep(0.3)
        else:
            return


def paused_run(client: Any) -> FlowRun:
    paused = FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.PAUSED]))
    due = time.monotonic() + 120
    while time.monotonic() < due:
        found = client.read_flow_runs(flow_run_filter=FlowRunFilter(state=paused))
        if found:
            run: FlowRun = found[0]
            return run
        time.sleep(0.3)
    raise AssertionError("nobody was asked")


def test_an_environment_that_demands_no_approval_asks_nobody(world: World) -> None:
    unguarded = guard(world, "unguarded", ApprovalPolicy())
    with_its_image(unguarded)
    assert deployed(unguarded).outcome is Outcome.DEPLOYED


def test_a_plan_alone_needs_no_approval(guarded: World) -> None:
    assert deployed(guarded, dry_run=True).outcome is Outcome.PLANNED


def test_a_deploy_goes_on_once_it_is_approved_and_the_report_says_by_whom(
    guarded: World,
) -> None:
    tag = with_its_image(guarded)
    head = guarded.application.head()
    answer = {"decision": "approve", "approver": "Lee", "comment": "looks good"}
    # The branch moves on while the approver reads: what is deployed is what was shown.
    with an_approver(guarded, lambda: guarded.application.commit("feat: late"), **answer) as held:
        report = deployed(guarded)
    assert (report.outcome, report.revision) == (Outcome.DEPLOYED, head)
    assert report.reason == "friday; approved by Lee: looks good"
    assert held == [0], "the slot was held while waiting"
    assert tag in latest_artifact(f"approval-{guarded.name}")["data"]


def test_a_rejected_deploy_is_refused_in_the_approver_s_words_and_touches_nothing(
    guarded: World,
) -> None:
    with_its_image(guarded)
    with an_approver(guarded, decision="reject", approver="Lee", comment="not on a friday"):
        report = deployed(guarded)
    assert report.outcome is Outcome.REFUSED
    assert report.failure is not None
    assert "Lee rejected" in report.failure.message
    assert "not on a friday" in report.failure.message
    assert set(guarded.host.steps) == {"preflight", "plan", "observe"}  # its dry run, too
    assert guarded.github.asked("POST") == []


def test_a_deploy_that_nobody_answers_is_refused_at_its_deadline(world: World) -> None:
    policy = ApprovalPolicy(required=True, deadline_minutes=0.1)
    impatient = guard(world, "impatient", policy)
    state: Any = deploy(impatient.name, return_state=True)
    # Prefect's server may end the run first, in words of its own; the report is ours always.
    assert state.is_failed()
    page = latest_artifact("deploy-impatient")["data"]
    assert "# REFUSED" in page
    assert "Nobody approved" in page
    assert set(world.host.steps) == {"observe"}


def test_a_plan_that_was_overtaken_is_refused_though_it_was_approved(guarded: World) -> None:
    def another_deploy() -> None:
        guarded.running("v0.0.9")
        guarded.host.generation += 1

    with an_approver(guarded, another_deploy, decision="approve", approver="Lee"):
        report = deployed(guarded)
    assert report.outcome is Outcome.REFUSED
    assert report.failure is not None
    assert "came between" in report.failure.message
