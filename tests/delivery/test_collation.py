"""Texts sort as ICU sorts them in `en-US`."""

import itertools
import random
import subprocess
import sys
import time

import pytest

from delivery.collation import sort_key
from tests.delivery.golden import read_one


def test_random_texts_in_many_scripts_sort_as_in_icu() -> None:
    groups = read_one("collation-order.json.gz")
    texts = [text for group in groups for text in group]
    random.Random(1).shuffle(texts)
    keys = sorted({sort_key(text) for text in texts})
    assert keys == [sort_key(group[0]) for group in groups]
    assert all(len({sort_key(text) for text in group}) == 1 for group in groups)


@pytest.mark.parametrize(
    "texts",
    [
        ["_", "-", ",", "'", "‘", "’", '"', "“", "(", "@", "*", "#", "`", "~", "$", "1", "a", "가"],
        ["a b", "a_b", "a-b", "a.b", "ab"],
        ["elan", "Elan", "élan", "Élan", "elbow"],
        ["ab", "AB", "abc", "b"],
        ["ss", "ß", "st"],
        ["가", "각", "갂", "나", "ㄷ"][:4],
        ["z", "я", "가", "あ", "一", "丁", "七"],
        ["日本", "語", "\U00020000"],
    ],
)
def test_the_order_of(texts: list[str]) -> None:
    keys = [sort_key(text) for text in texts]
    assert all(one < other for one, other in itertools.pairwise(keys))


def test_a_letter_and_its_decomposed_form_are_equal() -> None:
    assert sort_key("é") == sort_key("e\u0301")
    # A text this long is decomposed piece by piece.
    assert sort_key("é" * 3_000) == sort_key("e\u0301" * 3_000) < sort_key("é" * 2_999 + "f")


def test_what_cannot_be_seen_does_not_count() -> None:
    assert sort_key("a\u200db\x00\ufeff") == sort_key("ab")


def test_a_contraction_takes_in_marks_that_others_separate() -> None:
    # Tibetan: the vowel signs 0F71 and 0F80 are one sign, even around a third.
    assert sort_key("\u0fb2\u0f71\u0f80") == sort_key("\u0fb2\u0f81")
    assert sort_key("\u0f71\u0f39\u0f72") != sort_key("\u0f39\u0f71\u0f71\u0f72")


def test_an_unassigned_character_comes_after_every_known_one() -> None:
    assert sort_key("龥") < sort_key("\U000e1234") < sort_key("\ufffd")


@pytest.mark.no_cover
@pytest.mark.parametrize("text", ["a", "가", "\u0301\u0323", "\u0f71", "語", "e\u0301"])
def test_a_text_of_fifty_thousand_takes_no_more_than_its_length(text: str) -> None:
    started = time.process_time()
    sort_key(text * (50_000 // len(text)))
    assert time.process_time() - started < 10  # were it quadratic, it would take minutes


def test_the_table_is_read_only_when_texts_are_compared() -> None:
    code = (
        "import delivery.release, delivery.collation as c;"
        "assert not c._read_table.cache_info().currsize;"
        "c.sort_key('a'); assert c._read_table.cache_info().currsize"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
