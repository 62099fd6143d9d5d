"""The four key figures of software delivery, after DORA (https://dora.dev/guides/dora-metrics/).

* **Deployment frequency**: deployments to the environment per day. A deployment is a
  ``deploy`` or ``rollout`` that ended DEPLOYED; one that found nothing to do is none.
* **Change lead time**: from the commit of a change until it is deployed; the median over
  all commits that a deployment brought for the first time.
* **Change failure rate**: the share of deployments that needed somebody (or the way back)
  to step in at once: of all that reached the hosts, those that did not end well, and those
  that a ``rollback`` took back before the next deployment.
* **Time to restore** (DORA's *failed deployment recovery time*): the median time from the
  beginning of a failed deployment until an environment was healthy again. For one that
  was taken back by hand: from its end, when it was live, until the rollback's end. The
  gateway kept the old release serving meanwhile, so this bounds what users felt from above.
"""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from delivery.report import Outcome

_DAY_SECONDS = 86_400
_WELL_AGAIN = (Outcome.DEPLOYED, Outcome.UP_TO_DATE, Outcome.ROLLED_BACK)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One run that was to change what an environment serves; times are aware.

    ``outcome`` is None if the run died. ``touched`` says whether it reached the hosts.
    """

    kind: str
    outcome: Outcome | None
    began: datetime.datetime
    ended: datetime.datetime
    touched: bool
    version: str = ""
    previous: str = ""
    revision: str = ""
    actor: str = ""
    run_url: str = ""

    @property
    def is_deployment(self) -> bool:
        """Whether it put a release into the environment."""
        return self.kind != "rollback" and self.outcome is Outcome.DEPLOYED

    @property
    def is_way_back(self) -> bool:
        """Whether a person took a release back with it."""
        return self.kind == "rollback" and self.outcome is Outcome.DEPLOYED

    @property
    def is_attempt(self) -> bool:
        """Whether it counts as a change at all: it was one, or it failed on the hosts."""
        return self.is_deployment or self.failed_at_once

    @property
    def failed_at_once(self) -> bool:
        """Whether it reached the hosts and did not end well."""
        return self.kind != "rollback" and self.touched and self.outcome not in _WELL_AGAIN[:2]


@dataclass(frozen=True, slots=True)
class Figures:
    """The four figures of a period, and what they were made of; None where there is nothing."""

    days: float
    deployments: int
    attempts: int
    failures: int
    changes: int
    lead_seconds: float | None
    restore_seconds: float | None
    unrestored: int

    @property
    def per_day(self) -> float:
        """Deployment frequency."""
        return self.deployments / self.days

    @property
    def failure_rate(self) -> float | None:
        """Change failure rate, from 0 to 1."""
        return self.failures / self.attempts if self.attempts else None


def figures(
    deliveries: Sequence[Delivery],
    committed: Mapping[str, Sequence[datetime.datetime]],
    *,
    since: datetime.datetime,
    until: datetime.datetime,
) -> Figures:
    """The figures of the deliveries that ended in the period.

    ``committed`` says, by the revision that was deployed, when the commits were made that
    came with it for the first time. A revision that is deployed again, for instance after a
    rollback, brings nothing new: only its first deployment has a lead time.
    """
    told = sorted(
        (each for each in deliveries if since <= each.ended <= until), key=lambda each: each.ended
    )
    deployments = [each for each in told if each.is_deployment]
    leads = [
        (each.ended - moment).total_seconds()
        for each in _first_deployments(deliveries)
        if since <= each.ended <= until
        for moment in committed.get(each.revision, ())
    ]
    failed = [(at, each) for at, each in enumerate(told) if _failed(told, at)]
    waits = [_restored(told, at) for at, _ in failed]
    restored = [seconds for seconds in waits if seconds is not None]
    return Figures(
        days=(until - since).total_seconds() / _DAY_SECONDS,
        deployments=len(deployments),
        attempts=sum(each.is_attempt for each in told),
        failures=len(failed),
        changes=len(leads),
        lead_seconds=median(leads) if leads else None,
        restore_seconds=median(restored) if restored else None,
        unrestored=len(waits) - len(restored),
    )


def _first_deployments(deliveries: Sequence[Delivery]) -> list[Delivery]:
    """The first deployment of each revision, whenever it was."""
    first: dict[str, Delivery] = {}
    for each in sorted(deliveries, key=lambda each: each.ended):
        if each.is_deployment:
            first.setdefault(each.revision, each)
    return list(first.values())


def _failed(told: Sequence[Delivery], at: int) -> bool:
    """Whether a delivery failed at once, or was taken back before the next deployment."""
    if told[at].failed_at_once:
        return True
    return told[at].is_deployment and _way_back_of(told, at) is not None


def _way_back_of(told: Sequence[Delivery], at: int) -> Delivery | None:
    for later in told[at + 1 :]:
        if later.is_way_back:
            return later
        if later.is_deployment:
            return None
    return None


def _restored(told: Sequence[Delivery], at: int) -> float | None:
    """Seconds until the environment was well again after a failed delivery."""
    failed = told[at]
    if failed.is_deployment:
        back = _way_back_of(told, at)
        return (back.ended - failed.ended).total_seconds() if back else None
    well = next((each for each in told[at:] if each.outcome in _WELL_AGAIN), None)
    return (well.ended - failed.began).total_seconds() if well else None
