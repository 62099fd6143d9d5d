"""What each commit asks for: the default rules, and custom ones that come before them.

The defaults are those of semantic-release's commit-analyzer 8, the older
conventions among them included, as its answers show.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from delivery.changelog import SECTIONS
from delivery.commits import Change, Message
from delivery.globs import matches
from delivery.version import RELEASE_TYPES

_BY_TYPE: Final = {
    "feat": "minor",
    "FEAT": "minor",
    "fix": "patch",
    "FIX": "patch",
    "perf": "patch",
}
_BY_FIELD: Final = {
    ("tag", "Breaking"): "major",
    ("tag", "FEATURE"): "minor",
    ("tag", "New"): "minor",
    ("tag", "Update"): "minor",
    ("tag", "BUGFIX"): "patch",
    ("tag", "Fix"): "patch",
    ("tag", "SECURITY"): "patch",
    ("emoji", ":apple:"): "patch",
    ("emoji", ":bug:"): "patch",
    ("emoji", ":checkered_flag:"): "patch",
    ("emoji", ":penguin:"): "patch",
    ("emoji", ":racehorse:"): "patch",
    ("component", "deps"): "patch",
    ("component", "perf"): "patch",
}


@dataclass(frozen=True, slots=True)
class ReleaseRule:
    """Commits of a type that matches `pattern` ask for `release`, and stand under `section`."""

    pattern: str
    release: str
    section: str | None


def parse_rules(text: str) -> tuple[ReleaseRule, ...]:
    """The rules in `type:release[:section],...`; one without a valid release is left out.

    Blanks count, and further `:` parts are ignored, as they always were.
    """
    parts = (entry.split(":") for entry in text.split(","))
    return tuple(
        ReleaseRule(part[0], part[1], part[2] if len(part) > 2 and part[2] else None)
        for part in parts
        if len(part) > 1 and part[1] in RELEASE_TYPES
    )


def sections_by(rules: Iterable[ReleaseRule]) -> dict[str, str]:
    """The section of each type that the notes list: the default ones, changed by `rules`.

    The last rule of a type decides; if it names no section, the type has its default one,
    and where there is none, the notes do not list it.
    """
    named = {rule.pattern: rule.section or SECTIONS.get(rule.pattern.lower()) for rule in rules}
    merged: dict[str, str | None] = {**SECTIONS, **named}
    return {pattern: section for pattern, section in merged.items() if section}


def largest_release(
    changes: Iterable[tuple[Message, Change]], rules: Sequence[ReleaseRule]
) -> str | None:
    """The largest release that any one commit asks for; None if none asks."""
    asked = {_asked_release(message, change, rules) for message, change in changes}
    return _largest(asked)


def _asked_release(message: Message, change: Change, rules: Sequence[ReleaseRule]) -> str | None:
    """A custom rule that matches decides alone: even a breaking change is what it says."""
    custom = {rule.release for rule in rules if matches(change.type, rule.pattern)}
    return _largest(custom) or _default_release(message, change)


def _default_release(message: Message, change: Change) -> str | None:
    if change.notes:
        return "major"
    asked = {_BY_FIELD.get(labelled) for labelled in message.fields.items()}
    asked.add(_BY_TYPE.get(change.type))
    if message.reverts:
        asked.add("patch")
    return _largest(asked)


def _largest(releases: set[str | None] | set[str]) -> str | None:
    """The first of the release types, which are listed strongest first."""
    return next((release for release in RELEASE_TYPES if release in releases), None)
