"""Preparing the hosts, and the way back: what every rollout shares."""

from collections.abc import Mapping, Sequence

from prefect import get_run_logger

from blocks.aws_hosts import Host
from blocks.environment import Environment
from delivery.errors import DeliveryError, HostError
from delivery.failure import Failure
from delivery.health import Verdict
from delivery.journal import Journal
from delivery.report import Outcome
from delivery.rollout import Bundle, HostOutcome, RolloutPlan
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
    """Bring the release back that last proved healthy on each host, and believe only its health.

    A host that has none is said so, and takes the way back from no other.
    """
    ways = {h.name: plan.way_back_of(h.name, journal.outcomes.get(h.name)) for h in hosts}
    going = [host for host in hosts if ways[host.name]]
    for name in (host.name for host in hosts if host not in going):
        get_run_logger().warning("%s: there is no earlier release on record to go back to", name)
    if not going:
        return Outcome.NO_WAY_BACK
    journal.begin_way_back(ways)
    everywhere = len(going) == len(hosts)
    try:
        with journal.stage(f"go back to {', '.join(_tags(ways))}"):
            journal.note_way_back(_bring_back(target, going, ways, plan, journal.failed_at))
            _demand_all_back(journal)
        with journal.stage("healthcheck after going back"):
            only = None if everywhere else [host.name for host in going]
            healthy = check_health(target.name, only, as_before=True).verdict is Verdict.HEALTHY
    except Exception:
        log_failure()
        return Outcome.ROLLBACK_FAILED
    if not healthy:
        return Outcome.ROLLBACK_FAILED
    journal.note_restored()
    return Outcome.ROLLED_BACK if everywhere else Outcome.NO_WAY_BACK


def _tags(ways: Mapping[str, Bundle | None]) -> list[str]:
    return sorted({bundle.tag for bundle in ways.values() if bundle})


def _bring_back(
    target: Environment,
    hosts: Sequence[Host],
    ways: Mapping[str, Bundle | None],
    plan: RolloutPlan,
    failed_at: float,
) -> list[HostOutcome]:
    """Hosts with the same way back go together; what became of each."""
    together: dict[tuple[Bundle, str], list[Host]] = {}
    for host in hosts:
        if bundle := ways[host.name]:
            together.setdefault((bundle, bundle.configuration), []).append(host)
    return [
        outcome
        for (bundle, _), group in together.items()
        for outcome in _bring_together(target, group, bundle, plan, failed_at)
    ]


def _bring_together(
    target: Environment,
    hosts: Sequence[Host],
    bundle: Bundle,
    plan: RolloutPlan,
    failed_at: float,
) -> list[HostOutcome]:
    """Bring a release back on some hosts, one by one if they do not all get there together.

    A rollout that was given up may still be under way on a host: its end is waited for.
    """
    try:
        await_rollout(target, hosts)
        stacks = _prepare_if_possible(target, hosts, bundle, plan)
        return start_containers(
            target,
            hosts,
            bundle,
            plan.generation,
            stacks or (),
            keep_warm=False,
            failed_at=failed_at,
            canary=True,
            way_back=True,
            prepared=stacks is not None,
        )
    except Exception as error:
        if len(hosts) > 1:
            return [
                outcome
                for host in hosts
                for outcome in _bring_together(target, [host], bundle, plan, failed_at)
            ]
        log_failure()
        failure = Failure.of("go back", error).message
        return [HostOutcome(hosts[0].name, (), "", failure=failure)]


def _prepare_if_possible(
    target: Environment, hosts: Sequence[Host], bundle: Bundle, plan: RolloutPlan
) -> tuple[StackPlan, ...] | None:
    """What will be done once the hosts are prepared; None if that failed.

    A release that is still warm needs neither git nor Doppler nor the registry: any of them may be
    what broke the new one.
    """
    try:
        return prepare(target, hosts, bundle, plan)
    except DeliveryError:
        log_failure()
        return None


def _demand_all_back(journal: Journal) -> None:
    hosts = journal.restored.hosts if journal.restored else ()
    if missing := [host.host for host in hosts if host.failure]:
        raise HostError("The way back failed.", where=", ".join(missing))
