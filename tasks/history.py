"""Where an environment's history is kept: Prefect's runs, the hosts' records, git, Prometheus."""

import datetime
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prefect import get_client, get_run_logger, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterKey,
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterStartTime,
)
from prefect.client.schemas.objects import Artifact, FlowRun
from prefect.client.schemas.sorting import ArtifactSort, FlowRunSort
from prefect.utilities.urls import url_for

from blocks.environment import Environment
from blocks.git import SourceRepository
from delivery.cuts import Cut, read_cuts
from delivery.deliveries import Row, RunSeen, read_row
from delivery.dora import Delivery
from delivery.errors import DeliveryError
from delivery.history import History
from delivery.host_script import HostAnswer
from delivery.host_state import HealthyRelease
from delivery.report import Report
from tasks.bounded import best_effort, harmless
from tasks.hosts import find_hosts, layout_inputs, observe_hosts
from tasks.release import open_source
from tasks.ssm import ScriptRun, run_script

_KINDS = ["deploy", "rollout", "rollback"]
_PAGE = 200
_MOST_RUNS = 10_000


class Published(HostAnswer):
    """The answer of ``publish.sh``; False if there is no Prometheus on the host."""

    published: bool = False


def keep_for_history(report: Report, *, kind: str, touched: bool) -> None:
    """Leave one row for ``history``; a warning if that cannot be done."""
    with harmless("a row for the history"):
        row = Row.of(report, kind=kind, touched=touched)
        create_table_artifact(
            [row.model_dump(mode="json")],
            key=_key(report.environment),
            description=f"What {report.outcome} was, for `history`",
        )


@task(name="read runs", task_run_name="runs of {environment}", cache_policy=NO_CACHE)
def read_runs(environment: str, since: datetime.datetime) -> list[RunSeen]:
    """Every deploy, rollout and rollback of the environment that began since then and ended."""
    with get_client(sync_client=True) as client:
        rows = _rows(client, environment, since)
        return [
            seen
            for kind in _KINDS
            for run in _runs(client, kind, since)
            if run.parameters.get("environment") == environment and (seen := _seen(run, kind, rows))
        ]


def read_records(target: Environment) -> tuple[list[HealthyRelease], str]:
    """What the hosts recorded as healthy, and (if they could not be asked) why."""
    try:
        states = observe_hosts(target, find_hosts(target))
    except DeliveryError as error:
        get_run_logger().warning("the hosts' records: %s", error.message)
        return [], f"the hosts' records: {error.message}"
    return [release for state in states for release in state.record], ""


@dataclass(frozen=True, slots=True)
class GitSeen:
    """What git knows of deliveries; ``missing`` says what could not be read.

    ``commits`` are the times of the commits that each deployment brought, by its revision;
    ``cuts`` the versions of the environment's branch, newest first.
    """

    commits: Mapping[str, Sequence[datetime.datetime]]
    cuts: Sequence[Cut]
    missing: tuple[str, ...] = ()


@task(name="read git", task_run_name="commits and tags of {target.name}", cache_policy=NO_CACHE)
def read_git(target: Environment, deliveries: Sequence[Delivery]) -> GitSeen:
    """When the commits of each deployment were made, and when each version was cut.

    ``deliveries`` are newest first. The first one of all brings its own commit alone: what was
    there before it is not known.
    """
    source = open_source(target)
    try:
        source.refresh()
    except DeliveryError as error:
        return GitSeen({}, (), (f"the application's repository: {error.message}",))
    commits, no_commits = _commits(source, deliveries)
    cuts, no_cuts = _cuts(source, target)
    return GitSeen(commits, cuts, tuple(filter(None, (no_commits, no_cuts))))


def _commits(
    source: SourceRepository, deliveries: Sequence[Delivery]
) -> tuple[dict[str, list[datetime.datetime]], str]:
    found: dict[str, list[datetime.datetime]] = {}
    lost: list[str] = []
    before = ""
    for each in reversed([d for d in deliveries if d.is_deployment and d.revision]):
        if each.revision in found:
            continue
        try:
            found[each.revision] = (
                source.commit_times(after=before, until=each.revision)
                if before
                else [source.committed_at(each.revision)]
            )
            before = each.revision
        except DeliveryError:
            lost.append(each.revision[:12])
    return found, f"commits that are gone: {', '.join(lost)}" if lost else ""


def _cuts(source: SourceRepository, target: Environment) -> tuple[list[Cut], str]:
    try:
        tags = source.dated_tags(source.head_of(target.branch))
    except DeliveryError as error:
        return [], f"the tags of {target.branch}: {error.message}"
    return read_cuts(tags, target.tag_prefix), ""


def publish_history(history: History) -> None:
    """The table and the figures, on the run's page."""
    create_markdown_artifact(
        history.as_markdown(),
        key=f"history-{history.environment}",
        description=f"History of {history.environment}, {history.figures.days:g} days",
    )


@task(name="push figures", task_run_name="figures of {history.environment}", cache_policy=NO_CACHE)
def push_figures(target: Environment, history: History) -> None:
    """Have the hosts' Prometheus keep the figures, for Grafana; a warning if it does not."""
    inputs = {**layout_inputs(target), "TT_METRICS": history.as_metrics()}
    run = ScriptRun("publish", inputs, 60, target.timeouts.delivery)

    def on_hosts() -> Mapping[str, Published]:
        door = target.hosts_door()
        return run_script(door, door.running(target.tag_key, target.tag_value), run, Published)

    answers = best_effort("the figures in Prometheus", on_hosts) or {}
    if kept := [name for name, answer in answers.items() if answer.published]:
        get_run_logger().info("the figures are in Prometheus on %s", ", ".join(kept))


def _key(environment: str) -> str:
    return f"outcomes-{environment}"


def _rows(client: SyncPrefectClient, environment: str, since: datetime.datetime) -> dict[str, Row]:
    """The rows that runs left, by the run's id."""
    wanted = ArtifactFilter(key=ArtifactFilterKey(any_=[_key(environment)]))
    found: dict[str, Row] = {}
    for offset in range(0, _MOST_RUNS, _PAGE):
        page: list[Artifact] = client.read_artifacts(
            artifact_filter=wanted, sort=ArtifactSort.CREATED_DESC, limit=_PAGE, offset=offset
        )
        for artifact in page:
            row = read_row(_only(artifact.data))
            if row is not None and artifact.flow_run_id:
                found[str(artifact.flow_run_id)] = row
        if len(page) < _PAGE or (page[-1].created and page[-1].created < since):
            return found
    return found


def _only(data: Any) -> Any:
    """The one row of a table artifact: the server keeps a table as JSON."""
    try:
        return json.loads(data)[0]
    except (TypeError, ValueError, LookupError):
        return None


def _runs(client: SyncPrefectClient, kind: str, since: datetime.datetime) -> list[FlowRun]:
    found: list[FlowRun] = []
    for offset in range(0, _MOST_RUNS, _PAGE):
        page = client.read_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=[kind])),
            flow_run_filter=FlowRunFilter(start_time=FlowRunFilterStartTime(after_=since)),
            sort=FlowRunSort.START_TIME_DESC,
            limit=_PAGE,
            offset=offset,
        )
        found += page
        if len(page) < _PAGE:
            break
    return found


def _seen(run: FlowRun, kind: str, rows: Mapping[str, Row]) -> RunSeen | None:
    """A run that has ended; None for one that goes on, or was only to show a plan."""
    if run.start_time is None or run.end_time is None or run.parameters.get("dry_run"):
        return None
    return RunSeen(
        kind=kind,
        state=run.state_name or "",
        began=run.start_time,
        ended=run.end_time,
        actor=str(run.parameters.get("actor") or ""),
        revision=str(run.parameters.get("revision") or ""),
        run_url=url_for("flow-run", obj_id=run.id) or "",
        row=rows.get(str(run.id)),
    )
