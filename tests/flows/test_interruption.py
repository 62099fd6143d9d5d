"""A Prefect server that is away is waited for, but not for ever."""

import logging

import httpx
import pytest

from flows import interruption
from flows.interruption import once_it_answers
from tests.fakes import FakeClock


@pytest.fixture(autouse=True)
def logger_of_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interruption, "get_run_logger", lambda: logging.getLogger("a run"))


def test_it_is_tried_until_the_server_is_back() -> None:
    clock, answers = (
        FakeClock(),
        iter([httpx.ConnectError("away"), httpx.ReadError("away"), "healthy"]),
    )

    def act() -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    assert once_it_answers(act, clock=clock, sleep=clock.sleep) == "healthy"
    assert clock.sleeps == [2.0, 2.0]


def test_the_time_before_it_went_away_does_not_count() -> None:
    clock, tries = FakeClock(), []

    def act() -> str:
        tries.append(clock())
        if len(tries) > 1:
            return "healthy"
        clock.now += 1000
        raise httpx.ConnectError("away")

    assert once_it_answers(act, seconds=10, clock=clock, sleep=clock.sleep) == "healthy"


def test_a_server_that_stays_away_is_given_up() -> None:
    clock = FakeClock()

    def act() -> None:
        raise httpx.ConnectError("away")

    with pytest.raises(httpx.ConnectError):
        once_it_answers(act, seconds=10, clock=clock, sleep=clock.sleep)
    assert sum(clock.sleeps) == 10


def test_any_other_failure_is_nobody_s_absence() -> None:
    def act() -> None:
        raise ValueError("of its own")

    clock = FakeClock()
    with pytest.raises(ValueError, match="of its own"):
        once_it_answers(act, clock=clock, sleep=clock.sleep)
    assert clock.sleeps == []
