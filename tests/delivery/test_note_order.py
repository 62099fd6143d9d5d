"""The order of the lines in the notes."""

from dataclasses import dataclass

import pytest

from delivery.javascript import is_array_index, sign_of_number
from delivery.note_order import in_note_order


@dataclass(frozen=True)
class Line:
    scope: str | None
    subject: str | None


def ordered(*lines: tuple[str | None, str | None]) -> list[tuple[str | None, str | None]]:
    return [(line.scope, line.subject) for line in in_note_order([Line(*line) for line in lines])]


def test_by_scope_then_by_subject() -> None:
    assert ordered(("b", "a"), ("a", "z"), ("a", "B"), ("a", "a")) == [
        ("a", "a"),
        ("a", "B"),
        ("a", "z"),
        ("b", "a"),
    ]


def test_what_compares_equal_stays_in_order() -> None:
    assert ordered((None, "é"), (None, "e\u0301")) == [(None, "é"), (None, "e\u0301")]
    assert ordered((None, "e\u0301"), (None, "é")) == [(None, "e\u0301"), (None, "é")]


def test_a_line_with_a_scope_and_one_without_stay_as_they_come() -> None:
    assert ordered(("a", "x"), (None, "a")) == [("a", "x"), (None, "a")]
    assert ordered((None, "z"), ("a", "x")) == [(None, "z"), ("a", "x")]


def test_nothing_comes_before_a_positive_number_and_after_a_negative_one() -> None:
    assert ordered(("5", "x"), (None, "x")) == [(None, "x"), ("5", "x")]
    assert ordered((None, "x"), ("-3", "x")) == [("-3", "x"), (None, "x")]


def test_a_line_without_a_subject_has_no_place_either() -> None:
    assert ordered((None, "b"), (None, None), (None, None), (None, "a")) == [
        (None, "b"),
        (None, None),
        (None, None),
        (None, "a"),
    ]
    assert ordered(("b", None), ("a", "x")) == [("a", "x"), ("b", None)]


@pytest.mark.parametrize(
    ("text", "sign"),
    [
        ("", 0),
        (" \ufeff", 0),
        ("0", 0),
        ("-0.0e5", 0),
        ("5", 1),
        (" 5 ", 1),
        ("+.5", 1),
        ("5.", 1),
        ("-5e3", -1),
        ("-Infinity", -1),
        ("0x1F", 1),
        ("0x0", 0),
        ("0b10", 1),
        ("0o0", 0),
        ("-0x1", None),
        ("5 6", None),
        ("abc", None),
        ("e5", None),
        ("٣", None),
    ],
)
def test_the_sign_of_a_text_as_a_number(text: str, sign: int | None) -> None:
    assert sign_of_number(text) == sign


@pytest.mark.parametrize(
    ("key", "is_index"),
    [
        *[(key, True) for key in ("0", "12", "4294967294")],
        *[(key, False) for key in ("4294967295", "012", "", "1a", "9" * 5000, "٣")],
    ],
)
def test_a_key_that_is_an_index(key: str, is_index: bool) -> None:
    assert is_array_index(key) is is_index
