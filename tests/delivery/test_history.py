"""The history of an environment: what is gathered from where, and how it is shown."""

import datetime
import json
from typing import Any

import pytest

from delivery.cuts import Cut
from delivery.deliveries import Row, RunSeen, gather, read_row
from delivery.dora import Delivery, figures
from delivery.history import History
from delivery.host_state import HealthyRelease
from delivery.report import Outcome, Report
from tests.delivery.drawings import drawing

DAY = datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC)
MINUTE = datetime.timedelta(minutes=1)
SHA = "0123456789abcdef0123456789abcdef01234567"


def report(outcome: Outcome = Outcome.DEPLOYED, minute: int = 0) -> Report:
    return Report(
        outcome=outcome,
        environment="lab",
        actor="kim@example.com",
        reason="",
        started=DAY + minute * MINUTE,
        duration_seconds=60.0,
        version="1.1.0",
        previous_version="1.0.0",
        revision=SHA,
        run_url="http://p.example/runs/1",
    )


def row(outcome: Outcome = Outcome.DEPLOYED, minute: int = 0, *, touched: bool = True) -> Row:
    return Row.of(report(outcome, minute), kind="deploy", touched=touched)


def seen(state: str, minute: int = 0, **more: Any) -> RunSeen:
    began = DAY + minute * MINUTE
    return RunSeen(more.pop("kind", "deploy"), state, began, began + MINUTE, **more)


def recorded(minute: float, version: str = "1.1.0") -> HealthyRelease:
    return HealthyRelease(
        version=version, tag=f"v{version}", revision=SHA, image="x", at=DAY + minute * MINUTE
    )


def history(
    *deliveries: Delivery,
    days: int = 10,
    missing: tuple[str, ...] = (),
    cuts: tuple[Cut, ...] = (),
) -> History:
    until = DAY + datetime.timedelta(days=days)
    told = figures(deliveries, {SHA: [DAY]}, since=DAY, until=until)
    return History("lab", DAY, until, deliveries, told, missing, cuts)


def cut(version: str, minute: float = 0, revision: str = "9" * 40) -> Cut:
    return Cut(f"v{version}", version, revision, DAY + minute * MINUTE)


def test_a_row_survives_the_way_through_an_artifact_and_names_nobody() -> None:
    kept = json.loads(json.dumps(row().model_dump(mode="json")))
    assert read_row(kept) == row()
    assert "kim@" not in json.dumps(kept)
    assert read_row({"something": "else"}) is None
    assert read_row(None) is None


def test_a_run_with_a_row_is_told_by_it() -> None:
    (told,) = gather([seen("Deployed", row=row(), actor="not asked")], [])
    assert (told.version, told.previous, told.actor) == ("1.1.0", "1.0.0", "[redacted]")
    assert told.ended - told.began == MINUTE


@pytest.mark.parametrize(
    ("state", "outcome", "touched"),
    [
        ("Deployed", Outcome.DEPLOYED, True),
        ("RolledBack", Outcome.ROLLED_BACK, True),
        ("NoWayBack", Outcome.NO_WAY_BACK, True),
        ("UpToDate", Outcome.UP_TO_DATE, True),
        ("Refused", Outcome.REFUSED, False),
        ("Failed", Outcome.FAILED, False),
        ("Crashed", None, True),
    ],
)
def test_a_run_without_a_row_is_told_by_its_state(
    state: str, outcome: Outcome | None, touched: bool
) -> None:
    (told,) = gather([seen(state, revision=SHA, actor="kim")], [])
    assert (told.outcome, told.touched, told.revision, told.actor) == (outcome, touched, SHA, "kim")
    (by_name,) = gather([seen(state, revision="develop")], [])
    assert by_name.revision == ""


def test_what_was_only_planned_or_stepped_aside_is_no_delivery() -> None:
    assert gather([seen("Planned"), seen("Superseded")], []) == []


def test_the_hosts_complete_what_a_run_left_unsaid_and_tell_what_prefect_forgot() -> None:
    told = gather(
        [seen("Deployed", minute=10), seen("Deployed", minute=20, row=row(minute=20))],
        [recorded(-5, "0.9.0"), recorded(10.5), recorded(20.5), recorded(20.5)],
    )
    assert [(each.version, each.ended - each.began) for each in told] == [
        ("1.1.0", MINUTE),
        ("1.1.0", MINUTE),
        ("0.9.0", datetime.timedelta(0)),
    ]
    assert told[1].revision == SHA


@pytest.mark.parametrize("minute", [-0.1, 1.1])
def test_a_record_by_a_clock_that_differs_is_still_the_runs(minute: float) -> None:
    assert len(gather([seen("Deployed", row=row())], [recorded(minute)])) == 1


@pytest.mark.parametrize("minute", [-1.0, 2.0])
def test_a_record_of_another_time_is_a_delivery_of_its_own(minute: float) -> None:
    assert len(gather([seen("Deployed", row=row())], [recorded(minute)])) == 2


def test_a_record_of_another_version_is_a_delivery_of_its_own() -> None:
    assert len(gather([seen("Deployed", row=row())], [recorded(0.5, "2.0.0")])) == 2


def test_the_page_has_the_figures_a_plot_and_every_delivery() -> None:
    failed = row(Outcome.ROLLED_BACK, minute=60 * 24).delivery()
    page = history(failed, row().delivery(), seen("Crashed", kind="rollback").delivery())
    text = page.as_markdown()
    assert "# lab: the last 10 days" in text
    assert "| Deployment frequency | 0.10 a day | 1 deployments |" in text
    assert "| Change lead time | 1 min 0 s | median of 1 commits |" in text
    assert "| Change failure rate | 50% | 1 of 2 changes |" in text
    assert "| Time to restore | 1 min 0 s | median |" in text
    assert "![Deliveries by day: all/failed (dark). 11-01 2, 11-02 1/1](data:image/" in text
    assert "`1.0.0` → `1.1.0`" in text
    assert "**ROLLED\\_BACK**" in text
    assert "**died**" in text


def test_a_long_period_is_plotted_by_week() -> None:
    text = history(row().delivery(), days=90).as_markdown()
    assert "![Deliveries by week: all/failed (dark). 11-01 1](data:image/" in text
    drawn = drawing(text)
    assert ("11-01" in drawn, "11-08" in drawn, "11-15" in drawn) == (True, False, True)


def test_without_a_delivery_there_is_no_figure_to_show_and_no_plot() -> None:
    text = history(missing=("the hosts' records: <gone>",)).as_markdown()
    assert "Nothing was deployed." in text
    assert "data:image" not in text
    assert "none yet" in text
    assert "* Not read: the hosts' records: \\<gone\\>" in text


def test_what_is_not_restored_yet_is_said() -> None:
    text = history(row(Outcome.NO_WAY_BACK).delivery()).as_markdown()
    assert "| Time to restore | none yet | 1 not restored yet |" in text


def test_when_a_version_was_cut_stands_beside_its_deployment() -> None:
    page = history(row().delivery(), cuts=(cut("1.2.0", -5), cut("1.1.0", -90)))
    assert "| `1.0.0` → `1.1.0` | 2026-10-31 22:30 | \\[redacted\\] |" in page.as_markdown()
    assert page.as_json()["deliveries"][0]["cut"] == "2026-10-31T22:30:00+00:00"
    assert history(row().delivery()).as_json()["deliveries"][0]["cut"] == ""


def test_what_was_released_in_the_period_and_never_deployed_is_said() -> None:
    back = row(Outcome.ROLLED_BACK).delivery()
    page = history(back, cuts=(cut("1.2.0", 5), cut("1.1.0", 1), cut("1.0.9", -1)))
    text = page.as_markdown().partition("## Released, and not deployed here")[2]
    assert "| 2026-11-01 00:05 | `v1.2.0` | `999999999999` | never tried |" in text
    assert "| 2026-11-01 00:01 | `v1.1.0` | `999999999999` | tried: **ROLLED\\_BACK** |" in text
    assert "1.0.9" not in text
    told = page.as_json()["undeployed"]
    assert [(each["tag"], each["tried"]) for each in told] == [
        ("v1.2.0", ""),
        ("v1.1.0", "ROLLED_BACK"),
    ]
    assert "Released" not in history(row().delivery(), cuts=(cut("1.1.0", 1),)).as_markdown()


def test_very_many_undeployed_versions_are_counted() -> None:
    many = tuple(cut(f"2.0.{number}", number) for number in range(103))
    assert history(cuts=many).as_markdown().rstrip().endswith("and 3 earlier ones")


def test_a_very_long_history_says_how_much_is_not_shown() -> None:
    text = history(*[row().delivery()] * 103).as_markdown()
    assert text.rstrip().endswith("and 3 earlier ones")


def test_programs_get_plain_values() -> None:
    answer = history(row().delivery(), seen("Crashed").delivery(), missing=("x",)).as_json()
    assert json.loads(json.dumps(answer)) == answer
    assert answer["figures"]["deployments_per_day"] == 0.1
    assert [each["outcome"] for each in answer["deliveries"]] == ["DEPLOYED", "DIED"]
    assert answer["missing"] == ["x"]


def test_metrics_are_those_that_there_are() -> None:
    assert history().as_metrics() == (
        "# TYPE tt_dora_period_days gauge\n"
        'tt_dora_period_days{environment="lab"} 10.000000\n'
        "# TYPE tt_dora_deployments gauge\n"
        'tt_dora_deployments{environment="lab"} 0.000000\n'
        "# TYPE tt_dora_deployments_per_day gauge\n"
        'tt_dora_deployments_per_day{environment="lab"} 0.000000\n'
    )
    assert history(row().delivery()).as_metrics().count("gauge") == 5
