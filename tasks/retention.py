"""Forgetting old runs: in small batches, artifacts first, so that it may end at any point."""

import datetime
from collections.abc import Sequence

from prefect import get_run_logger, task
from prefect.artifacts import create_markdown_artifact

from blocks.run_history import BATCH, PAGE, RunHistory
from delivery.retention import (
    CHANGING_FLOWS,
    EndedRun,
    Forgotten,
    forgettable,
    forgotten,
    is_change,
)
from tasks.retrying import BACKOFF_SECONDS, retried

MOST_RUNS = 5_000
"""What one run of this deletes at most; the next day goes on."""


@task(
    name="find old runs",
    task_run_name="find old runs of {environment}",
    **retried(BACKOFF_SECONDS),
)
def find_old_runs(
    history: RunHistory, environment: str, *, before: datetime.datetime, keep: int
) -> list[EndedRun]:
    """The runs that ended before then, but for the last ``keep`` that changed the environment."""
    kept = last_changes(history, environment, keep)
    found: list[EndedRun] = []
    offset = 0
    while len(found) <= MOST_RUNS and (page := history.ended_before(before, offset=offset)):
        found += forgettable(page, environment, kept)
        offset += PAGE
    return found


def last_changes(history: RunHistory, environment: str, keep: int) -> list[EndedRun]:
    """The last runs that changed the environment, newest first."""
    changes: list[EndedRun] = []
    offset = 0
    while len(changes) < keep and (page := history.newest(CHANGING_FLOWS, offset=offset)):
        changes += [run for run in page if is_change(run, environment)]
        offset += PAGE
    return changes[:keep]


@task(
    name="forget old runs",
    task_run_name="forget old runs of {environment}",
    **retried(BACKOFF_SECONDS),
)
def forget_runs(
    history: RunHistory, environment: str, runs: Sequence[EndedRun], *, dry_run: bool
) -> Forgotten:
    """Delete these runs of an environment, what they started within themselves, all artifacts.

    Safe to repeat: what is gone is not found again.
    """
    get_run_logger().info("%s old runs of %s", len(runs), environment)
    gone: list[EndedRun] = []
    artifacts = 0
    for some in batches(runs[:MOST_RUNS]):
        family = with_parts(history, some)
        for few in batches(family):
            artifacts += _forget(history, few, dry_run=dry_run)
        gone += family
    return forgotten(gone, artifacts=artifacts, dry_run=dry_run, more=len(runs) > MOST_RUNS)


def publish_account(environment: str, account: Forgotten) -> None:
    """What went, by flow, on the run's Artifacts page."""
    create_markdown_artifact(
        account.as_markdown(),
        key=f"retention-{environment}",
        description=f"{account.total} old runs of {environment}",
    )


def with_parts(history: RunHistory, runs: Sequence[EndedRun]) -> list[EndedRun]:
    """These runs behind those that they started within themselves, at any depth."""
    family = {run.id: run for run in runs}
    level = list(runs)
    while level:
        parts = [part for some in batches(level) for part in history.parts_of(some)]
        level = [part for part in parts if part.id not in family]
        family |= {part.id: part for part in level}
    return list(reversed(family.values()))


def batches(runs: Sequence[EndedRun]) -> list[Sequence[EndedRun]]:
    """So many at once that a run which is stopped has done whole pieces."""
    return [runs[start : start + BATCH] for start in range(0, len(runs), BATCH)]


def _forget(history: RunHistory, runs: Sequence[EndedRun], *, dry_run: bool) -> int:
    """How many artifacts went with these runs, or would go."""
    number = 0
    while artifacts := history.artifacts_of(runs, offset=number if dry_run else 0):
        number += len(artifacts)
        if not dry_run:
            history.delete_artifacts(artifacts)
    if not dry_run:
        history.delete(runs)
    return number
