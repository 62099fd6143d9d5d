"""A deploy as a mark on dashboards: when, what, and nothing where nothing changed."""

import dataclasses
import datetime
import json
from typing import Any

import pytest

from delivery.annotation import annotation
from delivery.health import Health, Probe, Verdict
from delivery.report import Outcome, Report

REPORT = Report(
    outcome=Outcome.DEPLOYED,
    environment="lab",
    actor="<b>kim</b>",
    reason="",
    started=datetime.datetime(2026, 11, 25, 12, tzinfo=datetime.UTC),
    duration_seconds=61.5,
    version="1.1.0",
    run_url="http://p.example/runs/1?a=1&b=2",
)


def marked(report: Report, kind: str = "deploy") -> dict[str, Any]:
    mark = annotation(report, kind=kind)
    assert mark is not None
    said: dict[str, Any] = json.loads(mark)
    return said


def test_a_deploy_is_a_region_with_tags_that_one_can_ask_for() -> None:
    assert marked(REPORT) == {
        "time": 1_795_608_000_000,
        "timeEnd": 1_795_608_061_500,
        "tags": ["deploy", "lab", "1.1.0", "DEPLOYED"],
        "text": "1.1.0 is live on lab (by &lt;b&gt;kim&lt;/b&gt;) "
        '<a href="http://p.example/runs/1?a=1&amp;b=2">run</a>',
    }


def test_a_rollback_is_tagged_as_one_and_a_run_without_a_page_has_no_link() -> None:
    mark = marked(dataclasses.replace(REPORT, run_url="javascript:x", actor="kim"), "rollback")
    assert mark["tags"][0] == "rollback"
    assert mark["text"] == "1.1.0 is live on lab (by kim)"


@pytest.mark.parametrize(
    "outcome", [Outcome.ROLLED_BACK, Outcome.ROLLBACK_FAILED, Outcome.NO_WAY_BACK]
)
def test_whatever_touched_the_hosts_is_marked(outcome: Outcome) -> None:
    mark = marked(dataclasses.replace(REPORT, outcome=outcome, version=""))
    assert mark["tags"] == ["deploy", "lab", outcome.value]


@pytest.mark.parametrize(
    "outcome", [Outcome.UP_TO_DATE, Outcome.PLANNED, Outcome.REFUSED, Outcome.SUPERSEDED]
)
def test_what_changed_nothing_is_not(outcome: Outcome) -> None:
    assert annotation(dataclasses.replace(REPORT, outcome=outcome), kind="deploy") is None


def test_a_failure_is_marked_only_if_it_got_as_far_as_the_hosts() -> None:
    failed = dataclasses.replace(REPORT, outcome=Outcome.FAILED)
    assert annotation(failed, kind="deploy") is None
    probe = Probe("actuator", "h", Verdict.UNHEALTHY, "503", 3, 1.0)
    assert marked(dataclasses.replace(failed, health=Health((probe,))))["tags"][-1] == "FAILED"
