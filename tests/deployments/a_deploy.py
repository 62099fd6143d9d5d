"""A flow that ends as a deploy would, without anything to deploy: what CI and workers see."""

import datetime
import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.logging.handlers import APILogWorker
from prefect.states import Cancelled, Completed

from blocks.environment import Environment
from delivery.report import Outcome, Report
from flows.ending import end_with
from tasks.environments import one_deploy_at_a_time, superseded_by

ENDS = {"good": Outcome.DEPLOYED, "same": Outcome.UP_TO_DATE, "bad": Outcome.ROLLED_BACK}


@task(cache_policy=NO_CACHE, timeout_seconds=120)
def change_the_host(revision: str, seconds: float) -> int:
    """Something that takes time; tells a reader outside which process does it."""
    get_run_logger().info("::error::deploying %s in process %s", revision, os.getpid())
    time.sleep(seconds)
    return os.getpid()


@flow(name="deploy")
def deploy(
    environment: str = "production",
    revision: str = "good",
    reason: str = "",
    actor: str = "",
    dry_run: bool = False,
    seconds: float = 0.0,
) -> State[Any]:
    """Ends as its revision says; leaves the report that a deploy leaves."""
    change_the_host(revision, seconds)
    report = Report(
        outcome=Outcome.PLANNED if dry_run else ENDS[revision],
        environment=environment,
        actor=actor,
        reason=reason,
        started=datetime.datetime.now(datetime.UTC),
        duration_seconds=seconds,
        version="1.2.3",
    )
    create_markdown_artifact(report.as_markdown(), key=f"deploy-{environment}")
    # Prefect sends them when it comes to it, on a busy machine long after the run has ended.
    APILogWorker.drain_all(timeout=60)
    return end_with(report)


@flow(name="deploy-in-turn")
def deploy_in_turn(environment: str, revision: str, seconds: float, diary: str) -> State[Any]:
    """Takes its turn as every deploy does; writes down when the host was its own."""
    target = cast("Environment", SimpleNamespace(name=environment, lock=f"deploy-{environment}"))
    with one_deploy_at_a_time(target):
        if superseded_by():
            return Cancelled(name="Superseded")
        began = time.time()
        time.sleep(seconds)
        with Path(diary).open("a") as lines:
            lines.write(f"{revision} {began} {time.time()}\n")
    return Completed(name="Deployed")
