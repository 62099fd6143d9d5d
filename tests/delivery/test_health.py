import json
from dataclasses import replace

import pytest

from delivery.health import (
    ActuatorSight,
    Health,
    Probe,
    Sample,
    Verdict,
    judge_actuator,
    passes_in_a_row,
)


def sight(status: int, body: object, error: str = "") -> ActuatorSight:
    text = body if isinstance(body, str) else json.dumps(body)
    return ActuatorSight(status=status, body=text, error=error)


def test_200_and_up_holds() -> None:
    assert judge_actuator(sight(200, {"status": "UP"})) == Sample(True, "HTTP 200, status UP")


@pytest.mark.parametrize(
    ("seen", "detail"),
    [
        (sight(0, "", "Connection refused"), "no answer: Connection refused"),
        (sight(0, ""), "no answer: connection failed"),
        (sight(200, "<html>UP</html>"), "HTTP 200, but the body is not JSON"),
        (sight(200, "[" * 2000), "HTTP 200, but the body is not JSON"),
        (sight(200, ["UP"]), "HTTP 200, status None"),
        (sight(200, {"status": "DOWN"}), "HTTP 200, status DOWN"),
        (sight(503, {"status": "UP"}), "HTTP 503, status UP"),
        (sight(503, {"status": "DOWN", "components": []}), "HTTP 503, status DOWN"),
        (
            sight(
                503,
                {
                    "status": "DOWN",
                    "components": {
                        "redis": {"status": "DOWN"},
                        "db": {"status": "UNKNOWN"},
                        "ping": {"status": "UP"},
                        "odd": 1,
                    },
                },
            ),
            "HTTP 503, status DOWN (db, redis not UP)",
        ),
        (
            sight(503, {"status": "DOWN", "components": {"ping": {"status": "UP"}}}),
            "HTTP 503, status DOWN",
        ),
    ],
)
def test_anything_else_of_the_actuator_does_not_hold(seen: ActuatorSight, detail: str) -> None:
    assert judge_actuator(seen) == Sample(False, detail)


MAIL_DOWN = {
    "status": "DOWN",
    "components": {"db": {"status": "UP"}, "mail": {"status": "DOWN"}},
}


def test_what_was_down_before_is_not_held_against_a_release() -> None:
    assert judge_actuator(sight(503, MAIL_DOWN), {"mail", "sms"}) == Sample(
        True, "UP but for mail, down before the takeover already"
    )


@pytest.mark.parametrize(
    "seen",
    [sight(503, MAIL_DOWN), sight(503, {"status": "DOWN"}), sight(503, "<html>"), sight(0, "")],
    ids=["another", "nothing named", "no JSON", "no answer"],
)
def test_what_else_is_down_is_held_against_it(seen: ActuatorSight) -> None:
    assert judge_actuator(seen, {"sms"}).passed is False


def test_what_a_service_says_of_itself_is_free_of_secrets() -> None:
    said = "FATAL: bad url postgresql://app:hunter2hunter2@db"
    assert "hunter2" not in judge_actuator(sight(0, "", said)).detail


@pytest.mark.parametrize(
    ("seen", "count"), [("", 0), ("x", 0), ("p", 1), ("ppx", 0), ("xpp", 2), ("pxpp", 2)]
)
def test_only_the_newest_unbroken_passes_count(seen: str, count: int) -> None:
    assert passes_in_a_row([Sample(each == "p", "") for each in seen]) == count


GOOD = Probe("redis", "TT-ec2-1", Verdict.HEALTHY, "ok", 3, 2.5)
BAD = replace(GOOD, name="actuator", verdict=Verdict.UNHEALTHY)


def test_every_probe_must_pass() -> None:
    assert Health((GOOD, GOOD)).verdict is Verdict.HEALTHY
    assert Health((GOOD, BAD)).verdict is Verdict.UNHEALTHY


def test_health_that_nobody_looked_at_is_not_health() -> None:
    assert Health(()).verdict is Verdict.UNHEALTHY


def test_the_first_failure_is_what_to_look_at() -> None:
    assert Health((GOOD, BAD)).first_failure == BAD
    assert Health((GOOD,)).first_failure is None
