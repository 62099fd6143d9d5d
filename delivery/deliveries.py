"""Every delivery to an environment, gathered from what runs left, Prefect and the hosts keep."""

import datetime
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from delivery.dora import Delivery
from delivery.host_state import HealthyRelease
from delivery.redaction import redact
from delivery.report import Outcome, Report

_CLOCKS_DIFFER = datetime.timedelta(seconds=30)
_BY_STATE = {outcome.state_name: outcome for outcome in Outcome}
_NOT_TOLD = (Outcome.PLANNED, Outcome.SUPERSEDED)


class Row(BaseModel):
    """What a run leaves for the history: one row of a table artifact of its own."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    kind: str
    outcome: Outcome
    started: AwareDatetime
    seconds: float
    touched: bool
    version: str = ""
    previous: str = ""
    revision: str = ""
    actor: str = ""
    run_url: str = ""

    @classmethod
    def of(cls, report: Report, *, kind: str, touched: bool) -> "Row":
        """The row of a report."""
        return cls(
            kind=kind,
            outcome=report.outcome,
            started=report.started,
            seconds=round(report.duration_seconds, 3),
            touched=touched,
            version=report.version,
            previous=report.previous_version,
            revision=report.revision,
            actor=redact(report.actor),
            run_url=report.run_url,
        )

    def delivery(self) -> Delivery:
        """The delivery that it tells of."""
        return Delivery(
            kind=self.kind,
            outcome=self.outcome,
            began=self.started,
            ended=self.started + datetime.timedelta(seconds=self.seconds),
            touched=self.touched,
            version=self.version,
            previous=self.previous,
            revision=self.revision,
            actor=self.actor,
            run_url=self.run_url,
        )


@dataclass(frozen=True, slots=True)
class RunSeen:
    """A run as Prefect keeps it, whether or not it left a row."""

    kind: str
    state: str
    began: datetime.datetime
    ended: datetime.datetime
    actor: str = ""
    revision: str = ""
    run_url: str = ""
    row: Row | None = None

    def delivery(self) -> Delivery:
        """Its row's delivery, else what its state says; a run that died reached who knows what."""
        if self.row is not None:
            return self.row.delivery()
        outcome = _BY_STATE.get(self.state)
        sha = self.revision if re.fullmatch(r"[0-9a-f]{40}", self.revision) else ""
        return Delivery(
            kind=self.kind,
            outcome=outcome,
            began=self.began,
            ended=self.ended,
            touched=outcome not in (Outcome.REFUSED, Outcome.FAILED, *_NOT_TOLD),
            revision=sha,
            actor=redact(self.actor),
            run_url=self.run_url,
        )


def read_row(fields: object) -> Row | None:
    """The row in an artifact; None if it is none of ours."""
    try:
        return Row.model_validate(fields)
    except ValidationError:
        return None


def gather(runs: Iterable[RunSeen], records: Iterable[HealthyRelease]) -> list[Delivery]:
    """All deliveries, newest first: the runs, and what only the hosts remember.

    A host's record of a run that Prefect knows, too, completes what the run left unsaid.
    """
    known = [run.delivery() for run in runs]
    told = [each for each in known if each.outcome not in _NOT_TOLD]
    for release in sorted(set(records), key=lambda each: each.at):
        at = _run_of(told, release)
        if at is None:
            told.append(_remembered(release))
        elif not told[at].version:
            told[at] = replace(told[at], version=release.version, revision=release.revision)
    return sorted(told, key=lambda each: each.ended, reverse=True)


def _run_of(told: Sequence[Delivery], release: HealthyRelease) -> int | None:
    for at, each in enumerate(told):
        # Prefect dates the run, the worker the record, in whole seconds.
        in_time = each.began - _CLOCKS_DIFFER <= release.at <= each.ended + _CLOCKS_DIFFER
        if in_time and each.version in ("", release.version):
            return at
    return None


def _remembered(release: HealthyRelease) -> Delivery:
    """A release that a host proved healthy, of whose run nothing else is left."""
    return Delivery(
        kind="deploy",
        outcome=Outcome.DEPLOYED,
        began=release.at,
        ended=release.at,
        touched=True,
        version=release.version,
        revision=release.revision,
    )
