"""What every command answers to programs."""

import pytest

from delivery.answer import answer_of_failure, whole_answer
from delivery.errors import (
    BadRequest,
    ConfigurationError,
    DeliveryError,
    HostScriptFailed,
    Refused,
    SourceUnavailable,
)
from delivery.report import Outcome


def test_what_is_not_known_is_empty_and_what_is_told_stays() -> None:
    told = {"outcome": "TOLD", "version": "1.0.0", "duration_seconds": 2.5, "days": 7}
    assert whole_answer(told, environment="lab", seconds=9) == {
        "outcome": "TOLD",
        "environment": "lab",
        "version": "1.0.0",
        "previous_version": "",
        "revision": "",
        "digest": "",
        "duration_seconds": 2.5,
        "days": 7,
    }


def test_the_outcome_comes_first() -> None:
    assert next(iter(whole_answer({"days": 1, "outcome": "X"}, environment="", seconds=0))) == (
        "outcome"
    )


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (Refused("Not now."), Outcome.REFUSED),
        (BadRequest("No sense."), Outcome.REFUSED),
        (ConfigurationError("Impossible."), Outcome.REFUSED),
        (SourceUnavailable("Away."), Outcome.FAILED),
        (ValueError("Nobody's."), Outcome.FAILED),
    ],
)
def test_an_error_ends_as_a_deploy_would_by_it(error: Exception, outcome: Outcome) -> None:
    assert answer_of_failure(error, environment="lab", seconds=0)["outcome"] == outcome


def test_a_failure_is_told_as_a_report_does() -> None:
    error: DeliveryError = HostScriptFailed(
        "It broke.", where="TT-ec2-1", last_words="password=hunter22", next_command="df -h"
    )
    answer = answer_of_failure(error, environment="lab", seconds=1.23456)
    assert answer["duration_seconds"] == 1.235
    assert answer["failure"] == {
        "stage": "",
        "message": "It broke.",
        "where": "TT-ec2-1",
        "last_words": "password=[redacted]",
        "next_command": "df -h",
    }
