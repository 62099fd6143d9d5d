"""Preflight: all findings before the first change, and which of them stop what.

A deploy is stopped by every failed check. A way back is not: at 3 a.m. it must not wait for a
token that lacks a right to tag, or for a disk that is nearly full; it is stopped only by
what would make it fail half-way or destroy data.
"""

import dataclasses
import datetime
import enum
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from delivery.checks import Check, Level
from delivery.drift import drift_checks
from delivery.errors import Refused
from delivery.expiry import Ending, judge_end, judge_ending, moment_of
from delivery.host_checks import (
    ImageSight,
    clock_check,
    clone_checks,
    judged,
    machine_checks,
    port_check,
)
from delivery.host_state import HostState, host_state
from delivery.needs import Needs
from delivery.policies import HostLayout
from delivery.preflight_facts import PreflightHost
from delivery.preflight_policy import PreflightPolicy
from delivery.secret_checks import (
    doppler_check,
    registry_checks,
    schema_check,
    token_checks,
    variable_checks,
)


class Purpose(enum.StrEnum):
    """What the findings are for."""

    DEPLOY = "deploy"
    ROLL_OUT = "roll out"
    GO_BACK = "go back"


STOPS_A_WAY_BACK = frozenset(
    {"instance", "ssm agent", "aws rights", "preflight script", "engine", "doppler", "schema"}
)


@dataclass(frozen=True, slots=True)
class Site:
    """What an environment says of its hosts, as far as a judgement needs it."""

    environment: str
    layout: HostLayout
    policy: PreflightPolicy
    project: str
    config: str
    image: str
    registry_user: str
    git_url: str

    @property
    def scope(self) -> str:
        """Doppler's command-line options for the config."""
        return f"--project {self.project} --config {self.config}"


@dataclass(frozen=True, slots=True)
class HostSight:
    """What one host answered, and when it was asked and heard (seconds since 1970)."""

    host: str
    facts: PreflightHost
    sent: float
    answered: float

    @property
    def state(self) -> HostState:
        """What a rollout needs to know of it."""
        return host_state(self.host, self.facts)


def host_checks(
    sight: HostSight,
    site: Site,
    *,
    needs: Needs | None,
    image: ImageSight | None,
    now: datetime.datetime,
) -> list[Check]:
    """Every check of one host, causes before their consequences.

    Without ``needs`` nothing is said of variables and ports: no revision's files were read.
    """
    return [
        *machine_checks(
            sight.host, sight.facts, site.policy, image=image, environment=site.environment
        ),
        *_secrets(sight, site, needs, now),
        *_the_rest(sight, site, needs, now),
        *drift_checks(
            site.environment,
            sight.state,
            sight.facts,
            app=site.layout.app_service,
            one_shot=site.layout.init_service,
        ),
    ]


def _secrets(
    sight: HostSight, site: Site, needs: Needs | None, now: datetime.datetime
) -> Iterator[Check]:
    host, facts, secrets = sight.host, sight.facts, sight.facts.secrets
    if facts.token is not None:
        yield from token_checks(host, facts.token, site.layout.token_file)
    yield doppler_check(host, facts, site.project, site.config, path=site.layout.token_file)
    if secrets is None or secrets.state != "ok":
        return
    if needs is not None:
        filled, empty = frozenset(secrets.names), frozenset(secrets.empty)
        yield from variable_checks(host, needs, filled, empty, site.scope)
    ddl = dict(line.split(" ", 1) for line in secrets.ddl)
    yield schema_check(host, needs, ddl, facts.tables)
    if secrets.registry is not None:
        yield from registry_checks(host, secrets.registry, site.image, site.registry_user)
    ending = Ending(
        "registry token",
        moment_of(secrets.pull_token_expires),
        "A new token with read:packages, as GITHUB_TOKEN in Doppler",
    )
    if check := judge_ending(ending, now=now, days=site.policy.expiry_days, host=host):
        yield check


def _the_rest(
    sight: HostSight, site: Site, needs: Needs | None, now: datetime.datetime
) -> Iterator[Check]:
    host, facts = sight.host, sight.facts
    yield clock_check(
        host, facts.clock, sent=sight.sent, answered=sight.answered,
        limit=site.policy.clock_skew_seconds,
    )  # fmt: skip
    if facts.clone is not None:
        path = site.layout.clone
        yield from clone_checks(host, facts.clone, path, site.policy, url=site.git_url)
    if needs is not None and facts.ports is not None:
        yield port_check(host, facts, needs.ports)
    for line in facts.certificates or ():
        yield from _certificate(line, host, site.policy, now)


def _certificate(
    line: str, host: str, policy: PreflightPolicy, now: datetime.datetime
) -> Iterator[Check]:
    seconds, _, path = line.partition(" ")
    if seconds == "0":
        yield judged(
            f"expiry: {path}", host, "", warn=True, problem="the certificate does not read",
            remedy=f"openssl x509 -noout -enddate -in {path}",
        )  # fmt: skip
        return
    at = datetime.datetime.fromtimestamp(int(seconds), datetime.UTC)
    yield judge_end(path, at, "Renew the certificate", now=now, days=policy.expiry_days, host=host)


def way_back_checks(sights: Sequence[HostSight]) -> Iterator[Check]:
    """Whether there is a release to go back to, should the new one not hold."""
    for sight in sights:
        state, last = sight.state, sight.state.last_healthy
        if last is None:
            yield judged(
                "way back", sight.host, "", warn=True, remedy="Be there when it is deployed.",
                problem="nothing is on record: if this one fails there is no way back",
            )  # fmt: skip
            continue
        # Where no container was seen, nothing was: then the images say nothing, too.
        gone = bool(sight.facts.containers) and last.image not in state.images
        yield judged(
            "way back", sight.host, f"{last.tag}, which proved healthy", warn=True,
            problem=f"the image of {last.tag} is not on the host any more: a way back would have "
            "to pull it first" if gone else "",
            remedy=f"docker pull {last.image}   # after docker login, on the host",
        )  # fmt: skip


def weighed(
    checks: Iterable[Check], purpose: Purpose, only_warn: Sequence[str] = ()
) -> list[Check]:
    """The checks with what does not stop this purpose turned into a warning."""
    return [
        dataclasses.replace(check, level=Level.WARN)
        if check.level is Level.FAIL and not _stops(check.name, purpose, only_warn)
        else check
        for check in checks
    ]


def _stops(name: str, purpose: Purpose, only_warn: Sequence[str]) -> bool:
    if name in only_warn:
        return False
    return purpose is not Purpose.GO_BACK or name in STOPS_A_WAY_BACK


def demand_none_failed(checks: Sequence[Check]) -> None:
    """Raise Refused with the first check that failed; the others are counted."""
    failed = [check for check in checks if check.level is Level.FAIL]
    if not failed:
        return
    first, more = failed[0], len(failed) - 1
    others = f" ({more} more in the table)" if more else ""
    raise Refused(
        f"Preflight: {first.name}: {first.evidence}{others}",
        where=first.host,
        next_command=first.remedy,
    )
