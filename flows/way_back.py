"""Preparing the hosts, and the way back: what every rollout shares."""

from collections.abc import Sequence

from prefect import get_run_logger

from blocks.aws_hosts import Host
from blocks.environment import Environment
from delivery.health import Verdict
from delivery.journal import Journal
from delivery.report import Outcome
from delivery.rollout import Bundle, RolloutPlan
from delivery.stack_plan import StackPlan
from flows.healthcheck import check_health
from flows.reported import log_failure
from tasks.hosts import (
    pull_images,
    render_alertmanager,
    sync_source,
)
from tasks.takeover import await_rollout, start_containers


def prepare(
    target: Environment, hosts: Sequence[Host], bundle: Bundle, plan: RolloutPlan
) -> tuple[StackPlan, ...]:
    """All that can be done while the old release serves undisturbed; what will then be done."""
    sync_source(target, hosts, bundle)
    render_alertmanager(target, hosts)
    plans = pull_images(target, hosts, bundle, allow_data_stores=plan.allow_data_stores)
    for stack in plans:
        for warning in stack.warnings:
            get_run_logger().warning("%s: %s", stack.host, warning)
    return plans


def go_back(
    target: Environment, hosts: Sequence[Host], plan: RolloutPlan, journal: Journal
) -> Outcome:
    """Bring the release back that last proved healthy, and believe only its health.

    A rollout that was given up may still be under way on a host: its end is waited for.
    """
    if plan.way_back is None:
        return Outcome.NO_WAY_BACK
    journal.begin_way_back(plan.way_back)
    try:
        with journal.stage(f"go back to {plan.way_back.tag}"):
            await_rollout(target, hosts)
            stacks = prepare(target, hosts, plan.way_back, plan)
            journal.note_way_back(
                start_containers(
                    target, hosts, plan.way_back, plan.generation, stacks, keep_warm=False
                )
            )
        with journal.stage("healthcheck after going back"):
            healthy = check_health(target.name).verdict is Verdict.HEALTHY
    except Exception:
        log_failure()
        return Outcome.ROLLBACK_FAILED
    if not healthy:
        return Outcome.ROLLBACK_FAILED
    journal.note_restored()
    return Outcome.ROLLED_BACK
