"""A diagnosis with what was done about it: each remedy, and whether a second look confirmed it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from delivery.findings import Action, Finding, findings_section
from delivery.host_facts import PARTS
from delivery.markdown import code, escape, table
from delivery.redaction import redact

MOST_ATTEMPTS = 10

_READ_FROM = {
    Action.RESTART: frozenset({"containers", "actuator", "events"}),
    Action.INIT_CLUSTER: frozenset({"redis"}),
    Action.TOKEN: frozenset({"token"}),
    Action.PRUNE: frozenset({"disks"}),
}
"""The parts of the facts that tell whether a remedy has helped."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A remedy that was applied; ``fixed`` is what the second look says."""

    finding: Finding
    fixed: bool
    words: str = ""

    def as_json(self) -> dict[str, Any]:
        """The attempt for programs."""
        action = self.finding.remedy.action
        return {
            "cause": self.finding.cause.value,
            "host": self.finding.host,
            "action": action.value if action else "",
            "container": self.finding.remedy.container,
            "fixed": self.fixed,
            "words": redact(self.words),
        }


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was found in an environment, what was tried, and what is left of it."""

    environment: str
    found: tuple[Finding, ...]
    attempts: tuple[Attempt, ...] = ()
    left: tuple[Finding, ...] = ()

    @property
    def outcome(self) -> str:
        """CLEAN, MENDED, or FOUND if something is left."""
        if not self.found:
            return "CLEAN"
        return "FOUND" if self.left else "MENDED"

    @property
    def headline(self) -> str:
        """The outcome as one sentence."""
        if not self.found:
            return f"{self.environment}: nothing is wrong"
        if not self.left:
            return f"{self.environment}: mended; it was: {self.found[0].summary}"
        return f"{self.environment}: {self.left[0].summary}"

    def as_json(self) -> dict[str, Any]:
        """The diagnosis for programs: plain values only."""
        return {
            "outcome": self.outcome,
            "environment": self.environment,
            "findings": [finding.as_json() for finding in self.found],
            "attempts": [attempt.as_json() for attempt in self.attempts],
            "left": [finding.as_json() for finding in self.left],
        }

    def as_markdown(self) -> str:
        """The diagnosis for people."""
        sections = [f"# {self.outcome}: {escape(self.headline)}", findings_section(self.found)]
        if self.attempts:
            rows = [
                (
                    "fixed" if each.fixed else "**not fixed**",
                    code(each.finding.remedy.action or ""),
                    escape(each.finding.remedy.container or each.finding.host),
                    escape(redact(each.words)),
                )
                for each in self.attempts
            ]
            sections.append("## What was done\n\n" + table(("", "Remedy", "On", ""), rows))
        if self.attempts and self.left:
            sections.append("## What is left\n\n" + "\n".join(_lines(self.left)))
        return "\n\n".join(section for section in sections if section) + "\n"


def _lines(left: Sequence[Finding]) -> list[str]:
    return [f"* {escape(each.summary)} {code(each.remedy.command)}" for each in left]


def next_to_mend(
    findings: Sequence[Finding], tried: Collection[tuple[str, str, str]]
) -> Finding | None:
    """The first finding with a remedy that may be applied and was not tried yet."""
    if len(tried) >= MOST_ATTEMPTS:
        return None
    return next((f for f in findings if f.remedy.action and f.key not in tried), None)


def is_hidden(finding: Finding, findings: Sequence[Finding], everywhere: str) -> bool:
    """Whether a second look could not read what would tell of the finding.

    ``everywhere`` is the host in findings that are about all of the environment's.
    """
    action = finding.remedy.action
    needed = _READ_FROM[action] if action else PARTS
    return any(each.unseen & needed for each in findings if each.host in (finding.host, everywhere))


def is_gone(finding: Finding, findings: Sequence[Finding], everywhere: str) -> bool:
    """Whether a second look shows neither the finding nor another about the same container.

    A look that saw nothing of it shows nothing: that is never gone.
    """
    if is_hidden(finding, findings, everywhere):
        return False
    container = finding.remedy.container
    return not any(
        each.key == finding.key or (container and each.remedy.container == container)
        for each in findings
        if each.host == finding.host
    )
