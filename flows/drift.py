"""Does what runs still match what was deployed? Hosts, files, definitions, branch, secrets."""

import dataclasses
import datetime
import enum
import time
from collections.abc import Sequence
from typing import Any

from prefect import flow

from blocks.environment import Environment, load_environment
from delivery.checks import Check, Level, checks_section, worst
from delivery.drift import branch_check, concerns_drift
from delivery.errors import DeliveryError, SourceError
from delivery.host_state import HealthyRelease
from delivery.preflight import Purpose, weighed
from delivery.rollout import running_release, ways_back_now
from delivery.service_checks import names_check, of_error
from delivery.survey import SeenHosts, any_unseen, checks_of_hosts
from flows.ending import command_line, end_process, run_command, run_name
from flows.parameters import EnvironmentName
from tasks.artifacts import publish_checks
from tasks.bounded import harmless
from tasks.drift import ask_names, deploy_is_at_work, follow_branch, notice_change
from tasks.preflight import read_needs, see_hosts, site_of
from tasks.ways_back import offer_ways_back


class DriftOutcome(enum.StrEnum):
    """CLEAN or DRIFTED; BUSY while a deploy is at work; UNSEEN if a host cannot be looked at."""

    CLEAN = "CLEAN"
    DRIFTED = "DRIFTED"
    BUSY = "BUSY"
    UNSEEN = "UNSEEN"


@dataclasses.dataclass(frozen=True, slots=True)
class Drift:
    """What was found, and whether it is other than what was found the time before."""

    environment: str
    outcome: DriftOutcome
    version: str
    revision: str
    checks: tuple[Check, ...]
    changed: bool
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """The answer for programs."""
        return {
            "outcome": self.outcome.value,
            "environment": self.environment,
            "version": self.version,
            "previous_version": "",
            "revision": self.revision,
            "digest": "",
            "duration_seconds": round(self.seconds, 3),
            "changed": self.changed,
            "checks": [check.as_json() for check in self.checks],
        }


@flow(name="drift", flow_run_name=run_name("drift of {environment}"), persist_result=False)
def drift(environment: EnvironmentName = "production") -> Drift:
    """Compare hosts, record, branch, files and Doppler's names; notify only of a change.

    The form of ``rollback`` is brought up to date with what the hosts have on record.

    The verdict is a value: drift does not fail this flow. On its own
    (``python -m flows.drift``) the exit status tells.
    """
    began = time.monotonic()
    target = load_environment(environment)
    at_work = deploy_is_at_work(target)
    look = see_hosts(target, patience_seconds=5)
    release = running_release(look.seen.states)
    checks = [*look.seen.checks, *_checks(target, look.seen, release)]
    concerned = [check for check in checks if concerns_drift(check)]
    weighted = tuple(weighed(concerned, Purpose.ROLL_OUT, target.preflight.only_warn))
    publish_checks("drift", environment, weighted)
    outcome = _outcome(weighted, busy=at_work or look.seen.busy)
    changed = outcome is not DriftOutcome.BUSY and notice_change(target, weighted)
    if outcome in (DriftOutcome.CLEAN, DriftOutcome.DRIFTED):
        with harmless("an offer of ways back"):
            offer_ways_back(target, ways_back_now(look.seen.states))
    return Drift(
        environment,
        outcome,
        release.version if release else "",
        release.revision if release else "",
        weighted,
        changed,
        time.monotonic() - began,
    )


def _checks(target: Environment, seen: SeenHosts, release: HealthyRelease | None) -> list[Check]:
    """The hosts against their record and the files of it, the record against the branch."""
    now = datetime.datetime.now(datetime.UTC)
    if release is None:
        return checks_of_hosts(site_of(target), seen, None, now=now)
    checks = []
    try:
        behind = follow_branch(target, release.revision)
        checks.append(branch_check(release, target.branch, behind))
        needs = read_needs(target, release.revision)
    except SourceError as error:
        needs = error
    if isinstance(needs, DeliveryError):
        checks.append(of_error("drift: needs", needs, warn=True))
        return [*checks_of_hosts(site_of(target), seen, None, now=now), *checks]
    checks = [*checks_of_hosts(site_of(target), seen, needs, now=now), *checks]
    return [*checks, names_check(ask_names(target), seen.names, needs.names)]


def _outcome(checks: Sequence[Check], *, busy: bool) -> DriftOutcome:
    if any_unseen(checks):
        return DriftOutcome.UNSEEN
    if busy:
        return DriftOutcome.BUSY
    return DriftOutcome.CLEAN if worst(checks) is Level.PASS else DriftOutcome.DRIFTED


def main(arguments: list[str]) -> int:
    """``python -m flows.drift --environment NAME [--json]``; status 0 if there is none."""
    parser = command_line("Say whether what runs is what was deployed.", "flows.drift")
    options = parser.parse_args(arguments)
    found = drift(options.environment)
    return end_process(
        found.as_json(),
        options,
        succeeded=found.outcome is DriftOutcome.CLEAN,
        text=checks_section("Drift", found.checks),
    )


if __name__ == "__main__":
    run_command(main)
