"""DORA's four figures, by examples that were worked out by hand."""

import datetime
from typing import Any

import pytest

from delivery.dora import Delivery, Figures, figures
from delivery.report import Outcome

DAY = datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC)
MINUTE = datetime.timedelta(minutes=1)
DEPLOYED, ROLLED_BACK = Outcome.DEPLOYED, Outcome.ROLLED_BACK


def run(
    minute: float, outcome: Outcome | None = DEPLOYED, kind: str = "deploy", **more: Any
) -> Delivery:
    """A run that began so many minutes into the period and took two."""
    began = DAY + minute * MINUTE
    return Delivery(kind, outcome, began, began + 2 * MINUTE, more.pop("touched", True), **more)


def of(*deliveries: Delivery, days: float = 10, **committed: list[float]) -> Figures:
    """The figures of a period of ten days; ``committed`` gives minutes by revision."""
    times = {name: [DAY + m * MINUTE for m in minutes] for name, minutes in committed.items()}
    return figures(deliveries, times, since=DAY, until=DAY + datetime.timedelta(days=days))


def test_of_nothing_there_is_nothing_to_say() -> None:
    assert of() == Figures(10, 0, 0, 0, 0, None, None, 0)
    assert (of().per_day, of().failure_rate) == (0, None)


def test_frequency_counts_what_put_a_release_there() -> None:
    told = of(
        run(0),
        run(10, kind="rollout"),
        run(20, Outcome.UP_TO_DATE),
        run(30, Outcome.REFUSED, touched=False),
        run(40, Outcome.FAILED, touched=False),
        run(50, Outcome.SUPERSEDED, touched=False),
        days=4,
    )
    assert (told.deployments, told.attempts, told.failures) == (2, 2, 0)
    assert told.per_day == 0.5


def test_what_ended_outside_of_the_period_does_not_count() -> None:
    assert of(run(-10), run(60 * 24 * 10 - 1), run(-1)).deployments == 1


def test_lead_time_is_the_median_over_the_commits_that_came_with_deployments() -> None:
    # Deployed at minute 102: 100, 60 and 2 minutes; at minute 202: 2 minutes, and 12.
    told = of(
        run(100, revision="a"),
        run(200, revision="b"),
        run(150, ROLLED_BACK, revision="c"),
        a=[2, 42, 100],
        b=[200, 190],
        c=[0],
    )
    assert told.changes == 5
    assert told.lead_seconds == 12 * 60


def test_a_revision_that_is_deployed_again_has_the_lead_time_of_the_first_time() -> None:
    # Live at minute 12 and, after a way back, again at minute 3002: the commit is 12 minutes old.
    again = of(run(10, revision="x"), run(60, kind="rollback"), run(3000, revision="x"), x=[0])
    assert (again.deployments, again.changes, again.lead_seconds) == (2, 1, 12 * 60)


def test_a_revision_that_was_first_deployed_before_the_period_is_no_change_of_it() -> None:
    told = of(run(-100, revision="x"), run(10, revision="x"), x=[-200])
    assert (told.deployments, told.changes, told.lead_seconds) == (1, 0, None)


@pytest.mark.parametrize(
    "outcome",
    [ROLLED_BACK, Outcome.ROLLBACK_FAILED, Outcome.NO_WAY_BACK, Outcome.FAILED, None],
)
def test_whatever_failed_on_the_hosts_is_a_failed_change(outcome: Outcome | None) -> None:
    told = of(run(0), run(10, outcome), run(20), run(30))
    assert (told.attempts, told.failures, told.failure_rate) == (4, 1, 0.25)


def test_a_deployment_that_was_taken_back_by_hand_failed_too() -> None:
    # Live from minute 12 on, taken back by minute 32.
    told = of(run(0), run(10), run(30, kind="rollback"), run(50))
    assert (told.deployments, told.attempts, told.failures) == (3, 3, 1)
    assert told.restore_seconds == 20 * 60


def test_a_rollback_takes_back_the_newest_deployment_alone_and_only_if_it_succeeds() -> None:
    told = of(run(0), run(10), run(20, Outcome.REFUSED, "rollback", touched=False))
    assert told.failures == 0
    twice = of(run(0), run(10), run(20, kind="rollback"), run(30, kind="rollback"))
    assert twice.failures == 1


def test_one_that_went_back_by_itself_was_restored_when_it_ended() -> None:
    assert of(run(0), run(10, ROLLED_BACK)).restore_seconds == 2 * 60


def test_one_without_a_way_back_is_restored_by_the_next_that_ends_well() -> None:
    # From minute 10 to 42, and from 20 to 42; the median of 32 and 22 minutes.
    told = of(
        run(10, Outcome.NO_WAY_BACK),
        run(20, Outcome.ROLLBACK_FAILED),
        run(30, Outcome.REFUSED, touched=False),
        run(40),
    )
    assert (told.failures, told.restore_seconds) == (2, 27 * 60)


def test_what_was_not_restored_yet_is_said() -> None:
    told = of(run(0), run(10, Outcome.NO_WAY_BACK))
    assert (told.failures, told.restore_seconds, told.unrestored) == (1, None, 1)
