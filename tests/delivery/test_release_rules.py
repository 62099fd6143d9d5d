"""What commits ask for, by the default rules and by custom ones."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.changelog import SECTIONS
from delivery.commits import Commit, read_change, read_message
from delivery.globs import matches
from delivery.release_rules import (
    ReleaseRule,
    largest_release,
    parse_rules,
    sections_by,
)


def asked(*messages: str, rules: str = "", bang: bool = False) -> str | None:
    read = [read_message(Commit("a" * 40, message)) for message in messages]
    changes = [(message, read_change(message, bang=bang)) for message in read]
    return largest_release(changes, parse_rules(rules))


@pytest.mark.parametrize(
    ("message", "bump"),
    [
        ("feat: x", "minor"),
        ("FEAT: x", "minor"),
        ("fix(core): x", "patch"),
        ("FIX: x", "patch"),
        ("perf: x", "patch"),
        ("docs: x\n\nBREAKING CHANGE: y", "major"),
        ('Revert "feat: x"\n\nThis reverts commit abc.', "patch"),
        ("Feat: x", None),
        ("feat!: x", None),
        ("revert: x", None),
        ("chore: x", None),
        ("anything", None),
        ("x: y\n-tag-\nBreaking", "major"),
        ("x: y\n-tag-\nNew", "minor"),
        ("x: y\n-emoji-\n:bug:", "patch"),
        ("x: y\n-component-\ndeps", "patch"),
    ],
)
def test_by_default(message: str, bump: str | None) -> None:
    assert asked(message) == bump


def test_the_largest_counts() -> None:
    assert asked("fix: a", "feat: b", "chore: c") == "minor"
    assert asked() is None


def test_with_the_bang_understood_it_is_breaking() -> None:
    assert asked("feat!: x", bang=True) == "major"


def test_a_custom_rule_that_matches_decides_even_about_a_breaking_change() -> None:
    assert asked("feat: x\n\nBREAKING CHANGE: y", rules="feat:patch") == "patch"
    assert asked("fix: x\n\nBREAKING CHANGE: y", rules="feat:patch") == "major"


def test_of_custom_rules_the_strongest_counts() -> None:
    assert asked("chore: x", rules="chore:prerelease,chore:premajor,*:patch") == "premajor"


def test_rules_are_read_as_type_release_and_section() -> None:
    assert parse_rules("bug:patch:Bug Fixes,docs:minor,x:patch:A:B,y:patch:") == (
        ReleaseRule("bug", "patch", "Bug Fixes"),
        ReleaseRule("docs", "minor", None),
        ReleaseRule("x", "patch", "A"),
        ReleaseRule("y", "patch", None),
    )


@pytest.mark.parametrize("text", ["", ",", "chore", "chore:", "chore:none", "chore: patch"])
def test_a_rule_without_a_valid_release_is_left_out(text: str) -> None:
    assert parse_rules(text) == ()


@pytest.mark.parametrize(
    ("rules", "changes"),
    [
        ("docs:patch:문서,chore:patch", {"docs": "문서"}),
        ("chore:patch:A", {"chore": "A"}),
        ("chore:patch:A,chore:minor", {}),
        ("chore:patch:A,chore:minor:B", {"chore": "B"}),
        ("chore:patch:A,chore:nothing", {"chore": "A"}),
        ("feat:patch:X,feat:minor", {}),
        ("docs:patch:X,docs:minor:", {}),
        (":major:X,:premajor:", {}),
        ("FEAT:patch", {"FEAT": "Features"}),
    ],
)
def test_of_the_rules_of_a_type_the_last_gives_its_section(
    rules: str, changes: dict[str, str]
) -> None:
    assert sections_by(parse_rules(rules)) == {**SECTIONS, **changes}


@pytest.mark.parametrize(
    ("pattern", "fits", "fails"),
    [
        ("feat", ["feat"], ["Feat", "feat2", ""]),
        ("c*", ["chore", "c"], ["docs"]),
        ("*", ["a", "_x", "a\nb"], ["", "a/b", "\na"]),
        ("**", ["abc"], [""]),
        ("f?at", ["feat"], ["fat", "feeat"]),
        ("*ea*", ["feat", "fea"], ["fix"]),
        ("a*b*c", ["axbxc", "abc"], ["axbx", "ab"]),
        ("!chore", ["feat"], ["chore", "", "a\nb"]),
        ("!!feat", ["feat"], ["fix"]),
        ("!", [], ["feat"]),
        ("(feat|fix)", ["feat", "fix"], ["feat|fix", "perf"]),
        ("@(feat|fix)", ["fix"], ["@fix"]),
        ("c(h|)ore", ["chore", "core"], ["ore"]),
        ("feat?(ure)", ["feat", "feature"], ["feats"]),
        ("feat|fix", [], ["feat", "fix"]),
        ("(feat", [], ["feat"]),
        ("[cd]*", ["chore", "docs"], ["feat"]),
        ("[a-c]x", ["bx"], ["dx"]),
        ("[^a]x", ["bx"], ["ax"]),
        ("[a-]", ["a"], ["b"]),
        ("[ab", [], ["a"]),
        ("a/b", ["a/b"], ["ab"]),
    ],
)
def test_a_pattern_for_types(pattern: str, fits: list[str], fails: list[str]) -> None:
    assert [word for word in [*fits, *fails] if matches(word, pattern)] == fits


def test_a_pattern_with_too_many_alternatives_matches_nothing() -> None:
    assert not matches("a" * 7, "(a|b)" * 7)


@given(st.text("ab*?![]()|@-^/\n", max_size=12), st.text("ab/\n", max_size=8))
def test_no_pattern_raises(pattern: str, word: str) -> None:
    assert matches(word, pattern) in (True, False)


def test_a_pattern_full_of_stars_is_no_slower_than_its_length_times_the_word() -> None:
    started = time.process_time()
    assert not matches("a" * 20_000, "*a" * 20 + "b")
    assert time.process_time() - started < 10
