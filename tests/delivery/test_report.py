"""The report: what a person reads, and what a program parses."""

import datetime
import json
import string
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from delivery.errors import HostScriptFailed
from delivery.failure import Failure
from delivery.health import Health, Probe, Verdict
from delivery.report import Outcome, Report, StageTime, health_section
from delivery.restoration import Restoration
from delivery.rollout import Bundle, HostOutcome

GOOD = Report(
    outcome=Outcome.DEPLOYED,
    environment="production",
    actor="kim",
    reason="the fix for #9",
    started=datetime.datetime(2026, 11, 23, 1, 2, 3, tzinfo=datetime.UTC),
    duration_seconds=61.26,
    version="0.2.0",
    previous_version="0.1.0",
    revision="0123456789abcdef0123456789abcdef01234567",
    digest="sha256:" + "a" * 64,
    image="ghcr.io/a/b@sha256:" + "a" * 64,
    release_url="https://github.com/a/b/releases/tag/v0.2.0",
    run_url="http://localhost:4200/runs/flow-run/1",
    changed=("app",),
    stages=(StageTime("build image and push", 40.04, "reused"),),
    health=Health((Probe("actuator", "TT-ec2-1", Verdict.HEALTHY, "HTTP 200", 3, 2.5),)),
)
BAD = replace(
    GOOD,
    outcome=Outcome.ROLLED_BACK,
    health=Health((Probe("redis", "TT-ec2-1", Verdict.UNHEALTHY, "cluster_state:fail", 9, 60.0),)),
    failure=Failure(
        "healthcheck", "It did not hold.", "TT-ec2-1", "last\nwords", "docker logs app"
    ),
)


def test_the_outcome_comes_first_as_one_sentence() -> None:
    assert GOOD.as_markdown().startswith("# DEPLOYED: 0.2.0 is live on production\n")


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_has_a_sentence_even_if_nothing_is_known(outcome: Outcome) -> None:
    bare = Report(outcome, "lab", "kim", "", GOOD.started, 0.0)
    assert not {*"{}"} & {*bare.headline}
    assert bare.headline in bare.as_markdown()


def test_a_run_is_called_after_its_outcome() -> None:
    assert [Outcome.UP_TO_DATE.state_name, Outcome.FAILED.state_name] == ["UpToDate", "Failed"]


def test_only_what_was_wished_for_is_green() -> None:
    assert [outcome.value for outcome in Outcome if outcome.succeeded] == [
        "DEPLOYED",
        "UP_TO_DATE",
        "PLANNED",
    ]


def test_a_person_finds_what_where_from_to_by_whom_and_how_long() -> None:
    text = GOOD.as_markdown()
    for fact in (
        "`0.1.0` → `0.2.0`",
        GOOD.revision,
        GOOD.image,
        "(https://github.com/a/b/releases/tag/v0.2.0)",
        "kim, the fix for \\#9",
        "2026-11-23 01:02:03 UTC",
        "61.3 s",
        "(http://localhost:4200/runs/flow-run/1)",
        "| build image and push | 40.0 s | reused |",
        "| pass | actuator | TT-ec2-1 | HTTP 200 | 3 | 2.5 s |",
    ):
        assert fact in text, fact


def test_the_image_leads_to_where_it_can_be_looked_at() -> None:
    assert f"| Image | [`{GOOD.image}`](https://{GOOD.image}) |" in GOOD.as_markdown()
    local = f"localhost:5000/a/b@{GOOD.digest}"
    page = f"http://localhost:5000/v2/a/b/manifests/{GOOD.digest}"
    assert f"| Image | [`{local}`]({page}) |" in replace(GOOD, image=local).as_markdown()


def test_the_disk_that_was_freed_is_said_where_it_was_gained() -> None:
    text = replace(GOOD, freed={"a": 15_257_600, "b": 0}).as_markdown()
    assert "| Freed | 15\\.3 MB on a |" in text
    assert "Freed" not in replace(GOOD, freed={"b": 0}).as_markdown()


def test_a_way_back_has_a_section() -> None:
    restored = Restoration({"h": Bundle("0.1.0", "v0.1.0", "a" * 40, "r")}, verified_seconds=9.0)
    assert (
        "## Back to 0\\.1.0: healthy after 9.0 s" in replace(BAD, restored=restored).as_markdown()
    )
    assert replace(BAD, restored=restored).as_json()["restored"]["version"] == "0.1.0"


def test_hosts_without_a_way_back_are_told_from_those_that_went() -> None:
    ways = {"a": Bundle("0.1.0", "v0.1.0", "a" * 40, "r"), "b": None}
    report = replace(BAD, outcome=Outcome.NO_WAY_BACK, restored=Restoration(ways))
    assert report.headline == (
        "0.2.0 failed on production; there is no way back for b, the others serve the release "
        "before"
    )
    assert "there is no way back" in replace(report, restored=None).headline


def test_a_first_deploy_comes_from_nothing() -> None:
    assert "`nothing` → `0.2.0`" in replace(GOOD, previous_version="").as_markdown()


def test_what_is_not_known_takes_no_room() -> None:
    text = Report(Outcome.REFUSED, "lab", "kim", "", GOOD.started, 1.0).as_markdown()
    for absent in ("Version", "Revision", "Image", "Release", "Run", "##"):
        assert absent not in text


def test_a_failure_shows_where_the_last_words_and_what_to_type() -> None:
    text = BAD.as_markdown()
    assert "## What failed: healthcheck\n\nIt did not hold." in text
    assert "Where: `TT-ec2-1`" in text
    assert "```text\nlast\nwords\n```" in text
    assert "```text\ndocker logs app\n```" in text
    assert "| **FAIL** | redis | TT-ec2-1 | cluster\\_state:fail | 9 | 60.0 s |" in text


def test_without_stages_there_is_no_table_of_them() -> None:
    assert "## Stages" not in replace(GOOD, stages=()).as_markdown()


def test_a_host_that_was_not_reached_stands_out() -> None:
    kept = HostOutcome("b", (), "c", failure="the gate did not open")
    text = replace(GOOD, hosts=(HostOutcome("a", ("app",), "c"), kept)).as_markdown()
    assert "| runs it | a | app |" in text
    assert "| **kept the release before** | b | nothing | the gate did not open |" in text


def test_of_a_rollout_that_was_stopped_each_host_tells_how_far_it_came() -> None:
    hosts = (
        HostOutcome("a", ("app",), "c"),
        HostOutcome("b", (), "", failure="the gate did not open"),
        HostOutcome("c", (), "", touched=False),
    )
    stopped = replace(BAD, hosts=hosts)
    text = stopped.as_markdown()
    assert "| took it over | a | app |  |" in text
    assert "| **did not get there** | b | nothing | the gate did not open |" in text
    assert "| not touched | c | nothing |  |" in text
    assert [host["touched"] for host in stopped.as_json()["hosts"]] == [True, True, False]


def test_one_host_that_fails_is_the_failure_and_needs_no_row() -> None:
    assert (
        "## Hosts" not in replace(BAD, hosts=(HostOutcome("a", (), "", failure="x"),)).as_markdown()
    )


def test_a_failure_without_more_is_one_sentence() -> None:
    text = replace(BAD, failure=Failure("build", "It did not build.")).as_markdown()
    assert "It did not build." in text
    assert "Where:" not in text
    assert "type:" not in text


def test_a_failure_is_read_off_an_error_of_ours_without_its_secrets() -> None:
    secret = "PASSWORD=hunter2hunter2"
    failure = Failure.of("pull", HostScriptFailed(secret, where=secret, last_words=secret))
    assert failure.stage == "pull"
    assert "hunter2" not in repr(failure)


def test_any_other_error_is_shown_by_its_type() -> None:
    failure = Failure.of("build", ValueError("token=abcdefgh"))
    assert failure.message == "ValueError: token=[redacted]"


def test_hosts_are_listed_where_there_are_several_or_one_has_something_to_say() -> None:
    quiet = HostOutcome("a", ("app",), "c")
    assert "## Hosts" not in replace(GOOD, hosts=(quiet,)).as_markdown()
    assert "## Hosts" in replace(GOOD, hosts=(quiet, replace(quiet, host="b"))).as_markdown()
    noted = replace(GOOD, hosts=(replace(quiet, note="no gateway"),)).as_markdown()
    assert "| runs it | a | app | no gateway |" in noted


def test_programs_get_plain_values() -> None:
    said = json.loads(json.dumps(GOOD.as_json()))
    assert {
        "outcome": "DEPLOYED",
        "environment": "production",
        "version": "0.2.0",
        "previous_version": "0.1.0",
        "revision": GOOD.revision,
        "digest": GOOD.digest,
        "duration_seconds": 61.26,
        "health": "healthy",
        "stages": {"build image and push": 40.04},
        "failure": None,
    }.items() <= said.items()


def test_programs_get_each_host() -> None:
    hosts = (HostOutcome("a", ("app",), "c", note="n"),)
    assert replace(GOOD, hosts=hosts).as_json()["hosts"] == [
        {
            "host": "a",
            "changed": ["app"],
            "note": "n",
            "touched": True,
            "failure": "",
            "receipt": None,
        }
    ]


def test_programs_get_the_failure_too() -> None:
    assert BAD.as_json()["failure"]["next_command"] == "docker logs app"
    assert BAD.as_json()["health"] == "unhealthy"
    assert replace(BAD, health=Health(())).as_json()["health"] == ""


def test_without_probes_there_is_no_health_section() -> None:
    assert health_section(Health(())) == ""


@given(st.text(string.punctuation + "ab \n<>|`#*_", min_size=1))
def test_nothing_from_outside_makes_a_section_a_picture_or_html(text: str) -> None:
    probe = Probe("actuator", "h", Verdict.UNHEALTHY, text, 1, 1.0)
    hostile = replace(
        BAD,
        actor=text,
        reason=text,
        changed=(text,),
        stages=(StageTime(text, 1.0, text),),
        health=Health((probe,)),
        failure=Failure("pull", text, text, text, text),
        hosts=(HostOutcome(text, (text,), "c", text), HostOutcome("b", (), "c")),
        release_url=text,
    )
    tokens = MarkdownIt("commonmark").enable("table").parse(hostile.as_markdown())
    headings = [token for token in tokens if token.type == "heading_open"]
    assert len(headings) == 5
    assert [token for token in tokens if token.type in ("html_block", "hr", "list_item_open")] == []
    pieces = [piece.type for token in tokens for piece in token.children or []]
    assert not {"image", "html_inline"} & {*pieces}
