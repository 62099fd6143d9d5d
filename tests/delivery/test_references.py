"""Issues and people that commits name, and their links."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.references import Reference, find_references, link_issues, link_people


def named(line: str) -> list[str]:
    return [
        f"{each.owner}/{each.repository}#{each.issue}"
        if each.owner
        else f"{each.repository}#{each.issue}"
        for each in find_references(line)
    ]


@pytest.mark.parametrize(
    ("line", "issues"),
    [
        ("see #6 and #7", ["#6", "#7"]),
        ("closes #4, #5", ["#4", "#5"]),
        ("#1 closes #2", ["#2"]),
        ("fixes #1, see #2 closes #3", ["#1", "#2", "#3"]),
        ("prefix #3", ["#3"]),
        ("closes: #4 CLOSES #5", ["#5"]),
        ("Fixes\t#6", ["#6"]),
        ("fixes #6\r#7 closes #8", ["#8"]),
        ("#1\r#2", ["#1", "#2"]),
        ("app#9", ["app#9"]),
        ("acme/app#7", ["acme/app#7"]),
        ("a/b/c#9", ["a/b/c#9"]),
        ("/d#8", ["d#8"]),
        ("##5", ["#5"]),
        ("#a #b2c #-1 #a-b-3-c", ["#b2", "#-1", "#a-b-3"]),
        ("no issue", []),
        ("#", []),
    ],
)
def test_the_issues_in(line: str, issues: list[str]) -> None:
    assert named(line) == issues


def test_an_issue_links_into_its_own_repository_or_else_into_ours() -> None:
    host, ours = "https://github.com", ("acme", "app")
    assert (
        Reference("", "", "7").markdown(host, *ours) == "[#7](https://github.com/acme/app/issues/7)"
    )
    assert (
        Reference("", "x", "7").markdown(host, *ours) == "[x#7](https://github.com/acme/x/issues/7)"
    )
    assert (
        Reference("o", "", "7").markdown(host, *ours) == "[o/#7](https://github.com/o/app/issues/7)"
    )


def test_numbers_in_a_subject_become_links_and_are_told() -> None:
    subject, numbers = link_issues("x #1a (#12) a#b", "https://h/o/r")
    assert subject == "x [#1](https://h/o/r/issues/1)a ([#12](https://h/o/r/issues/12)) a#b"
    assert numbers == {"1", "12"}


def test_a_backslash_in_the_address_stays_what_it_is() -> None:
    assert link_issues("#1", "https://h/\\1")[0] == "[#1](https://h/\\1/issues/1)"


@pytest.mark.parametrize(
    ("subject", "linked"),
    [
        ("@bob", "[@bob](H/bob)"),
        ("(@me) @bob-x-", "([@me](H/me)) [@bob-x](H/bob-x)-"),
        ("a@b.c @Bob @é", "a@b.c @Bob @é"),
        ("@a/b", "@a/b"),
        ("가@bob", "가[@bob](H/bob)"),
        ("nobody", "nobody"),
    ],
)
def test_people_in_a_subject_become_links(subject: str, linked: str) -> None:
    assert link_people(subject, "H") == linked


@given(st.text("#a1/-. \tclosefixr\r\u2028", max_size=60))
def test_no_line_raises_and_every_issue_has_a_digit(line: str) -> None:
    assert all(any(c.isdigit() for c in each.issue) for each in find_references(line))


@pytest.mark.no_cover
@pytest.mark.parametrize(
    "unit", ["a", "#", "#a", "a/", "close ", "closes\r", "fix #", "@a", "#1", " ", "-"]
)
def test_a_line_of_fifty_thousand_takes_no_more_than_its_length(unit: str) -> None:
    line = unit * (50_000 // len(unit))
    started = time.process_time()
    find_references(f"{line}#")
    link_issues(line, "https://h/o/r")
    link_people(line, "https://h")
    assert time.process_time() - started < 10  # were it quadratic, it would take minutes
