"""Tokens and certificates end; one hears of it in time."""

import datetime

import pytest

from delivery.checks import Level
from delivery.expiry import Ending, judge_ending, moment_of

NOW = datetime.datetime(2026, 11, 25, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-12-01 00:00:00 UTC", datetime.datetime(2026, 12, 1, tzinfo=datetime.UTC)),
        ("2026-12-01 09:00:00 +0900", datetime.datetime(2026, 12, 1, tzinfo=datetime.UTC)),
        ("2026-12-01T00:00:00.000Z", datetime.datetime(2026, 12, 1, tzinfo=datetime.UTC)),
        ("2026-12-01T00:00:00", datetime.datetime(2026, 12, 1, tzinfo=datetime.UTC)),
        ("", None),
        ("never", None),
    ],
)
def test_a_moment_reads_as_github_and_doppler_write_it(
    text: str, expected: datetime.datetime | None
) -> None:
    assert moment_of(text) == expected


@pytest.mark.parametrize(("days", "level"), [(-1, Level.FAIL), (5, Level.WARN), (30, Level.PASS)])
def test_what_is_over_fails_and_what_is_soon_over_warns(days: int, level: Level) -> None:
    ending = Ending("token", NOW + datetime.timedelta(days=days), "make a new one")
    check = judge_ending(ending, now=NOW, days=14, host="h")
    assert check is not None
    assert (check.level, check.name, check.host) == (level, "expiry: token", "h")


def test_where_nobody_says_when_nothing_is_concluded() -> None:
    assert judge_ending(Ending("token", None, ""), now=NOW, days=14) is None
