"""Which announcements an environment's channel hears, and when."""

import datetime
from itertools import product
from typing import Any

import pytest
from pydantic import ValidationError

from delivery.notification import NotificationPolicy, Weight

ROUTINE, CHANGE, PROBLEM = Weight.ROUTINE, Weight.CHANGE, Weight.PROBLEM


def seoul(hour: int, minute: int = 0) -> datetime.datetime:
    """That time of day in Seoul (nine hours ahead), as the worker's clock has it."""
    zone = datetime.timezone(datetime.timedelta(hours=9))
    return datetime.datetime(2026, 11, 25, hour, minute, tzinfo=zone).astimezone(datetime.UTC)


@pytest.mark.parametrize(
    ("level", "heard"),
    [
        ("all", {ROUTINE, CHANGE, PROBLEM}),
        ("changes", {CHANGE, PROBLEM}),
        ("problems", {PROBLEM}),
        ("none", set()),
    ],
)
def test_a_level_lets_through_what_weighs_as_much(level: Any, heard: set[Weight]) -> None:
    policy = NotificationPolicy(level=level)
    assert {weight for weight in Weight if policy.wants(weight, at=seoul(12))} == heard


@pytest.mark.parametrize(
    ("hours", "at", "heard"),
    [
        ("22:00-08:00", seoul(21, 59), True),
        ("22:00-08:00", seoul(22), False),
        ("22:00-08:00", seoul(3), False),
        ("22:00-08:00", seoul(7, 59), False),
        ("22:00-08:00", seoul(8), True),
        ("12:00-13:30", seoul(11, 59), True),
        ("12:00-13:30", seoul(12), False),
        ("12:00-13:30", seoul(13, 30), True),
        ("12:00-12:00", seoul(12), True),
        ("", seoul(3), True),
    ],
)
def test_quiet_hours_are_those_of_the_time_zone(
    hours: str, at: datetime.datetime, heard: bool
) -> None:
    assert NotificationPolicy(quiet_hours=hours).wants(CHANGE, at=at) is heard


@pytest.mark.parametrize("let_through", [True, False])
def test_problems_get_through_quiet_hours_unless_set_otherwise(let_through: bool) -> None:
    policy = NotificationPolicy(quiet_hours="22:00-08:00", problems_in_quiet_hours=let_through)
    assert policy.wants(PROBLEM, at=seoul(3)) is let_through
    assert policy.wants(PROBLEM, at=seoul(12))


def test_nothing_means_nothing_even_for_problems() -> None:
    policy = NotificationPolicy(level="none", quiet_hours="22:00-08:00")
    assert not [h for h, w in product((3, 12), Weight) if policy.wants(w, at=seoul(h))]


@pytest.mark.parametrize(
    "said",
    [
        {"quiet_hours": "22-8"},
        {"quiet_hours": "24:00-08:00"},
        {"quiet_hours": "22:00-08:00 "},
        {"time_zone": "Asia/Nowhere"},
        {"time_zone": "../etc/passwd"},
        {"time_zone": ""},
        {"level": "some"},
        {"dashboard_url": "javascript:alert(1)"},
        {"application_url": "https://a.example/ <!channel>"},
        {"quiet_days": "sunday"},
    ],
)
def test_what_makes_no_sense_is_refused_where_it_comes_in(said: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        NotificationPolicy(**said)


def test_the_quiet_hours_are_those_of_the_time_zone_that_was_named() -> None:
    policy = NotificationPolicy(quiet_hours="22:00-08:00", time_zone="Europe/Berlin")
    midnight_in_berlin = datetime.datetime(2026, 1, 1, 23, 0, tzinfo=datetime.UTC)
    assert not policy.wants(Weight.CHANGE, at=midnight_in_berlin)
    assert policy.wants(Weight.CHANGE, at=midnight_in_berlin + datetime.timedelta(hours=9))
