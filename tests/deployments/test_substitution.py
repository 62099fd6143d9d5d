"""${VAR} in the values of a file."""

from hypothesis import given
from hypothesis import strategies as st

from deployments.substitution import (
    broken_references,
    missing_variables,
    substitute,
    variables_in,
)

SET = {"HOST": "localhost:5000", "EMPTY": ""}


def test_a_reference_becomes_the_variables_value_at_any_depth() -> None:
    said = {"image": "${HOST}/a", "nested": [{"b": "x${HOST}x"}], "number": 3, "none": None}
    assert substitute(said, SET) == {
        "image": "localhost:5000/a",
        "nested": [{"b": "xlocalhost:5000x"}],
        "number": 3,
        "none": None,
    }


def test_the_default_serves_where_the_variable_is_missing_or_empty() -> None:
    assert substitute("${NOPE:-d}|${EMPTY:-d}|${HOST:-d}|${NOPE:-}", SET) == "d|d|localhost:5000|"


def test_every_variable_that_is_missing_is_named_once_and_in_order() -> None:
    said = {"a": "${SECOND}${FIRST}", "b": ["${SECOND}", "${EMPTY}", "${X:-d}", "${HOST}"]}
    assert missing_variables(said, SET) == ["SECOND", "FIRST", "EMPTY"]


def test_every_variable_is_listed_with_a_default_or_without() -> None:
    assert variables_in({"a": "${A} ${B:-x}", "${KEY}": "C"}) == {"A", "B"}


def test_a_dollar_alone_is_a_dollar() -> None:
    assert substitute("$HOST costs $5", SET) == "$HOST costs $5"
    assert broken_references("$HOST costs $5") == []


def test_a_reference_that_does_not_read_is_found() -> None:
    said = ["${", "${1A}", "${A", "${A:default}", "${A:-${B}}", "${GOOD}"]
    assert broken_references(said) == said[:-1]


def test_a_value_is_never_read_again_for_references() -> None:
    assert substitute("${A}", {"A": "${B}", "B": "no"}) == "${B}"


@given(st.text(), st.text(min_size=1))
def test_a_value_stands_as_it_is(around: str, value: str) -> None:
    around = around.replace("$", "")
    assert substitute(f"{around}${{A}}{around}", {"A": value}) == f"{around}{value}{around}"
