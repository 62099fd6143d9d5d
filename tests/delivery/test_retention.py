"""What may be forgotten, and what an operator would look for."""

import pytest

from delivery.retention import (
    CHANGING_FLOWS,
    EndedRun,
    Forgotten,
    forgettable,
    forgotten,
    is_change,
)


def run(
    number: int, flow: str = "deploy", state: str = "Deployed", environment: str = "production"
) -> EndedRun:
    return EndedRun(str(number), flow, environment, state)


@pytest.mark.parametrize("flow", CHANGING_FLOWS)
@pytest.mark.parametrize("state", ["Deployed", "UpToDate", "RolledBack", "Failed", "Crashed"])
def test_whatever_may_have_changed_the_environment_is_a_change(flow: str, state: str) -> None:
    assert is_change(run(1, flow, state), "production")


@pytest.mark.parametrize(
    "other",
    [
        run(1, state="Planned"),
        run(1, state="Superseded"),
        run(1, flow="healthcheck"),
        run(1, environment="staging"),
    ],
)
def test_plans_looks_and_other_environments_are_none(other: EndedRun) -> None:
    assert not is_change(other, "production")


def test_old_runs_go_but_for_the_last_changes() -> None:
    old = [run(1), run(2), run(3, "healthcheck"), run(4, environment="staging"), run(5)]
    last = [run(9), run(5), run(2)]
    assert forgettable(old, "production", last) == [run(1), run(3, "healthcheck")]


def test_the_account_counts_by_flow_the_most_first() -> None:
    runs = [run(1, "watch"), run(2, "deploy"), run(3, "healthcheck"), run(4, "healthcheck")]
    account = forgotten(runs, artifacts=7, dry_run=False, more=True)
    assert account.runs == (("healthcheck", 2), ("deploy", 1), ("watch", 1))
    assert account.total == 4
    page = account.as_markdown()
    assert page.startswith("# 4 old runs deleted, and 7 artifacts\n\n| flow | runs |")
    assert "| healthcheck | 2 |" in page
    assert "the next run goes on" in page


def test_an_account_of_nothing_is_one_line() -> None:
    account = Forgotten((), 0, dry_run=True, more=False)
    assert account.as_markdown() == "# 0 old runs would be deleted, and 0 artifacts\n"
