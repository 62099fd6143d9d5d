"""A deploy that failed looks for the cause by itself; it can only add to the report."""

from prefect import get_run_logger

from blocks.environment import Environment
from delivery.diagnosis_words import Told
from delivery.errors import HostError
from delivery.findings import Finding
from delivery.journal import Journal
from delivery.mending import Diagnosis
from delivery.redaction import redact
from delivery.report import Outcome
from tasks.artifacts import publish_diagnosis
from tasks.diagnosis import find_causes

_ASKS_WHY = frozenset(
    {Outcome.FAILED, Outcome.ROLLED_BACK, Outcome.ROLLBACK_FAILED, Outcome.NO_WAY_BACK}
)


def asks_why(outcome: Outcome, journal: Journal) -> bool:
    """Whether a deploy that ended so is diagnosed: its hosts were touched, or did not answer."""
    return outcome in _ASKS_WHY and (journal.touched or isinstance(journal.error, HostError))


def diagnosed(target: Environment, journal: Journal) -> tuple[Finding, ...]:
    """Why it failed, the first cause first; empty if not even that can be found out.

    Takes about a minute at most, never raises, changes nothing, and leaves the failure that
    is reported as it is.
    """
    try:
        with journal.stage("diagnose"):
            found = tuple(find_causes(target, told(journal)))
        publish_diagnosis(target.name, Diagnosis(target.name, found, left=found))
    except Exception as error:
        get_run_logger().warning("%s", redact(f"Not diagnosed: {error}"))
        return ()
    return found


def told(journal: Journal) -> Told:
    """How the deploy failed, in its own words."""
    since = int(journal.started.timestamp())
    failure = journal.failure
    if failure is None:
        return Told("deploy", "It failed without a word.", since=since)
    return Told(failure.stage, failure.message, failure.last_words, since, failure.where)
