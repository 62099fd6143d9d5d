"""What Prometheus' HTTP API answers, read once: instant queries and the list of targets."""

import datetime
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from delivery.errors import HostAnswerMalformed


class Series(BaseModel):
    """One element of an instant vector: its labels, and (time, value as text)."""

    model_config = ConfigDict(frozen=True)

    metric: Mapping[str, str] = {}
    value: tuple[float, str]

    @property
    def number(self) -> float:
        """The value; NaN and infinities as Prometheus writes them."""
        return float(self.value[1])


class Target(BaseModel):
    """One active target as ``/api/v1/targets`` shows it (its discovered labels left out)."""

    model_config = ConfigDict(frozen=True)

    labels: Mapping[str, str] = {}
    scrapePool: str  # noqa: N815 - the API's own name, as the next ones
    scrapeUrl: str = ""  # noqa: N815
    lastError: str = ""  # noqa: N815
    lastScrape: datetime.datetime  # noqa: N815
    health: str = "unknown"
    scrapeInterval: str = "10s"  # noqa: N815

    @property
    def name(self) -> str:
        """The job, and which of its instances."""
        return f"{self.scrapePool} {self.labels.get('instance', self.scrapeUrl)}".strip()


@dataclass(frozen=True, slots=True)
class Targets:
    """All active targets, and the pools that should have some."""

    active: tuple[Target, ...]
    pools: tuple[str, ...]

    @property
    def empty_pools(self) -> list[str]:
        """Jobs of the configuration without any target: found by name, and not found."""
        return sorted(set(self.pools) - {target.scrapePool for target in self.active})


_SERIES = TypeAdapter(list[Series])
_TARGETS = TypeAdapter(list[Target])


def read_vector(text: str) -> list[Series]:
    """The instant vector in an answer of ``/api/v1/query``.

    Raises HostAnswerMalformed, with what Prometheus said, for anything else.
    """
    found = _found(text, "result")
    try:
        return _SERIES.validate_python(found)
    except ValidationError:
        raise _unreadable(text) from None


def read_targets(targets: str, pools: str) -> Targets:
    """The answers of ``/api/v1/targets`` and ``/api/v1/scrape_pools`` together.

    Raises HostAnswerMalformed, with what Prometheus said, if they do not read.
    """
    try:
        active = _TARGETS.validate_python(_found(targets, "activeTargets"))
        named = TypeAdapter(list[str]).validate_python(_found(pools, "scrapePools"))
    except ValidationError:
        raise _unreadable(targets) from None
    return Targets(tuple(active), tuple(named))


def numbers_by(label: str, series: Sequence[Series]) -> dict[str, float]:
    """The finite values by one label; what is no number is left out."""
    return {
        each.metric[label]: each.number
        for each in series
        if label in each.metric and math.isfinite(each.number)
    }


def _found(text: str, name: str) -> Any:
    try:
        answer = json.loads(text)
        if answer["status"] == "success":
            return answer["data"][name]
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise _unreadable(text)


def _unreadable(text: str) -> HostAnswerMalformed:
    return HostAnswerMalformed(f"Prometheus answered something else: {text.strip()[:200] or '-'}")
