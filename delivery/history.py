"""What happened to an environment: every delivery in a table, DORA's figures, and a plot."""

import datetime
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from delivery.announcement import spoken_seconds
from delivery.cuts import Cut, Undeployed, undeployed
from delivery.dora import Delivery, Figures
from delivery.markdown import code, escape, link, table
from delivery.plot import Bar, Panel, chart
from delivery.report import Outcome

_SHOWN = 100
_PLOTTED_DAYS = 31


@dataclass(frozen=True, slots=True)
class History:
    """An environment's deliveries in a period, newest first, and what could not be read.

    ``cuts`` are all versions of its branch, also those of other times.
    """

    environment: str
    since: datetime.datetime
    until: datetime.datetime
    deliveries: tuple[Delivery, ...]
    figures: Figures
    missing: tuple[str, ...] = ()
    cuts: tuple[Cut, ...] = ()

    @property
    def undeployed(self) -> list[Undeployed]:
        """The versions that were cut in the period, and not deployed here since."""
        lately = [cut for cut in self.cuts if self.since <= cut.at <= self.until]
        return undeployed(lately, self.deliveries)

    @property
    def _cut_at(self) -> Mapping[str, datetime.datetime]:
        """When each version was cut, last if it was more than once."""
        return {cut.version: cut.at for cut in reversed(self.cuts)}

    def as_json(self) -> dict[str, Any]:
        """The history for programs: plain values only."""
        told, cut_at = self.figures, self._cut_at
        return {
            "outcome": "TOLD",
            "environment": self.environment,
            "since": self.since.isoformat(),
            "until": self.until.isoformat(),
            "figures": {
                "days": round(told.days, 3),
                "deployments": told.deployments,
                "deployments_per_day": round(told.per_day, 4),
                "lead_time_seconds": told.lead_seconds,
                "changes": told.changes,
                "change_failure_rate": told.failure_rate,
                "attempts": told.attempts,
                "failures": told.failures,
                "time_to_restore_seconds": told.restore_seconds,
                "unrestored": told.unrestored,
            },
            "deliveries": [_as_json(each, cut_at.get(each.version)) for each in self.deliveries],
            "undeployed": [_undeployed_as_json(each) for each in self.undeployed],
            "missing": list(self.missing),
        }

    def as_markdown(self) -> str:
        """The history for people: figures first, then a plot, then every delivery."""
        sections = [
            f"# {self.environment}: the last {self.figures.days:g} days",
            _figures_table(self.figures),
            "\n".join(f"* Not read: {escape(each)}" for each in self.missing),
            self._plot(),
            self._table(),
            _undeployed_table(self.undeployed),
        ]
        return "\n\n".join(section for section in sections if section) + "\n"

    def as_metrics(self) -> str:
        """The figures in Prometheus' text format; those that there are."""
        told = self.figures
        gauges = {
            "period_days": told.days,
            "deployments": told.deployments,
            "deployments_per_day": told.per_day,
            "lead_time_seconds": told.lead_seconds,
            "change_failure_ratio": told.failure_rate,
            "restore_seconds": told.restore_seconds,
        }
        return "".join(
            f"# TYPE tt_dora_{name} gauge\n"
            f'tt_dora_{name}{{environment="{self.environment}"}} {value:.6f}\n'
            for name, value in gauges.items()
            if value is not None
        )

    def _plot(self) -> str:
        """Deliveries by day, or by week where the period is long; empty if there are none."""
        if not self.deliveries:
            return ""
        size = 1 if self.figures.days <= _PLOTTED_DAYS else 7
        first = self.since.date()
        bins = range((self.until.date() - first).days // size + 1)
        every = Counter((each.ended.date() - first).days // size for each in self.deliveries)
        failed = Counter(
            (each.ended.date() - first).days // size
            for each in self.deliveries
            if each.failed_at_once
        )
        bars = tuple(
            Bar(
                f"{first + datetime.timedelta(days=at * size):%m-%d}",
                every[at],
                failed[at],
                _of_a_bin(every[at], failed[at]),
            )
            for at in bins
        )
        caption = f"Deliveries by {'day' if size == 1 else 'week'}: all/failed (dark)"
        return chart(caption, [Panel(bars)], dark="#b42318")

    def _table(self) -> str:
        if not self.deliveries:
            return "Nothing was deployed."
        cut_at = self._cut_at
        rows = [_cells(each, cut_at.get(each.version)) for each in self.deliveries[:_SHOWN]]
        header = ("When (UTC)", "What", "From → to", "Cut (UTC)", "Who", "Outcome", "Took", "")
        return _newest(header, rows, of=len(self.deliveries))


def _of_a_bin(every: int, failed: int) -> str:
    """What stands above a bar: how many, and how many of them failed; empty for none."""
    return f"{every}/{failed}" if failed else f"{every or ''}"


def _figures_table(told: Figures) -> str:
    rate = told.failure_rate
    rows = [
        ("Deployment frequency", f"{told.per_day:.2f} a day", f"{told.deployments} deployments"),
        ("Change lead time", _spoken(told.lead_seconds), f"median of {told.changes} commits"),
        (
            "Change failure rate",
            "none yet" if rate is None else f"{rate:.0%}",
            f"{told.failures} of {told.attempts} changes",
        ),
        (
            "Time to restore",
            _spoken(told.restore_seconds),
            f"{told.unrestored} not restored yet" if told.unrestored else "median",
        ),
    ]
    return table(("Figure (DORA)", "", "of"), rows)


def _spoken(seconds: float | None) -> str:
    return "none yet" if seconds is None else spoken_seconds(seconds)


def _undeployed_table(found: Sequence[Undeployed]) -> str:
    """The versions that nobody deployed here; empty if there are none."""
    if not found:
        return ""
    rows = [
        (
            _minute(each.cut.at),
            code(each.cut.tag),
            code(each.cut.revision[:12]),
            f"tried: {_said_outcome(each.tried)}" if each.tried else "never tried",
            link(each.tried.run_url, "run") if each.tried else "",
        )
        for each in found[:_SHOWN]
    ]
    header = ("Cut (UTC)", "Tag", "Commit", "What became of it", "")
    return f"## Released, and not deployed here\n\n{_newest(header, rows, of=len(found))}"


def _newest(header: Sequence[str], rows: Sequence[Sequence[str]], *, of: int) -> str:
    """A table of the newest, and how many there are besides."""
    more = of - len(rows)
    return table(header, rows) + (f"\n\nand {more} earlier ones" if more else "")


def _minute(moment: datetime.datetime) -> str:
    return f"{moment.astimezone(datetime.UTC):%Y-%m-%d %H:%M}"


def _cells(each: Delivery, cut: datetime.datetime | None) -> Sequence[str]:
    version = each.version or each.revision[:12]
    changed = each.previous not in ("", version)
    change = f"{code(each.previous)} → {code(version)}" if changed else code(version)
    return (
        _minute(each.ended),
        escape(each.kind),
        change,
        _minute(cut) if cut else "",
        escape(each.actor),
        _said_outcome(each),
        spoken_seconds((each.ended - each.began).total_seconds()),
        link(each.run_url, "run"),
    )


def _said_outcome(each: Delivery) -> str:
    if each.outcome is None:
        return "**died**"
    well = each.outcome in (Outcome.DEPLOYED, Outcome.UP_TO_DATE)
    return escape(each.outcome) if well else f"**{escape(each.outcome)}**"


def _as_json(each: Delivery, cut: datetime.datetime | None) -> Mapping[str, Any]:
    return {
        "kind": each.kind,
        "outcome": _outcome_name(each),
        "began": each.began.isoformat(),
        "ended": each.ended.isoformat(),
        "seconds": round((each.ended - each.began).total_seconds(), 3),
        "version": each.version,
        "cut": cut.isoformat() if cut else "",
        "previous_version": each.previous,
        "revision": each.revision,
        "actor": each.actor,
        "run_url": each.run_url,
    }


def _undeployed_as_json(each: Undeployed) -> Mapping[str, Any]:
    return {
        "tag": each.cut.tag,
        "version": each.cut.version,
        "revision": each.cut.revision,
        "cut": each.cut.at.isoformat(),
        "tried": _outcome_name(each.tried) if each.tried else "",
    }


def _outcome_name(each: Delivery) -> str:
    return each.outcome.value if each.outcome else "DIED"
