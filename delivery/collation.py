"""The order of texts in `en-US`, as ICU (so JavaScript's `localeCompare`) has it.

The Unicode Collation Algorithm (UTS #10, no variable weighting) over the root table
of the Unicode CLDR. The table is `collation.gz` beside this file, made by
`tools/collation_table.py`; it is read when the first text is compared, in some ten
milliseconds. Ideographs outside the basic plane come by code, not by radical.
"""

from __future__ import annotations

import gzip
import json
import sys
import unicodedata
from array import array
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import Final

_TABLE: Final = Path(__file__).with_name("collation.gz")
IDEOGRAPHS_FROM: Final = 0x10000
"""Where ideographs begin, after all other characters of the table."""
THE_REST_FROM: Final = 0x20000
"""Where the characters begin that are not in the table."""
COMMON: Final = (0x200, 2)
"""The accent and the case of a letter that has neither."""

Weights = tuple[int, int, int]
"""By base letter, by accent, by case and form; 0 for "does not count"."""


def sort_key(text: str) -> tuple[int, ...]:
    """A key by which texts sort as ICU sorts them; equal for texts that it finds equal."""
    table = _read_table()
    weights = table.weights_of(text if text.isascii() else unicodedata.normalize("NFD", text))
    primary, secondary, tertiary = ([w[level] for w in weights if w[level]] for level in range(3))
    return (*primary, 0, *secondary, 0, *tertiary)


@cache
def _read_table() -> _Table:
    return _Table(gzip.decompress(_TABLE.read_bytes()))


class _Table:
    """Weights by character and by contraction (characters that count as one)."""

    def __init__(self, content: bytes) -> None:
        head, _, body = content.partition(b"\n")
        facts = json.loads(head)
        columns = _columns(body, facts["characters"], facts["weights"])
        self._weights: dict[str, Sequence[Weights]] = dict(_characters(columns))
        self._contractions: dict[str, Sequence[Weights]] = facts["contractions"]
        self._starts = {key[0] for key in self._contractions}
        self._longest = max(map(len, self._contractions))
        for place, letter in enumerate(_spread(facts["ideographs"])):
            self._weights[letter] = ((IDEOGRAPHS_FROM + place, *COMMON),)

    def weights_of(self, text: str) -> list[Weights]:
        """The weights of decomposed `text`, in order."""
        found: list[Weights] = []
        if self._starts.isdisjoint(text):
            for letter in text:
                found += self._single(letter)
            return found
        letters = list(text)
        for place in range(len(letters)):
            found += self._at(letters, place)
        return found

    def _at(self, letters: list[str], place: int) -> Sequence[Weights]:
        """The weights of what begins at `place`; letters that it took in become empty."""
        letter = letters[place]
        if letter not in self._starts:
            return self._single(letter) if letter else ()
        for length in range(min(self._longest, len(letters) - place), 1, -1):
            name = "".join(letters[place : place + length])
            if name in self._contractions:
                letters[place + 1 : place + length] = [""] * (length - 1)
                break
        else:
            name, length = letter, 1
        name = self._with_marks(name, letters, place + length)
        return self._contractions.get(name) or self._single(name)

    def _with_marks(self, name: str, letters: list[str], place: int) -> str:
        """`name` with the marks that follow it and belong to it; others may lie between."""
        blocked = 0
        for at in range(place, len(letters)):
            mark = letters[at]
            kind = unicodedata.combining(mark) if mark else 0
            if not kind:
                break
            if kind != blocked and name + mark in self._contractions:
                name, letters[at] = name + mark, ""
            else:
                blocked = kind
        return name

    def _single(self, letter: str) -> Sequence[Weights]:
        """A character of the table, or one that comes after all of them, by its code."""
        return self._weights.get(letter) or ((THE_REST_FROM + ord(letter), *COMMON),)


def _columns(body: bytes, characters: int, weights: int) -> list[array[int]]:
    """The codes (as steps), how many weights each has, and the three kinds of weights."""
    columns = []
    for kind, count in zip("IBIHB", (characters, characters, *[weights] * 3), strict=True):
        column = array(kind)
        size = count * column.itemsize
        column.frombytes(body[:size])
        body = body[size:]
        if sys.byteorder == "big":
            column.byteswap()
        columns.append(column)
    return columns


def _characters(columns: list[array[int]]) -> Iterator[tuple[str, Sequence[Weights]]]:
    codes, counts, primaries, secondaries, tertiaries = columns
    every = [
        (p & 0xFFFFFFFF, s, t)
        for p, s, t in zip(accumulate(primaries), secondaries, tertiaries, strict=True)
    ]
    start = 0
    for code, count in zip(accumulate(codes), counts, strict=True):
        yield chr(code), every[start : start + count]
        start += count


def _spread(runs: str) -> Iterator[str]:
    """The letters of runs given by their first and their last."""
    for first, last in zip(runs[::2], runs[1::2], strict=True):
        yield from map(chr, range(ord(first), ord(last) + 1))
