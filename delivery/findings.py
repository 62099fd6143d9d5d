"""Findings: what is wrong, how sure that is, the lines that say so, and what to do about it."""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from delivery.markdown import code, escape, fenced, table
from delivery.redaction import redact

_MOST_EVIDENCE = 12
_LONGEST_LINE = 400


class Cause(enum.StrEnum):
    """What can be wrong. The order is the ranking: what brings others about comes first."""

    HOST_UNREACHABLE = "host-unreachable"
    DISK_FULL = "disk-full"
    ENGINE_DOWN = "engine-down"
    OUT_OF_MEMORY = "out-of-memory"
    PORT_TAKEN = "port-taken"
    DATABASE_STOPPED = "database-stopped"
    DATABASE_REFUSES = "database-refuses"
    REDIS_NODE_DOWN = "redis-node-down"
    REDIS_NOT_INITIALISED = "redis-not-initialised"
    NAME_UNRESOLVED = "name-unresolved"
    DOPPLER_REFUSES = "doppler-refuses"
    DOPPLER_AWAY = "doppler-away"
    VARIABLE_MISSING = "variable-missing"
    REGISTRY_REFUSES = "registry-refuses"
    REGISTRY_AWAY = "registry-away"
    IMAGE_MISSING = "image-missing"
    CONTAINER_CRASHES = "container-crashes"
    RELEASE_UNHEALTHY = "release-unhealthy"
    SLOW_START = "slow-start"
    CONTAINER_STOPPED = "container-stopped"
    CONTAINER_UNHEALTHY = "container-unhealthy"
    NOTHING_SERVES = "nothing-serves"
    COMMAND_FAILED = "command-failed"
    HEALTH_TIMED_OUT = "health-timed-out"
    NOT_SEEN = "not-seen"
    TOKEN_FILE = "token-file"  # noqa: S105 - no password


RANKING = tuple(Cause)


class Confidence(enum.StrEnum):
    """How sure a finding is."""

    CERTAIN = "certain"
    LIKELY = "likely"
    POSSIBLE = "possible"


class Action(enum.StrEnum):
    """The remedies that may be applied: none can lose data."""

    RESTART = "restart"
    INIT_CLUSTER = "init-cluster"
    TOKEN = "token"  # noqa: S105 - no password
    PRUNE = "prune"


@dataclass(frozen=True, slots=True)
class Remedy:
    """What to do: ``command`` to type; ``action`` if ``diagnose --fix`` may do it.

    ``container`` is what the action is about, where it is about one.
    """

    command: str
    action: Action | None = None
    container: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong on one host, free of secrets and short enough to read.

    ``because`` names the finding that brings this one about, if there is one; ``unseen`` the
    parts of the host's facts that could not be read because of it.
    """

    cause: Cause
    host: str
    summary: str
    confidence: Confidence
    evidence: tuple[str, ...]
    remedy: Remedy
    because: str = ""
    unseen: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        lines = dict.fromkeys(redact(line)[:_LONGEST_LINE].rstrip() for line in self.evidence)
        kept = tuple(line for line in lines if line)[:_MOST_EVIDENCE]
        object.__setattr__(self, "evidence", kept)
        object.__setattr__(self, "summary", redact(self.summary))

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes it the same finding at a second look."""
        return self.cause.value, self.host, self.remedy.container

    def as_json(self) -> dict[str, Any]:
        """The finding for programs: plain values only."""
        return {
            "cause": self.cause.value,
            "host": self.host,
            "summary": self.summary,
            "confidence": self.confidence.value,
            "evidence": list(self.evidence),
            "remedy": self.remedy.command,
            "action": self.remedy.action.value if self.remedy.action else "",
            "because": self.because,
        }


def findings_section(findings: Sequence[Finding]) -> str:
    """The first finding in full, the others in a table; empty if there are none."""
    if not findings:
        return ""
    first, *others = findings
    parts = [f"## Why: {escape(first.summary)}", _claim(first)]
    if first.evidence:
        parts.append(fenced("\n".join(first.evidence)))
    parts.append(f"What to do:\n\n{fenced(first.remedy.command)}")
    if first.remedy.action:
        parts.append(f"`diagnose` with `fix` does this by itself ({escape(first.remedy.action)}).")
    if others:
        parts.append("### Also found\n\n" + findings_table(others))
    return "\n\n".join(parts)


def findings_table(findings: Sequence[Finding]) -> str:
    """A row a finding."""
    rows = [
        (
            escape(each.summary),
            escape(each.host),
            escape(each.confidence),
            escape(f"follows from {each.because}" if each.because else _first(each.evidence)),
            code(each.remedy.command),
        )
        for each in findings
    ]
    return table(("Finding", "Host", "", "Evidence", "What to do"), rows)


def _claim(finding: Finding) -> str:
    where = f" on {escape(finding.host)}" if finding.host else ""
    return f"**{finding.confidence}**{where} ({code(finding.cause)})"


def _first(evidence: Sequence[str]) -> str:
    return evidence[0] if evidence else ""
