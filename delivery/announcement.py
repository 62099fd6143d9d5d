"""What is announced of a deploy, a rollback or drift: enough for a person to act on.

An announcement is the same for every channel; ``delivery.slack_message`` renders it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from delivery.checks import Check, Level, worst_first
from delivery.journal import Journal
from delivery.notification import Weight
from delivery.receipt import failures
from delivery.report import Outcome, Report

_SHOWN_CHECKS = 10
_UNITS = ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"))
_SILENT = (Outcome.PLANNED, Outcome.SUPERSEDED)
_WEIGHTS = {Outcome.DEPLOYED: Weight.CHANGE, Outcome.UP_TO_DATE: Weight.ROUTINE}
_MARKS = {
    Outcome.DEPLOYED: "✅",
    Outcome.UP_TO_DATE: "✅",
    Outcome.ROLLED_BACK: "↩️",
    Outcome.REFUSED: "✋",
}


@dataclass(frozen=True, slots=True)
class Announcement:
    """One message: a headline, facts by name, the first finding, what to type, where to look.

    Everything in it may come from outside; whoever renders it redacts and escapes it.
    """

    weight: Weight
    mark: str
    headline: str
    facts: tuple[tuple[str, str], ...] = ()
    finding: str = ""
    next_command: str = ""
    links: tuple[tuple[str, str], ...] = ()


def announce_start(journal: Journal, *, kind: str, dashboard_url: str = "") -> Announcement:
    """A deploy (or what ``kind`` names) that begins: its release is known, nothing is touched."""
    facts = {
        "Version": _change(journal.previous_version, journal.version),
        "Revision": journal.revision[:12],
        "By": journal.actor,
        "Why": journal.reason,
    }
    return Announcement(
        weight=Weight.ROUTINE,
        mark="🚀",
        headline=f"{kind.capitalize()} of {journal.version} to {journal.environment} has begun",
        facts=_said(facts),
        links=_links(journal.run_url, journal.release_url, dashboard_url),
    )


def announce_end(report: Report, *, kind: str, dashboard_url: str = "") -> Announcement | None:
    """How a deploy ended; None for one that was only planned, or that stepped aside."""
    if report.outcome in _SILENT:
        return None
    facts = {
        "Outcome": report.outcome.value if kind == "deploy" else f"{report.outcome} ({kind})",
        "Version": _change(report.previous_version, report.version) if report.version else "",
        "Revision": report.revision[:12],
        "By": report.actor,
        "Why": report.reason,
        "Took": spoken_seconds(report.duration_seconds),
        "Replaced": ", ".join(report.changed),
        "Cost": _cost(report),
    }
    return Announcement(
        weight=_WEIGHTS.get(report.outcome, Weight.PROBLEM),
        mark=_MARKS.get(report.outcome, "❌"),
        headline=report.headline,
        facts=_said(facts),
        finding=_first_finding(report),
        next_command=_next_command(report),
        links=_links(report.run_url, report.release_url, dashboard_url),
    )


def announce_drift(
    environment: str, checks: Sequence[Check], *, mended: Sequence[Check] = (), run_url: str = ""
) -> Announcement:
    """What runs is (or is no longer) what was deployed.

    ``checks`` are all that do not pass now; ``mended`` those that pass again.
    """
    drifted = [check for check in worst_first(checks) if check.level is not Level.PASS]
    lines = [f"{check.level.upper()} {_place(check)}: {check.evidence}" for check in drifted]
    if len(lines) > _SHOWN_CHECKS:
        lines = [*lines[:_SHOWN_CHECKS], f"and {len(drifted) - _SHOWN_CHECKS} more"]
    again = ", ".join(_place(check) for check in mended)
    return Announcement(
        weight=Weight.PROBLEM if drifted else Weight.CHANGE,
        mark="🧭" if drifted else "✅",
        headline=f"{environment} has drifted from what was deployed"
        if drifted
        else f"{environment} is again what was deployed",
        facts=_said({"Again as it should be": again}),
        finding="\n".join(lines),
        next_command=next((check.remedy for check in drifted if check.remedy), ""),
        links=_links(run_url, "", ""),
    )


def spoken_seconds(seconds: float) -> str:
    """A duration as people say it: ``42 s``, ``3 min 5 s``, ``2 h 10 min``, ``3 d 4 h``."""
    whole = round(seconds)
    for size, unit, rest, smaller in _UNITS:
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // rest} {smaller}"
    return f"{whole} s"


def _change(before: str, after: str) -> str:
    return after if before == after else f"{before or 'nothing'} → {after}"


def _cost(report: Report) -> str:
    """What the takeovers cost those who were served; empty if it was not measured."""
    receipts = [host.receipt for host in report.hosts if host.receipt]
    if not receipts:
        return ""
    gap = max(receipt.longest_gap_ms for receipt in receipts)
    return f"{failures(*receipts)} failed, longest gap {gap:.0f} ms"


def _first_finding(report: Report) -> str:
    """What the diagnosis found, and how the failure was told."""
    cause = report.findings[0].summary if report.findings else ""
    failure = report.failure
    if failure is None:
        return cause
    where = f" ({failure.where})" if failure.where else ""
    return "\n".join(filter(None, (cause, f"{failure.stage}: {failure.message}{where}")))


def _next_command(report: Report) -> str:
    if report.findings:
        return report.findings[0].remedy.command
    return report.failure.next_command if report.failure else ""


def _place(check: Check) -> str:
    return f"{check.name} on {check.host}" if check.host else check.name


def _said(facts: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in facts.items() if value)


def _links(run_url: str, release_url: str, dashboard_url: str) -> tuple[tuple[str, str], ...]:
    links = {"Run": run_url, "Release": release_url, "Dashboard": dashboard_url}
    return _said(links)
