"""The sort asks V8's questions, so that even a broken order gives V8's answer."""

import math
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.javascript import sign_of_number
from delivery.timsort import timsort
from tests.delivery.golden import read_one

Item = tuple[Any, int]


def by_text_or_nothing(one: Item, other: Item) -> int:
    """The reference's comparison: nothing is neither before nor after a text."""
    if one[0] == other[0]:
        return 0
    if one[0] is None or other[0] is None:
        sign = sign_of_number(one[0] or other[0] or "")
        return -1 if sign == (1 if one[0] is None else -1) else 1
    return -1 if one[0] < other[0] else 1


def at_random(one: Item, other: Item) -> int:
    return int((one[0] * 7919 + other[0] * 104729) % 3) - 1


@pytest.mark.parametrize("kind", ["texts", "chance"])
def test_lists_without_a_consistent_order_come_out_as_in_v8(kind: str) -> None:
    compare = {"texts": by_text_or_nothing, "chance": at_random}[kind]
    for case in read_one("timsort.json.gz"):
        if case["kind"] != kind:
            continue
        asked = 0

        def counted(one: Item, other: Item) -> int:
            nonlocal asked
            asked += 1
            return compare(one, other)

        items = [(value, place) for place, value in enumerate(case["items"])]
        assert [place for _, place in timsort(items, counted)] == case["order"]
        assert asked == case["comparisons"]


@given(st.lists(st.integers(0, 20)))
def test_a_consistent_order_comes_out_sorted_and_stable(numbers: list[int]) -> None:
    items = [(number, place) for place, number in enumerate(numbers)]
    assert timsort(items, lambda one, other: one[0] - other[0]) == sorted(items)


def test_a_short_run_between_long_ones_joins_the_shorter_neighbour() -> None:
    numbers = [*range(100), *range(60), *range(150), *range(40)]
    assert timsort(numbers, lambda one, other: one - other) == sorted(numbers)


@pytest.mark.no_cover
def test_it_takes_no_more_than_n_log_n_comparisons() -> None:
    numbers = random.Random(2).choices(range(1000), k=20_000)
    asked = 0

    def compare(one: int, other: int) -> int:
        nonlocal asked
        asked += 1
        return one - other

    assert timsort(numbers, compare) == sorted(numbers)
    assert asked < len(numbers) * math.log2(len(numbers))
