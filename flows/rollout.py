"""Put one release on every host of an environment, verify it, go back if it does not hold."""

import time
from collections.abc import Sequence
from typing import Any

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State

from blocks.aws_hosts import Host
from blocks.environment import Environment
from delivery.errors import HostError
from delivery.health import Verdict
from delivery.journal import Journal
from delivery.preflight import Purpose
from delivery.redaction import redact
from delivery.report import Outcome
from delivery.rollout import Rollout, RolloutPlan, plan_rollout, waves
from flows.ending import allows_data_stores, command_line, run_command, run_name, run_reported
from flows.healthcheck import check_health
from flows.parameters import Actor, AllowDataStores, EnvironmentName, Reason, Tag
from flows.readiness import ready_hosts
from flows.reported import log_failure, reported
from flows.way_back import go_back, prepare
from tasks.artifacts import publish_containers
from tasks.hosts import (
    list_containers,
    prune_images,
    record_release,
)
from tasks.image import find_built_release
from tasks.takeover import start_containers
from tasks.ways_back import offer_ways_back


@flow(name="rollout", flow_run_name=run_name("{environment} ← {tag}"), persist_result=False)
def rollout(
    environment: EnvironmentName,
    tag: Tag,
    reason: Reason = "",
    actor: Actor = "",
    allow_data_stores: AllowDataStores = False,
) -> State[Any]:
    """Put a release whose image is in the registry on every host; builds nothing."""

    def roll_out_tag(target: Environment, journal: Journal) -> Outcome:
        with journal.stage("preflight"):
            ready = ready_hosts(target, journal, Purpose.ROLL_OUT)
            hosts, states = ready.hosts, ready.states
        with journal.stage("find the image"):
            bundle, image = find_built_release(target, tag)
            journal.note_bundle(bundle, image)
        plan = plan_rollout(states, bundle, generation=now(), allow_data_stores=allow_data_stores)
        return roll_out(target, hosts, plan, journal)

    return reported(environment, roll_out_tag, actor=actor, reason=reason)


def roll_out(
    target: Environment, hosts: Sequence[Host], plan: RolloutPlan, journal: Journal
) -> Outcome:
    """Carry out a plan; DEPLOYED or UP_TO_DATE only if what then runs is healthy."""
    journal.touched = True
    with journal.stage("prepare hosts"):
        journal.plans = prepare(target, hosts, plan.target, plan)
    outcome = _take_over(target, hosts, plan, journal)
    with journal.stage("tidy up"):
        _tidy_up(target, hosts, plan, outcome, journal)
    return outcome


def _take_over(
    target: Environment, hosts: Sequence[Host], plan: RolloutPlan, journal: Journal
) -> Outcome:
    """Replace, verify and record; whatever fails, no release stays that was not verified."""
    touched: list[Host] = []
    try:
        done = _switch_in_waves(target, hosts, plan, journal, touched)
        with journal.stage("healthcheck"):
            journal.health = check_health(
                target.name, after_takeover=bool(done.changed_services), as_before=True
            )
    except Exception:
        log_failure()
        return go_back(target, touched, plan, journal)
    if journal.health.verdict is not Verdict.HEALTHY:
        journal.note_unhealthy()
        if done.changed_services or plan.is_unproved(host.name for host in touched):
            return go_back(target, touched, plan, journal)
        return Outcome.FAILED
    with journal.stage("record"):
        reached = {host.host for host in done.reached}
        record_release(
            target, [h for h in hosts if h.name in reached], done, generation=plan.generation
        )
    return Outcome.DEPLOYED if done.changed_services else Outcome.UP_TO_DATE


def now() -> int:
    """The generation of a deploy that begins now: milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def _switch_in_waves(
    target: Environment,
    hosts: Sequence[Host],
    plan: RolloutPlan,
    journal: Journal,
    touched: list[Host],
) -> Rollout:
    """Replace the release wave by wave; ``touched`` grows as hosts are about to be.

    The journal knows after each wave what became of it.
    """
    policy = target.rollout
    done = Rollout(plan.target, ())
    for wave in waves(hosts, canary=policy.canary_hosts, size=policy.wave_size):
        canary = not touched
        touched += wave
        with journal.stage(_wave_name(wave, hosts)), journal.wave([host.name for host in wave]):
            outcomes = start_containers(
                target,
                wave,
                plan.target,
                plan.generation,
                journal.plans,
                canary=canary,
                way_back=plan.going_back,
            )
            done = journal.rollout = Rollout(plan.target, (*done.hosts, *outcomes))
        if len(touched) < len(hosts):
            with journal.stage(_wave_name(wave, hosts, "healthcheck")):
                _demand_health(target, wave, journal)
    return done


def _demand_health(target: Environment, wave: Sequence[Host], journal: Journal) -> None:
    names = [host.name for host in wave]
    journal.health = check_health(target.name, names, after_takeover=True, as_before=True)
    if journal.health.verdict is not Verdict.HEALTHY:
        journal.note_unhealthy()
        raise HostError("The first hosts are not healthy; the others were not touched.")


def _wave_name(
    wave: Sequence[Host], hosts: Sequence[Host], what: str = "replace the release"
) -> str:
    return what if len(hosts) == 1 else f"{what} on {', '.join(host.name for host in wave)}"


def _tidy_up(
    target: Environment,
    hosts: Sequence[Host],
    plan: RolloutPlan,
    outcome: Outcome,
    journal: Journal,
) -> None:
    """Free what no release needs any more, list what runs now and what can be gone back to.

    No deploy fails by it: what serves has been decided before.
    """

    def prune() -> None:
        journal.freed = prune_images(target, hosts, retire=outcome.succeeded)

    def show_containers() -> None:
        publish_containers(target.name, list_containers(target, hosts))

    def offer() -> None:
        if outcome.succeeded:
            offer_ways_back(target, plan.ways_back_after)

    for tidy in (prune, show_containers, offer):
        try:
            tidy()
        except Exception as error:
            get_run_logger().warning("%s", redact(f"Not tidied up: {error}"))


def main(arguments: list[str]) -> int:
    """``python -m flows.rollout --environment NAME --tag TAG``."""
    parser = command_line("Put a built release on the hosts.", "flows.rollout")
    parser.add_argument("--tag", required=True, help="the release's tag, such as v1.2.3")
    parser.add_argument("--reason", default="")
    allows_data_stores(parser)
    return run_reported(rollout, parser.parse_args(arguments))


if __name__ == "__main__":
    run_command(main)
