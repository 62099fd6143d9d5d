"""The version line goes on as if nothing had changed: the reference's answers are ours."""

import pytest

from tests.delivery.golden import Case, plan_of, read_lines

CASES = list(read_lines("release-cases.jsonl.gz"))
DIFFERENTIAL = list(read_lines("release-differential.jsonl.gz"))
NAMES = {
    "bump": "bump",
    "release_type": "release_type",
    "previous_tag": "previous_tag",
    "previous_version": "previous_version",
    "version": "next_version",
    "tag": "next_tag",
    "creates_tag": "tag_created",
}


def differing(case: Case) -> dict[str, object]:
    """The fields of our plan that are not the reference's."""
    plan, expected = plan_of(case), case["expect"]
    found: dict[str, object] = {
        ours: (getattr(plan, ours), expected[theirs])
        for ours, theirs in NAMES.items()
        if theirs in expected and getattr(plan, ours) != expected[theirs]
    }
    if plan.notes != (expected["changelog"] or ""):
        found["notes"] = (plan.notes, expected["changelog"])
    return found


def test_every_reference_case_gives_the_same_plan_to_the_byte() -> None:
    assert len(CASES) == 1222
    assert {case["id"]: differing(case) for case in CASES if differing(case)} == {}


def test_random_messages_give_the_same_bump_and_the_same_notes_to_the_byte() -> None:
    assert len(DIFFERENTIAL) == 750
    assert {case["id"]: differing(case) for case in DIFFERENTIAL if differing(case)} == {}


@pytest.mark.parametrize("field", [*NAMES, "notes"])
def test_the_comparison_would_notice_a_wrong(field: str) -> None:
    case = CASES[0]
    theirs = NAMES.get(field, "changelog")
    wrong = {**case, "expect": {**case["expect"], theirs: "something else"}}
    assert list(differing(wrong)) == [field]
