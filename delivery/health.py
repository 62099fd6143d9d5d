"""Health as a value: what a probe saw, and the verdict on it.

A probe takes a few samples in a row. It passes when each of them holds; a sample that
does not hold says why in the operator's words.
"""

import enum
import json
from collections.abc import Sequence, Set
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from delivery.host_script import HostAnswer
from delivery.redaction import redact


class Verdict(enum.StrEnum):
    """Whether the thing looked at may count as serving."""

    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


@dataclass(frozen=True, slots=True)
class Sample:
    """One look: it held, or the reason why it did not."""

    passed: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Probe:
    """The outcome of one probe on one host after all its looks."""

    name: str
    host: str
    verdict: Verdict
    detail: str
    looks: int
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether the probe held for as many looks in a row as the policy asks."""
        return self.verdict is Verdict.HEALTHY


@dataclass(frozen=True, slots=True)
class Health:
    """The verdict on an environment: healthy only if every probe is."""

    probes: tuple[Probe, ...]

    @property
    def verdict(self) -> Verdict:
        """HEALTHY if there is a probe and all of them passed."""
        passed = bool(self.probes) and all(probe.passed for probe in self.probes)
        return Verdict.HEALTHY if passed else Verdict.UNHEALTHY

    @property
    def first_failure(self) -> Probe | None:
        """The probe to look at first."""
        return next((probe for probe in self.probes if not probe.passed), None)


class ActuatorSight(BaseModel):
    """One answer of ``/actuator/health``; status 0 means that nothing answered."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    status: int
    body: str = ""
    error: str = ""


class ActuatorSamples(HostAnswer):
    """The answer of ``probe_actuator.sh``; ``down_before`` was down before the last takeover."""

    samples: list[ActuatorSight]
    down_before: frozenset[str] = frozenset()


def does_not_hold(detail: str) -> Sample:
    """A sample that did not hold; why is often said by others, and shown to everybody."""
    return Sample(False, redact(detail))


def judge_actuator(sight: ActuatorSight, tolerated: Set[str] = frozenset()) -> Sample:
    """HTTP 200 **and** ``"status": "UP"`` in a JSON object; anything else does not hold.

    Unless nothing is down but the ``tolerated`` components: they are not the release's fault.
    """
    if sight.error or not sight.status:
        return does_not_hold(f"no answer: {sight.error or 'connection failed'}")
    try:
        body = json.loads(sight.body)
    except (ValueError, RecursionError):
        return does_not_hold(f"HTTP {sight.status}, but the body is not JSON")
    status = body.get("status") if isinstance(body, dict) else None
    if sight.status == 200 and status == "UP":
        return Sample(True, "HTTP 200, status UP")
    down = _components_down(body) if isinstance(body, dict) else []
    named = ", ".join(down)
    if down and tolerated >= set(down):
        return Sample(True, redact(f"UP but for {named}, down before the takeover already"))
    return does_not_hold(f"HTTP {sight.status}, status {status}{named and f' ({named} not UP)'}")


def _components_down(body: dict[str, object]) -> list[str]:
    components = body.get("components")
    if not isinstance(components, dict):
        return []
    return sorted(
        name
        for name, part in components.items()
        if isinstance(part, dict) and part.get("status") != "UP"
    )


def passes_in_a_row(samples: Sequence[Sample]) -> int:
    """How many of the newest samples held without a break."""
    count = 0
    for sample in reversed(samples):
        if not sample.passed:
            break
        count += 1
    return count
