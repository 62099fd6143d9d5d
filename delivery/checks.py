"""Findings as values: what was checked, what was seen, and what to do about it.

Preflight, drift and verification all answer with these, so that one table shows them all.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from delivery.markdown import code, escape, table
from delivery.redaction import redact


class Level(enum.StrEnum):
    """How a check ended; ``FAIL`` stops what asked for it, ``WARN`` only says so."""

    PASS = "pass"  # noqa: S105 - no password
    WARN = "warn"
    FAIL = "fail"


_WORST_FIRST = (Level.FAIL, Level.WARN, Level.PASS)
_SHOWN = {Level.PASS: "pass", Level.WARN: "**warn**", Level.FAIL: "**FAIL**"}


@dataclass(frozen=True, slots=True)
class Check:
    """One question and its answer.

    ``evidence`` is what the world said, ``remedy`` what to do (a command to type, where there
    is one; empty if it passed). Both are redacted here, whoever wrote them. ``host`` is empty
    for what concerns no single host.
    """

    name: str
    level: Level
    evidence: str
    remedy: str = ""
    host: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "evidence", redact(self.evidence))
        object.__setattr__(self, "remedy", redact(self.remedy))

    def as_json(self) -> dict[str, Any]:
        """The check for programs: plain values only."""
        return {
            "name": self.name,
            "level": self.level.value,
            "evidence": self.evidence,
            "remedy": self.remedy,
            "host": self.host,
        }


def worst(checks: Sequence[Check]) -> Level:
    """The worst level among the checks; PASS if there are none."""
    return next(level for level in _WORST_FIRST if level is Level.PASS or _has(checks, level))


def _has(checks: Sequence[Check], level: Level) -> bool:
    return any(check.level is level for check in checks)


def worst_first(checks: Sequence[Check]) -> list[Check]:
    """The checks with the failed ones first; otherwise in the order they came."""
    return sorted(checks, key=lambda check: _WORST_FIRST.index(check.level))


def reportable(checks: Sequence[Check]) -> list[Check]:
    """What a report shows of the checks: all of them if one failed, else what was not passed."""
    if _has(checks, Level.FAIL):
        return list(checks)
    return [check for check in checks if check.level is not Level.PASS]


def checks_section(title: str, checks: Sequence[Check]) -> str:
    """A heading with the counts and a table, failed checks first; empty if there are none."""
    if not checks:
        return ""
    counts = ", ".join(
        f"{sum(check.level is level for check in checks)} {level}" for level in _WORST_FIRST
    )
    rows = [
        (_SHOWN[c.level], escape(c.name), escape(c.host), escape(c.evidence), code(c.remedy))
        for c in worst_first(checks)
    ]
    header = ("", "Check", "Host", "What it saw", "What to do")
    return f"## {title}: {counts}\n\n" + table(header, rows)
