"""How a deploy stands, in GitHub's words for deployments and for commits."""

from dataclasses import dataclass

from delivery.redaction import redact
from delivery.report import Outcome, Report


@dataclass(frozen=True, slots=True)
class Standing:
    """The state of a deployment and of its commit, and why; GitHub's own words for states."""

    deployment: str
    commit: str
    description: str


_STATES = {
    Outcome.DEPLOYED: ("success", "success"),
    Outcome.UP_TO_DATE: ("success", "success"),
    Outcome.ROLLED_BACK: ("failure", "failure"),
    Outcome.ROLLBACK_FAILED: ("failure", "failure"),
    Outcome.NO_WAY_BACK: ("failure", "failure"),
    # Not (or not for sure) the commit's fault.
    Outcome.FAILED: ("error", "error"),
    Outcome.REFUSED: ("error", "error"),
}


def begun(version: str, environment: str) -> Standing:
    """A deploy that has begun."""
    return Standing("in_progress", "pending", f"{version} is on its way to {environment}")


def ended(report: Report) -> Standing | None:
    """How it ended; None where there is nothing to say that would not mislead."""
    states = _STATES.get(report.outcome)
    return Standing(*states, redact(report.headline)) if states else None


def context_of(environment: str) -> str:
    """The name under which a commit's status in an environment is shown."""
    return f"tt-deploy/{environment}"
