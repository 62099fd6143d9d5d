"""What the last look at drift found, so that only a change is told."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from delivery.checks import Check, Level
from delivery.drift import drift_fingerprint

_MOST_FINDINGS = 15
_EVIDENCE_CHARACTERS = 150


@dataclass(frozen=True, slots=True)
class DriftChange:
    """Whether there is news, what does not pass now, and what passes again."""

    changed: bool
    found: tuple[Check, ...]
    mended: tuple[Check, ...]


def compare(checks: Sequence[Check], remembered: object) -> DriftChange:
    """The findings against what was remembered; nothing remembered is a clean past."""
    past: dict[str, Any] = remembered if isinstance(remembered, dict) else {}
    found = tuple(check for check in checks if check.level is not Level.PASS)
    now = {(check.host, check.name) for check in found}
    mended = tuple(each for each in _read(past) if (each.host, each.name) not in now)
    changed = drift_fingerprint(checks) != past.get("fingerprint", "")
    return DriftChange(changed, found, mended if changed else ())


def to_remember(checks: Sequence[Check]) -> dict[str, Any]:
    """The findings in a few thousand characters."""
    found = [check for check in checks if check.level is not Level.PASS][:_MOST_FINDINGS]
    rows = [[c.host, c.name, c.level.value, c.evidence[:_EVIDENCE_CHARACTERS]] for c in found]
    return {"fingerprint": drift_fingerprint(checks), "found": rows}


def _read(past: dict[str, Any]) -> list[Check]:
    return [
        Check(name, Level(level), evidence, host=host)
        for host, name, level, evidence in past.get("found", [])
    ]
