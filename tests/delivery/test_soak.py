"""Judging a release by its traffic, before and after it took over."""

import pytest

from delivery.errors import HostAnswerMalformed
from delivery.policies import SoakPolicy
from delivery.soak import Traffic, judge_soak, read_traffic, soak_query
from tests.scripted_hosts import vector

POLICY = SoakPolicy(least_requests=100, least_errors=5)
BEFORE = Traffic(requests=10_000, errors=50, p95_seconds=0.1, timed=10_000)  # 0.5 %


def after(
    errors: float = 5,
    p95: float | None = 0.1,
    *,
    requests: float = 1000,
    timed: float | None = None,
) -> Traffic:
    return Traffic(requests, errors, p95, requests if timed is None else timed)


def test_a_release_that_is_as_good_as_the_one_before_stays() -> None:
    sample = judge_soak(BEFORE, after(), POLICY)
    assert sample.passed
    assert sample.detail == (
        "0.50 % of 1000 requests failed (before: 0.50 % of 10000); p95 100 ms (before: 100 ms)"
    )


@pytest.mark.parametrize(
    ("now", "says"),
    [
        (after(errors=30), "more requests fail than before the takeover: 3.00 % of 1000"),
        (after(p95=0.4), "requests take longer than before the takeover: "),
    ],
)
def test_a_release_that_is_worse_does_not(now: Traffic, says: str) -> None:
    sample = judge_soak(BEFORE, now, POLICY)
    assert (sample.passed, sample.detail.startswith(says)) == (False, True)


@pytest.mark.parametrize(
    ("before", "now", "why"),
    [
        (BEFORE, after(errors=14), "less than three times as many"),
        (Traffic(10_000, 0, 0.1, 10_000), after(errors=10), "just one percent point more"),
        (Traffic(10_000, 0, 0.1, 10_000), after(4, requests=120), "less than five errors"),
        (Traffic(10_000, 2000, 0.1, 10_000), after(errors=300), "it was bad before"),
        (BEFORE, after(p95=0.34), "less than a quarter of a second more"),
        (Traffic(10_000, 0, 1.0, 10_000), after(0, p95=1.9), "less than twice as long"),
        (BEFORE, after(p95=9.0, timed=99), "too few since it is warm"),
        (BEFORE, after(p95=None), "no latency was measured"),
        (Traffic(10_000, 0, None, 10_000), after(0, p95=9.0), "none was measured before"),
        (BEFORE, after(errors=99, requests=99), "too little traffic since the takeover"),
        (Traffic(99, 0, 0.1, 99), after(errors=1000), "too little traffic before it"),
    ],
)
def test_what_may_be_chance_is_not_held_against_it(before: Traffic, now: Traffic, why: str) -> None:
    assert judge_soak(before, now, POLICY).passed, why


def test_too_little_traffic_is_said_with_the_figures() -> None:
    sample = judge_soak(Traffic(), after(requests=12), POLICY)
    assert sample.detail == (
        "not enough traffic to judge: 0 requests before, 12 since the takeover, 100 needed of each"
    )


def test_latency_that_is_not_judged_is_said() -> None:
    sample = judge_soak(BEFORE, after(timed=3), POLICY)
    assert sample.detail.endswith("; latency not judged, 3 requests since it is warm")


def test_figures_are_read_by_name_and_what_prometheus_did_not_measure_is_nothing() -> None:
    said = vector(requests_before=200, errors_before=2, p95_before=0.2, requests_after=50)
    before, now = read_traffic(said)
    assert before == Traffic(requests=200, errors=2, p95_seconds=0.2, timed=200)
    assert now == Traffic(requests=50, errors=0, p95_seconds=None, timed=0)
    assert before.error_percent == 1.0


def test_an_answer_that_does_not_read_is_an_error() -> None:
    with pytest.raises(HostAnswerMalformed):
        read_traffic("no JSON")


def test_the_question_is_one_expression_with_every_figure() -> None:
    query = soak_query(SoakPolicy(before_minutes=7))
    for figure in ("requests before", "errors after", "p95 after", "timed after"):
        assert f'"{figure}"' in query
    assert "[7m] @ $MADE" in query
    assert "\n" not in query
