"""The first stage of whatever changes a host: look at everything, and stop if it must not begin."""

import datetime
from dataclasses import dataclass

from prefect import get_run_logger

from blocks.aws_hosts import Host
from blocks.environment import Environment
from delivery.checks import Check
from delivery.errors import DeliveryError, SourceError
from delivery.host_state import HostState
from delivery.journal import Journal
from delivery.needs import Needs
from delivery.preflight import Purpose, demand_none_failed, weighed
from delivery.survey import checks_before_deploy, checks_of_hosts
from tasks.artifacts import publish_checks
from tasks.preflight import Look, ask_services, read_needs, see_hosts, site_of
from tasks.release import find_revision
from tasks.takeover import await_rollout


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found before the first change; ``revision`` is empty if it was not asked for."""

    hosts: list[Host]
    states: list[HostState]
    checks: list[Check]
    revision: str = ""


def survey(
    target: Environment, revision: str | None, *, patience_seconds: int = 30, wait: bool = False
) -> Findings:
    """Everything that can be known before a deploy: hosts and services side by side.

    ``wait``: for the end of a rollout that is under way on a host.
    """
    looking = see_hosts.submit(target, patience_seconds=patience_seconds)
    asking = ask_services.submit(target)
    sha, needs = _revision(target, revision)
    look = _settled(target, looking.result(), wait=wait)
    now = datetime.datetime.now(datetime.UTC)
    checks = checks_before_deploy(site_of(target), look.seen, asking.result(), needs, now=now)
    weighted = weighed(checks, Purpose.DEPLOY, target.preflight.only_warn)
    return Findings(look.hosts, look.seen.states, weighted, sha)


def _revision(target: Environment, revision: str | None) -> tuple[str, Needs | DeliveryError]:
    """The commit and what it needs; GitHub that stays away is an answer like a missing commit."""
    sha = ""
    try:
        sha = find_revision(target, revision)
        return sha, read_needs(target, sha)
    except SourceError as error:
        return sha, error


def ready_to_deploy(
    target: Environment, revision: str | None, journal: Journal, *, wait: bool = True
) -> Findings:
    """The findings, if none of them stops a deploy; else Refused, with the table in the report."""
    return _demand(target, survey(target, revision, wait=wait), journal)


def ready_hosts(target: Environment, journal: Journal, purpose: Purpose) -> Findings:
    """The same for what builds nothing: the hosts alone are looked at."""
    look = _settled(target, see_hosts(target), wait=True)
    now = datetime.datetime.now(datetime.UTC)
    checks = [*look.seen.checks, *checks_of_hosts(site_of(target), look.seen, None, now=now)]
    weighted = weighed(checks, purpose, target.preflight.only_warn)
    return _demand(target, Findings(look.hosts, look.seen.states, weighted), journal)


def _settled(target: Environment, look: Look, *, wait: bool) -> Look:
    """The look once no rollout of a worker that died is under way on any host."""
    under_way = [state for state in look.seen.states if state.under_way]
    for state in under_way:
        get_run_logger().warning(
            "%s: another rollout (job %s) is under way on this host%s",
            state.host,
            state.under_way,
            f"; waiting, {target.timeouts.start} s at most" if wait else "",
        )
    if not (under_way and wait):
        return look
    await_rollout(target, look.hosts)
    return see_hosts(target)


def _demand(target: Environment, found: Findings, journal: Journal) -> Findings:
    journal.checks = tuple(found.checks)
    journal.note_hosts(found.states)
    publish_checks("preflight", target.name, found.checks)
    demand_none_failed(found.checks)
    return found
