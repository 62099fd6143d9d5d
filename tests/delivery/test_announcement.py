"""What is said of a deploy: enough for a person to act on, and nothing where nothing was done."""

import dataclasses
import datetime

import pytest

from delivery.announcement import (
    Announcement,
    announce_drift,
    announce_end,
    announce_start,
    spoken_seconds,
)
from delivery.checks import Check, Level
from delivery.failure import Failure
from delivery.journal import Journal
from delivery.notification import Weight
from delivery.receipt import Receipt, Window
from delivery.report import Outcome, Report
from delivery.rollout import HostOutcome
from tests.delivery.test_findings import STOPPED

NOON = datetime.datetime(2026, 11, 25, 12, tzinfo=datetime.UTC)
RUN, RELEASE, PAGE = "http://p.example/runs/1", "http://g.example/r/v1.1.0", "http://d.example/d"
REPORT = Report(
    outcome=Outcome.DEPLOYED,
    environment="production",
    actor="somebody",
    reason="a reason",
    started=NOON,
    duration_seconds=83.4,
    version="1.1.0",
    previous_version="1.0.0",
    revision="0123456789abcdef0123456789abcdef01234567",
    run_url=RUN,
    release_url=RELEASE,
    changed=("app",),
)
FAILURE = Failure("healthcheck", "it said 503", where="TT-ec2-1", next_command="curl x")


def ended(
    outcome: Outcome, *, kind: str = "deploy", failure: Failure | None = None
) -> Announcement:
    report = dataclasses.replace(REPORT, outcome=outcome, failure=failure)
    said = announce_end(report, kind=kind, dashboard_url=PAGE)
    assert said is not None
    return said


def measured(host: str, *, requests: int, errors: int, gap: float) -> HostOutcome:
    window = Window(requests=1, failed=0, p50_ms=1, p99_ms=2)
    receipt = Receipt(
        before=window,
        during=window,
        after=window,
        longest_gap_ms=gap,
        gateway_requests=requests,
        gateway_errors=errors,
    )
    return HostOutcome(host, ("app",), "c", receipt=receipt)


def test_a_success_says_who_what_from_where_to_where_how_long_and_where_to_look() -> None:
    said = ended(Outcome.DEPLOYED)
    assert (said.weight, said.headline) == (Weight.CHANGE, "1.1.0 is live on production")
    assert dict(said.facts) == {
        "Outcome": "DEPLOYED",
        "Version": "1.0.0 → 1.1.0",
        "Revision": "0123456789ab",
        "By": "somebody",
        "Why": "a reason",
        "Took": "1 min 23 s",
        "Replaced": "app",
    }
    assert said.links == (("Run", RUN), ("Release", RELEASE), ("Dashboard", PAGE))
    assert (said.finding, said.next_command) == ("", "")


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome.ROLLED_BACK,
        Outcome.ROLLBACK_FAILED,
        Outcome.NO_WAY_BACK,
        Outcome.REFUSED,
        Outcome.FAILED,
    ],
)
def test_a_problem_names_the_first_finding_and_what_to_type(outcome: Outcome) -> None:
    said = ended(outcome, failure=FAILURE)
    assert said.weight is Weight.PROBLEM
    assert said.finding == "healthcheck: it said 503 (TT-ec2-1)"
    assert said.next_command == "curl x"


def test_a_finding_without_a_place_names_none() -> None:
    said = ended(Outcome.FAILED, failure=dataclasses.replace(FAILURE, where=""))
    assert said.finding == "healthcheck: it said 503"


def test_what_was_only_planned_or_stepped_aside_is_not_announced() -> None:
    for outcome in (Outcome.PLANNED, Outcome.SUPERSEDED):
        assert announce_end(dataclasses.replace(REPORT, outcome=outcome), kind="deploy") is None


def test_a_version_that_stays_is_named_once() -> None:
    said = announce_end(dataclasses.replace(REPORT, previous_version="1.1.0"), kind="deploy")
    assert said is not None
    assert dict(said.facts)["Version"] == "1.1.0"


def test_finding_nothing_to_do_is_routine_and_a_rollback_is_called_one() -> None:
    assert ended(Outcome.UP_TO_DATE).weight is Weight.ROUTINE
    assert dict(ended(Outcome.DEPLOYED, kind="rollback").facts)["Outcome"] == "DEPLOYED (rollback)"


def test_what_a_takeover_cost_is_said_for_all_hosts_together() -> None:
    hosts = (
        measured("a", requests=100, errors=0, gap=12.4),
        measured("b", requests=50, errors=2, gap=31.6),
        HostOutcome("c", (), ""),
    )
    said = announce_end(dataclasses.replace(REPORT, hosts=hosts), kind="deploy")
    assert said is not None
    assert dict(said.facts)["Cost"] == (
        "2 of 150 requests, 0 of 6 probes failed, longest gap 32 ms"
    )


def test_a_failure_before_the_version_was_known_says_what_there_is() -> None:
    report = Report(Outcome.FAILED, "lab", "somebody", "", NOON, 2.0, failure=FAILURE)
    said = announce_end(report, kind="deploy")
    assert said is not None
    assert dict(said.facts) == {"Outcome": "FAILED", "By": "somebody", "Took": "2 s"}
    assert said.links == ()


def test_a_start_says_what_comes_in_whose_place() -> None:
    journal = Journal(
        "lab",
        "somebody",
        "",
        NOON,
        lambda: 0.0,
        run_url=RUN,
        version="1.0.0",
        revision="f" * 40,
    )
    said = announce_start(journal, kind="rollback")
    assert said.headline == "Rollback of 1.0.0 to lab has begun"
    assert dict(said.facts) == {
        "Version": "nothing → 1.0.0",
        "Revision": "f" * 12,
        "By": "somebody",
    }
    assert (said.weight, said.links) == (Weight.ROUTINE, (("Run", RUN),))


def test_drift_lists_the_worst_first_and_the_first_remedy() -> None:
    checks = [
        Check("files", Level.WARN, "one edited", host="TT-ec2-1"),
        Check("image", Level.FAIL, "another runs", remedy="deploy again"),
        Check("disk", Level.PASS, "plenty"),
    ]
    said = announce_drift("lab", checks, mended=[Check("names", Level.PASS, "")], run_url=RUN)
    assert said.weight is Weight.PROBLEM
    assert said.finding == "FAIL image: another runs\nWARN files on TT-ec2-1: one edited"
    assert said.next_command == "deploy again"
    assert said.facts == (("Again as it should be", "names"),)


def test_drift_of_many_things_is_not_listed_to_the_end() -> None:
    checks = [Check(f"file {n}", Level.WARN, "edited") for n in range(25)]
    lines = announce_drift("lab", checks).finding.split("\n")
    assert (len(lines), lines[-1]) == (11, "and 15 more")


def test_that_drift_is_gone_is_a_change_and_no_problem() -> None:
    said = announce_drift("lab", [], mended=[Check("image", Level.PASS, "", host="a")])
    assert (said.weight, said.headline) == (Weight.CHANGE, "lab is again what was deployed")
    assert said.facts == (("Again as it should be", "image on a"),)


@pytest.mark.parametrize(
    ("seconds", "spoken"),
    [
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (3599, "59 min 59 s"),
        (3600, "1 h 0 min"),
        (86_399, "23 h 59 min"),
        (180_000, "2 d 2 h"),
    ],
)
def test_a_duration_reads_as_people_say_it(seconds: float, spoken: str) -> None:
    assert spoken_seconds(seconds) == spoken


def test_the_cause_that_a_diagnosis_found_comes_first_with_its_remedy() -> None:
    report = dataclasses.replace(
        REPORT, outcome=Outcome.FAILED, failure=FAILURE, findings=(STOPPED,)
    )
    said = announce_end(report, kind="deploy", dashboard_url="")
    assert said is not None
    assert said.finding.split("\n")[0] == STOPPED.summary
    assert FAILURE.message in said.finding
    assert said.next_command == STOPPED.remedy.command
    alone = announce_end(dataclasses.replace(report, failure=None), kind="", dashboard_url="")
    assert alone is not None
    assert alone.finding == STOPPED.summary
