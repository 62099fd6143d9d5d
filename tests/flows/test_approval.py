"""A deploy that somebody must agree to: what is asked, what the answers do, what it holds."""

import contextvars
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from prefect import flow, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.flow_runs import resume_flow_run

from blocks.environment import load_environment
from delivery.errors import Refused
from delivery.policies import ApprovalPolicy
from flows.approval import Approval, approved, confirm
from tasks.environments import one_deploy_at_a_time
from tasks.hosts import find_hosts, observe_hosts
from tests.flows.conftest import World
from tests.prefect_world import latest_artifact

pytestmark = pytest.mark.prefect


@flow(name="a deploy that is approved", persist_result=False)
def asking(name: str, *, required: bool = True, minutes: float = 5.0) -> Approval | None:
    """As deploy does: asks first, takes the slot then, and looks again."""
    policy = ApprovalPolicy(required=required, deadline_minutes=minutes)
    target = load_environment(name).model_copy(update={"approval": policy})
    approval = approved(target, None, actor="kim", reason="friday")
    with one_deploy_at_a_time(target):
        confirm(approval, observe_hosts(target, find_hosts(target)))
    return approval


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
        resume_flow_run(run.id, run_input=answer)

    context = contextvars.copy_context()
    thread = threading.Thread(target=lambda: context.run(answer_when_asked))
    thread.start()
    yield held
    thread.join(timeout=120)


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
    assert asking(world.name, required=False) is None


def test_a_deploy_goes_on_once_it_is_approved_and_remembers_by_whom(world: World) -> None:
    world.running("v0.0.9")
    with an_approver(world, decision="approve", approver="Lee", comment="looks good") as held:
        approval = asking(world.name)
    assert isinstance(approval, Approval)
    assert approval.sentence == "approved by Lee: looks good"
    assert approval.revision == world.application.head()
    assert held == [0], "the slot was held while waiting"
    shown = latest_artifact(f"approval-{world.name}")["data"]
    assert approval.proposal.release.tag in shown
    assert "0.0.9" in shown


def test_waiting_for_an_approval_tags_nothing(world: World) -> None:
    before = dict(world.github.tags)
    with an_approver(world, decision="reject", approver="Lee"), pytest.raises(Refused):
        asking(world.name)
    assert world.github.tags == before


def test_a_rejected_deploy_is_refused_in_the_approver_s_words(world: World) -> None:
    with (
        an_approver(world, decision="reject", approver="Lee", comment="not on a friday"),
        pytest.raises(Refused, match="Lee rejected .*not on a friday"),
    ):
        asking(world.name)


def test_a_deploy_that_nobody_answers_is_refused_at_its_deadline(world: World) -> None:
    with pytest.raises(Refused, match="Nobody approved"):
        asking(world.name, minutes=0.1)


def test_a_plan_that_was_overtaken_is_refused_though_it_was_approved(world: World) -> None:
    def another_deploy() -> None:
        world.running("v0.0.9")
        world.host.generation += 1

    with (
        an_approver(world, another_deploy, decision="approve", approver="Lee"),
        pytest.raises(Refused, match="came between"),
    ):
        asking(world.name)
