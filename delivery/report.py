"""The report of a deploy: what a person reads in ten seconds, and what a program parses."""

import datetime
import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from delivery.checks import Check, checks_section, reportable
from delivery.failure import Failure, failure_section
from delivery.findings import Finding, findings_section
from delivery.health import Health
from delivery.image import page_of
from delivery.markdown import code, code_link, escape, link, table
from delivery.receipt import receipt_section
from delivery.restoration import Restoration, restoration_section
from delivery.rollout import HostOutcome
from delivery.stack_plan import StackPlan, stack_plan_section


class Outcome(enum.StrEnum):
    """How a deploy ended."""

    DEPLOYED = "DEPLOYED"
    UP_TO_DATE = "UP_TO_DATE"
    PLANNED = "PLANNED"
    ROLLED_BACK = "ROLLED_BACK"
    ROLLBACK_FAILED = "ROLLBACK_FAILED"
    NO_WAY_BACK = "NO_WAY_BACK"
    REFUSED = "REFUSED"
    SUPERSEDED = "SUPERSEDED"
    FAILED = "FAILED"

    @property
    def state_name(self) -> str:
        """What Prefect calls the state of a run that ended so: ``RolledBack``."""
        return self.value.replace("_", " ").title().replace(" ", "")

    @property
    def succeeded(self) -> bool:
        """Whether the run that ended so may be shown green."""
        return self in (Outcome.DEPLOYED, Outcome.UP_TO_DATE, Outcome.PLANNED)


_HEADLINES = {
    Outcome.DEPLOYED: "{version} is live on {environment}",
    Outcome.UP_TO_DATE: "{environment} already runs {version}; nothing was restarted",
    Outcome.PLANNED: "{version} could go to {environment}; nothing was touched",
    Outcome.ROLLED_BACK: "{version} did not hold on {environment}; {previous} serves again",
    Outcome.ROLLBACK_FAILED: "{version} failed on {environment} and so did the way back",
    Outcome.NO_WAY_BACK: "{version} failed on {environment} and there is no way back",
    Outcome.REFUSED: "{environment} was not touched",
    Outcome.SUPERSEDED: "a newer deploy of {environment} was waiting; this one stepped aside",
    Outcome.FAILED: "{version} did not reach {environment}",
}


@dataclass(frozen=True, slots=True)
class StageTime:
    """How long one stage took, in seconds, and whether it ended well."""

    stage: str
    seconds: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """All that is to be said about one deploy."""

    outcome: Outcome
    environment: str
    actor: str
    reason: str
    started: datetime.datetime
    duration_seconds: float
    version: str = ""
    previous_version: str = ""
    revision: str = ""
    digest: str = ""
    image: str = ""
    release_url: str = ""
    run_url: str = ""
    plans: tuple[StackPlan, ...] = ()
    restored: Restoration | None = None
    freed: Mapping[str, int] = field(default_factory=dict)
    changed: tuple[str, ...] = ()
    hosts: tuple[HostOutcome, ...] = ()
    stages: tuple[StageTime, ...] = ()
    health: Health = field(default_factory=lambda: Health(()))
    failure: Failure | None = None
    findings: tuple[Finding, ...] = ()
    checks: tuple[Check, ...] = ()

    @property
    def headline(self) -> str:
        """The outcome as one sentence."""
        if self.outcome is Outcome.NO_WAY_BACK and self.restored:
            return (
                f"{self.version} failed on {self.environment}; there is no way back for "
                f"{', '.join(self.restored.without)}, the others serve the release before"
            )
        return _HEADLINES[self.outcome].format(
            version=self.version or "The release",
            environment=self.environment,
            previous=self.previous_version or "the previous release",
        )

    def as_json(self) -> dict[str, Any]:
        """The report for programs: plain values only."""
        return {
            "outcome": self.outcome.value,
            "environment": self.environment,
            "version": self.version,
            "previous_version": self.previous_version,
            "revision": self.revision,
            "digest": self.digest,
            "image": self.image,
            "release_url": self.release_url,
            "run_url": self.run_url,
            "actor": self.actor,
            "reason": self.reason,
            "plan": [step for plan in self.plans for step in plan.as_json()],
            "restored": self.restored.as_json() if self.restored else None,
            "freed_bytes": dict(self.freed),
            "changed": list(self.changed),
            "hosts": [_host_as_json(host) for host in self.hosts],
            "started": self.started.isoformat(),
            "duration_seconds": round(self.duration_seconds, 3),
            "stages": {stage.stage: round(stage.seconds, 3) for stage in self.stages},
            "health": str(self.health.verdict) if self.health.probes else "",
            "failure": self.failure.as_json() if self.failure else None,
            "findings": [finding.as_json() for finding in self.findings],
            "preflight": [check.as_json() for check in reportable(self.checks)],
        }

    def as_markdown(self) -> str:
        """The report for people, outcome first."""
        sections = [
            f"# {self.outcome}: {self.headline}",
            findings_section(self.findings),
            self._facts(),
            failure_section(self.failure),
            checks_section("Preflight", reportable(self.checks)),
            restoration_section(self.restored),
            health_section(self.health),
            stack_plan_section(self.plans),
            receipt_section([(h.host, h.receipt) for h in self.hosts if h.receipt]),
            _hosts_section(self.hosts, self.outcome),
            self._stages(),
        ]
        return "\n\n".join(section for section in sections if section) + "\n"

    def _facts(self) -> str:
        change = f"{code(self.previous_version or 'nothing')} → {code(self.version)}"
        rows = {
            "Version": change if self.version else "",
            "Revision": code(self.revision),
            "Image": code_link(page_of(self.image), self.image),
            "Release": link(self.release_url, self.release_url),
            "By": escape(f"{self.actor}, {self.reason}" if self.reason else self.actor),
            "Started": self.started.strftime("%Y-%m-%d %H:%M:%S %Z"),
            "Took": f"{self.duration_seconds:.1f} s",
            "Containers replaced": escape(", ".join(self.changed)) or "none",
            "Freed": _freed(self.freed),
            "Run": link(self.run_url, "open in Prefect"),
        }
        return table(("", ""), [(name, value) for name, value in rows.items() if value])

    def _stages(self) -> str:
        if not self.stages:
            return ""
        rows = [(escape(s.stage), f"{s.seconds:.1f} s", escape(s.note)) for s in self.stages]
        return "## Stages\n\n" + table(("Stage", "Took", ""), rows)


def _freed(freed: Mapping[str, int]) -> str:
    """What removing images gained; empty if none was removed."""
    gained = [f"{size / 1e6:.1f} MB on {host}" for host, size in freed.items() if size]
    return escape(", ".join(gained))


def _host_as_json(host: HostOutcome) -> dict[str, Any]:
    return {
        "host": host.host,
        "changed": list(host.changed),
        "note": host.note,
        "touched": host.touched,
        "failure": host.failure,
        "receipt": host.receipt.model_dump() if host.receipt else None,
    }


def _hosts_section(hosts: Sequence[HostOutcome], outcome: Outcome) -> str:
    """A row a host, where there are several or one has something to note."""
    if len(hosts) < 2 and not any(host.note for host in hosts):
        return ""
    rows = [
        (
            _fate(host, outcome),
            escape(host.host),
            escape(", ".join(host.changed)) or "nothing",
            escape(host.failure or host.note),
        )
        for host in hosts
    ]
    return "## Hosts\n\n" + table(("", "Host", "Replaced", ""), rows)


def _fate(host: HostOutcome, outcome: Outcome) -> str:
    """What the rollout did to a host; where it went back afterwards is told elsewhere."""
    if not host.touched:
        return "not touched"
    if host.failure:
        return f"**{'kept the release before' if outcome.succeeded else 'did not get there'}**"
    return "runs it" if outcome.succeeded else "took it over"


def health_section(health: Health) -> str:
    """The health table; empty if nothing was probed."""
    if not health.probes:
        return ""
    rows = [
        (
            "pass" if probe.passed else "**FAIL**",
            escape(probe.name),
            escape(probe.host),
            escape(probe.detail),
            str(probe.looks),
            f"{probe.seconds:.1f} s",
        )
        for probe in health.probes
    ]
    header = ("", "Probe", "Host", "What it saw", "Looks", "Took")
    return f"## Health: {health.verdict}\n\n" + table(header, rows)
