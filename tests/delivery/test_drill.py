import pytest

from delivery.checks import Level
from delivery.drill import Drill, judge_drill


def drilled(**fields: float | str) -> Drill:
    return Drill.model_validate({"ok": True, "step": "drill", "seconds": 240.0, **fields})


ALL = {"fired": 4.0, "received": 5.0, "delivered": 6.5, "resolved": 21.0}


def test_a_drill_that_went_all_the_way_passes_leg_by_leg() -> None:
    checks = judge_drill(drilled(**ALL), "TT-ec2-1")
    assert [check.level for check in checks] == [Level.PASS] * 4
    assert checks[-1].evidence == "21 s after it began"


@pytest.mark.parametrize(
    ("missing", "name"),
    [
        ("fired", "drill: Prometheus fires"),
        ("received", "drill: reaches Alertmanager"),
        ("delivered", "drill: Slack takes it"),
        ("resolved", "drill: resolved in Slack"),
    ],
)
def test_the_leg_that_broke_is_the_last_one_told(missing: str, name: str) -> None:
    legs = list(ALL)
    gone = dict.fromkeys(legs[legs.index(missing) :], -1.0)
    *before, last = judge_drill(drilled(**{**ALL, **gone}), "h")
    assert (last.name, last.level, len(before)) == (name, Level.FAIL, legs.index(missing))
    assert last.evidence == "not within 240 s"


def test_what_slack_said_is_told_without_the_webhook() -> None:
    said = 'slack-drill[0]: Post "https://hooks.slack.com/services/T1AB/B1CD/verysecret": 404'
    (*_, last) = judge_drill(
        drilled(fired=4.0, received=5.0, delivered=-1.0, refusals=3, said=said), "h"
    )
    assert "3 request(s) to Slack failed; slack-drill[0]" in last.evidence
    assert "verysecret" not in last.evidence


def test_a_drill_that_is_not_due_is_left_out_and_passes() -> None:
    (check,) = judge_drill(drilled(last_hours=3.21), "h")
    assert (check.level, check.evidence) == (Level.PASS, "left out: the last one was 3.2 h ago")
