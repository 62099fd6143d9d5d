"""A flow that ends in a report, whatever happens."""

import datetime
import time
import traceback
from collections.abc import Callable
from typing import Any

from prefect import get_run_logger, runtime
from prefect.client.schemas.objects import State

from blocks.environment import Environment, load_environment
from delivery.errors import REFUSALS
from delivery.journal import Journal
from delivery.redaction import redact
from delivery.report import Outcome
from flows.diagnosed import asks_why, diagnosed
from flows.ending import end_with
from tasks.artifacts import publish_report
from tasks.environments import one_deploy_at_a_time, refuse_the_form_of_another, superseded_by
from tasks.history import keep_for_history
from tasks.host_steps import steps_published
from tasks.notify import Announcer

Work = Callable[[Environment, Journal], Outcome]
Ask = Callable[[Environment, Journal], None]


def reported(
    environment: str,
    work: Work,
    *,
    actor: str,
    reason: str,
    first: Ask | None = None,
    announced: bool = True,
) -> State[Any]:
    """Do ``work`` in the environment, alone, and end with a report of it.

    ``first`` may wait for a person: it is done before the environment's slot is taken.
    ``announced`` is False for what touches nothing: nobody is told of it.

    A failure is an outcome too: REFUSED if the hosts were not touched for a reason that
    asking again would not change, FAILED else.
    """
    with steps_published(environment):
        return _reported(
            environment, work, actor=actor, reason=reason, first=first, announced=announced
        )


def _reported(
    environment: str,
    work: Work,
    *,
    actor: str,
    reason: str,
    first: Ask | None,
    announced: bool,
) -> State[Any]:
    journal = _opened(environment, actor, reason)
    target: Environment | None = None
    announcer: Announcer | None = None
    try:
        refuse_the_form_of_another(environment)
        target = load_environment(environment)
        if announced:
            announcer = Announcer(target, kind=runtime.flow_run.flow_name or "deploy")
            journal.on_start = announcer.start
        if first is not None:
            first(target, journal)
        with one_deploy_at_a_time(target):
            if newer := superseded_by():
                get_run_logger().info("%s is newer; stepping aside", newer)
                outcome = Outcome.SUPERSEDED
            else:
                outcome = work(target, journal)
    except REFUSALS as error:
        journal.fail(error)
        outcome = Outcome.FAILED if journal.touched else Outcome.REFUSED
    except Exception as error:
        journal.fail(error)
        log_failure()
        outcome = Outcome.FAILED
    if target is not None and asks_why(outcome, journal):
        journal.findings = diagnosed(target, journal)
    report = journal.report(outcome)
    publish_report(report)
    if announced:
        kind = runtime.flow_run.flow_name or "deploy"
        keep_for_history(report, kind=kind, touched=journal.touched)
    if announcer is not None:
        announcer.end(report)
    return end_with(report)


def _opened(environment: str, actor: str, reason: str) -> Journal:
    """An empty journal of what begins now."""
    return Journal(
        environment=environment,
        actor=actor or runtime.deployment.name or "a command line",
        reason=reason,
        started=datetime.datetime.now(datetime.UTC),
        clock=time.monotonic,
        run_url=runtime.flow_run.ui_url or "",
    )


def log_failure() -> None:
    """Have the exception that is being handled in the run's log, free of secrets."""
    get_run_logger().error("%s", redact(traceback.format_exc()))
