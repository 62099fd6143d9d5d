"""Everything that was seen before a deploy, put together into one list of checks."""

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from delivery.checks import Check, Level
from delivery.errors import DeliveryError, TransientError
from delivery.expiry import judge_end
from delivery.host_checks import ImageSight, judged
from delivery.host_state import HostState
from delivery.needs import Needs
from delivery.preflight import HostSight, Site, host_checks, way_back_checks
from delivery.preflight_policy import PreflightPolicy
from delivery.service_checks import (
    GitHubAccess,
    ServiceToken,
    access_checks,
    github_checks,
    names_check,
    of_error,
    registry_check,
)


@dataclass(frozen=True, slots=True)
class SeenHosts:
    """What all hosts answered; ``checks`` are about AWS, and about hosts that did not answer."""

    sights: tuple[HostSight, ...] = ()
    checks: tuple[Check, ...] = ()

    @property
    def states(self) -> list[HostState]:
        """What a rollout needs to know of the hosts that answered."""
        return [sight.state for sight in self.sights]

    @property
    def names(self) -> frozenset[str]:
        """The names of the secrets that the hosts' own tokens see."""
        seen = [sight.facts.secrets for sight in self.sights if sight.facts.secrets]
        return frozenset(name for each in seen for name in (*each.names, *each.empty))

    @property
    def busy(self) -> bool:
        """Whether a deploy is at work on any of them."""
        return any(sight.facts.busy for sight in self.sights)


@dataclass(frozen=True, slots=True)
class SeenServices:
    """What the worker saw of the services beside AWS; an error stands for what could not be."""

    github: GitHubAccess | DeliveryError
    names: frozenset[str] | DeliveryError
    tokens: tuple[ServiceToken, ...] = ()
    image: ImageSight | DeliveryError | None = None
    certificates: tuple[tuple[str, datetime.datetime | DeliveryError], ...] = field(default=())


def checks_before_deploy(
    site: Site,
    hosts: SeenHosts,
    services: SeenServices,
    revision: Needs | DeliveryError,
    *,
    now: datetime.datetime,
) -> list[Check]:
    """All checks of a deploy, causes before their consequences."""
    needs = None if isinstance(revision, DeliveryError) else revision
    image = services.image if isinstance(services.image, ImageSight) else None
    return [
        *hosts.checks,
        *([of_error("revision", revision)] if isinstance(revision, DeliveryError) else []),
        *checks_of_hosts(site, hosts, needs, image=image, now=now),
        *github_checks(services.github, now=now, policy=site.policy),
        registry_check(services.image, site.image),
        *_doppler(site, hosts, services, needs, now),
        *_certificates(services, site.policy, now),
        *way_back_checks(hosts.sights),
    ]


def checks_of_hosts(
    site: Site,
    hosts: SeenHosts,
    needs: Needs | None,
    *,
    image: ImageSight | None = None,
    now: datetime.datetime,
) -> list[Check]:
    """The checks of every host that answered."""
    return [
        check
        for sight in hosts.sights
        for check in host_checks(sight, site, needs=needs, image=image, now=now)
    ]


def _doppler(
    site: Site,
    hosts: SeenHosts,
    services: SeenServices,
    needs: Needs | None,
    now: datetime.datetime,
) -> Iterator[Check]:
    """The worker's view of Doppler: the same config, and what it tells of the hosts' tokens."""
    needed = needs.names if needs else frozenset()
    yield names_check(services.names, hosts.names, needed)
    for sight in hosts.sights:
        slug = sight.facts.identity.slug if sight.facts.identity else ""
        yield from access_checks(services.tokens, slug, sight.host, now=now, policy=site.policy)


def _certificates(
    services: SeenServices, policy: PreflightPolicy, now: datetime.datetime
) -> Iterator[Check]:
    for endpoint, seen in services.certificates:
        if isinstance(seen, DeliveryError):
            # One that nobody trusts (any more) is as good as over; one that was not seen is not.
            unseen = isinstance(seen, TransientError)
            yield of_error(f"expiry: {endpoint}", seen, warn=unseen)
            continue
        yield judge_end(endpoint, seen, "Renew the certificate", now=now, days=policy.expiry_days)


def instances_check(hosts: Sequence[str]) -> Check:
    """The instances that run, as many as there must be."""
    return judged("instance", "", f"running: {', '.join(hosts)}")


def any_unseen(checks: Sequence[Check]) -> bool:
    """Whether something kept a host from being seen at all."""
    return any(
        check.level is Level.FAIL
        and check.name in ("instance", "ssm agent", "preflight script", "aws rights")
        for check in checks
    )
