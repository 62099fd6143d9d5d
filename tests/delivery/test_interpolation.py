"""Compose's variables, as its specification has them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.interpolation import Kind, Reference, references, unmet, with_defaults


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$A and ${B}", [Reference("A", Kind.PLAIN), Reference("B", Kind.PLAIN)]),
        ("${A:?why}", [Reference("A", Kind.REQUIRED, filled=True)]),
        ("${A?why}", [Reference("A", Kind.REQUIRED)]),
        ("${A:-x}", [Reference("A", Kind.OPTIONAL, filled=True, default="x")]),
        ("${A-x}", [Reference("A", Kind.OPTIONAL, default="x")]),
        ("$$A, $${B}, 5 $ and ${}", []),
        ("no variable", []),
        ("${A", [Reference("A", Kind.PLAIN)]),
    ],
)
def test_each_form_reads_as_what_it_means(text: str, expected: list[Reference]) -> None:
    assert references(text) == expected


def test_a_default_may_hold_further_variables() -> None:
    (found,) = references("${A:-${B:?b}/${C:-c}}")
    assert (found.name, found.default) == ("A", "${B:?b}/${C:-c}")
    assert [inner.name for inner in found.inner] == ["B", "C"]


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("${IP:-127.0.0.1}:5432:5432", "127.0.0.1:5432:5432"),
        ("${A:-${B:-b}}$$", "b$"),
        ("${A:+set}x", "x"),
        ("${A:?why}$B", ""),
    ],
)
def test_what_a_text_reads_when_nothing_is_set(text: str, read: str) -> None:
    assert with_defaults(text) == read


def missing(text: str, filled: str = "", empty: str = "") -> list[str]:
    return [each.name for each in unmet(references(text), set(filled.split()), set(empty.split()))]


def test_a_required_variable_without_a_value_is_missing() -> None:
    assert missing("${A:?why} $B ${C:-c}") == ["A", "B"]
    assert missing("${A:?why} $B ${C:-c}", filled="A B") == []


def test_an_empty_value_counts_for_the_form_that_says_so() -> None:
    assert missing("${A:?why}", empty="A") == ["A"]
    assert missing("${A?why}", empty="A") == []


def test_a_variable_in_a_default_matters_only_if_the_default_does() -> None:
    assert missing("${A:-${B:?b}}") == ["B"]
    assert missing("${A:-${B:?b}}", filled="A") == []


def test_a_variable_in_a_replacement_matters_only_if_there_is_something_to_replace() -> None:
    assert missing("${A:+${B:?b}}") == []
    assert missing("${A:+${B:?b}}", filled="A") == ["B"]


@given(st.text(alphabet="${}:-?+AB \n", max_size=60))
def test_no_text_breaks_the_reader(text: str) -> None:
    references(text)
    with_defaults(text)
