"""Old runs on a real server: what goes, what stays, and that it may be said twice."""

import datetime
import json
import uuid
from typing import Any

import pytest
from prefect import flow, tags
from prefect.artifacts import create_markdown_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterKey,
    FlowRunFilter,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun, State
from prefect.logging import disable_run_logger
from prefect.states import Cancelled, Completed, Failed, Running, Scheduled

from blocks.run_history import RunHistory
from delivery.retention import EndedRun, Forgotten
from flows.retention import main, retention
from tasks.retention import batches, find_old_runs, forget_runs

pytestmark = pytest.mark.prefect


@flow(name="deploy")
def deploy(environment: str) -> None:
    """Only its runs matter."""


@flow(name="healthcheck")
def healthcheck(environment: str) -> None:
    """A look that leaves a page."""
    create_markdown_artifact("healthy", key=f"old-page-of-{environment}")


@flow(name="deploy")
def deploy_with_a_check(environment: str) -> State[Any]:
    """A deploy and what it starts within itself."""
    healthcheck(environment)
    return Completed(name="Deployed")


class Past:
    """The runs of one environment that no other test has."""

    def __init__(self) -> None:
        self.environment = f"e{uuid.uuid4().hex[:8]}"
        self.tag = f"tag-{self.environment}"
        self.history = RunHistory(self.tag)

    def run(self, state: State[Any], *, environment: str = "", tag: str = "") -> FlowRun:
        """A run of ``deploy`` in this state."""
        with get_client(sync_client=True) as client:
            run = client.create_flow_run(
                deploy,
                parameters={"environment": environment or self.environment},
                tags=[tag or self.tag],
                state=Scheduled(),
            )
            client.set_flow_run_state(run.id, state, force=True)
            return run

    def left(self, tag: str = "") -> set[str]:
        """The ids of the runs that are still there."""
        with get_client(sync_client=True) as client:
            wanted = FlowRunFilter(tags=FlowRunFilterTags(all_=[tag or self.tag]))
            return {str(run.id) for run in client.read_flow_runs(flow_run_filter=wanted)}

    def pages(self) -> int:
        """How many pages its checks have left."""
        key = ArtifactFilterKey(any_=[f"old-page-of-{self.environment}"])
        with get_client(sync_client=True) as client:
            return len(client.read_artifacts(artifact_filter=ArtifactFilter(key=key)))

    def old(self, *, keep: int, before: datetime.datetime | None = None) -> list[EndedRun]:
        """What is found, with everything that ended by now being old."""
        moment = before or datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=5)
        with disable_run_logger():
            return find_old_runs.fn(self.history, self.environment, before=moment, keep=keep)

    def forget(self, *, keep: int, dry_run: bool = False) -> Forgotten:
        """Find and forget."""
        found = self.old(keep=keep)
        with disable_run_logger():
            return forget_runs.fn(self.history, self.environment, found, dry_run=dry_run)


@pytest.fixture
def past() -> Past:
    return Past()


def test_the_last_deploys_and_what_has_not_ended_stay(past: Past) -> None:
    old = [past.run(Completed(name="Deployed")), past.run(Failed(name="RolledBack"))]
    plan = past.run(Completed(name="Planned"))
    last = [past.run(Completed(name="Deployed")), past.run(Failed(name="Failed"))]
    superseded = past.run(Cancelled(name="Superseded"))
    running, waiting = past.run(Running()), past.run(Scheduled())
    account = past.forget(keep=2)
    assert account.runs == (("deploy", len([*old, plan, superseded])),)
    assert past.left() == {str(each.id) for each in (*last, running, waiting)}


def test_a_dry_run_counts_and_deletes_nothing(past: Past) -> None:
    for _ in range(3):
        past.run(Completed())
    before = past.left()
    assert past.forget(keep=1, dry_run=True).total == 2
    assert past.left() == before


def test_twice_is_the_same_as_once(past: Past) -> None:
    for _ in range(3):
        past.run(Completed())
    assert past.forget(keep=1).total == 2
    assert past.forget(keep=1).total == 0
    assert len(past.left()) == 1


def test_a_run_goes_with_what_it_started_and_with_every_page(past: Past) -> None:
    with tags(past.tag):
        deploy_with_a_check(past.environment)
    past.run(Completed(name="Deployed"))
    assert past.pages() == 1
    account = past.forget(keep=1)
    assert dict(account.runs) == {"deploy": 1, "healthcheck": 1}
    assert (account.artifacts, past.pages()) == (1, 0)


def test_what_ended_since_then_stays(past: Past) -> None:
    past.run(Completed())
    past.run(Completed())
    long_ago = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
    assert past.old(keep=1, before=long_ago) == []


def test_other_environments_and_other_peoples_runs_stay(past: Past) -> None:
    other = f"other-{past.environment}"
    mine = past.run(Completed(name="Planned"))
    theirs = past.run(Completed(name="Planned"), tag=other)
    elsewhere = past.run(Completed(name="Planned"), environment="elsewhere")
    past.forget(keep=1)
    assert past.left() == {str(elsewhere.id)}
    assert past.left(other) == {str(theirs.id)}
    assert str(mine.id) not in past.left()


def test_more_than_one_batch_goes(past: Past) -> None:
    for _ in range(55):
        past.run(Completed(name="Planned"))
    assert past.forget(keep=1).total == 55
    assert past.left() == set()


def test_no_batch_is_larger_than_fifty() -> None:
    runs = [EndedRun(str(number), "deploy", "x", "Deployed") for number in range(101)]
    assert [len(some) for some in batches(runs)] == [50, 50, 1]


@pytest.mark.parametrize("days", [0, -1])
def test_today_is_never_forgotten(days: int) -> None:
    with pytest.raises(Exception, match="keep_days"):
        retention("production", keep_days=days)


def test_its_command_says_what_it_did(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--environment", "empty", "--dry-run", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (answer["outcome"], answer["environment"], answer["runs"]) == ("PLANNED", "empty", [])
