"""How a deploy stands on GitHub: nothing that would mislead who looks at a pull request."""

import datetime

import pytest

from delivery.github_standing import Standing, begun, context_of, ended
from delivery.report import Outcome, Report


def report(outcome: Outcome) -> Report:
    now = datetime.datetime(2026, 11, 25, tzinfo=datetime.UTC)
    return Report(outcome, "lab", "kim", "", now, 1.0, version="1.1.0", previous_version="1.0.0")


def test_a_deploy_that_has_begun_is_in_progress() -> None:
    on_its_way = Standing("in_progress", "pending", "1.1.0 is on its way to lab")
    assert begun("1.1.0", "lab") == on_its_way
    assert context_of("lab") == "tt-deploy/lab"


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (Outcome.DEPLOYED, "success"),
        (Outcome.UP_TO_DATE, "success"),
        (Outcome.ROLLED_BACK, "failure"),
        (Outcome.ROLLBACK_FAILED, "failure"),
        (Outcome.NO_WAY_BACK, "failure"),
        (Outcome.FAILED, "error"),
        (Outcome.REFUSED, "error"),
    ],
)
def test_an_outcome_is_one_of_githubs_states(outcome: Outcome, state: str) -> None:
    standing = ended(report(outcome))
    assert standing is not None
    assert (standing.deployment, standing.commit) == (state, state)
    assert standing.description == report(outcome).headline


@pytest.mark.parametrize("outcome", [Outcome.PLANNED, Outcome.SUPERSEDED])
def test_what_was_only_planned_or_stepped_aside_says_nothing(outcome: Outcome) -> None:
    assert ended(report(outcome)) is None
