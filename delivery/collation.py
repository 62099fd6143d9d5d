"""The order of texts in `en-US`, as ICU (so JavaScript's `localeCompare`) has it.

The Unicode Collation Algorithm (UTS #10, no variable weighting) over the root table
of the Unicode CLDR. The table is `collation.gz` beside this file, made by
`tools/collation_table.py`; it is read when the first text is compared, in some ten
milliseconds. Ideographs outside the basic plane come by code, not by radical.
"""

from __future__ import annotations

import struct
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

_TABLE: Final = Path(__file__).with_name("collation.gz")
_PIECE: Final = 1024
_MOST_MARKS: Final = 32
IDEOGRAPHS_FROM: Final = 0x10000
"""Where ideographs begin, after all other characters of the table."""
THE_REST_FROM: Final = 0x20000
"""Where the characters begin that are not in the table."""
COMMON: Final = (0x200, 2)
"""The accent and the case of a letter that has neither."""

Weights = tuple[int, int, int]
"""By base letter, by accent, by case and form; 0 for "does not count"."""
Levels = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]


def sort_key(text: str) -> tuple[int, ...]:
    """A key by which texts sort as ICU sorts them; equal for texts that it finds equal."""
    return _read_table().key_of(text if text.isascii() else _decomposed(text))


def _decomposed(text: str) -> str:
    """`text` in normalisation form D, in pieces: ordering n marks takes Python n squared."""
    if len(text) <= _PIECE:
        return unicodedata.normalize("NFD", text)
    pieces = (text[at : at + _PIECE] for at in range(0, len(text), _PIECE))
    return "".join(unicodedata.normalize("NFD", piece) for piece in pieces)


@cache
def _read_table() -> _Table:
    # Here, so that nobody pays for these two who sorts nothing: delivery must import fast.
    import gzip
    import json

    head, _, body = gzip.decompress(_TABLE.read_bytes()).partition(b"\n")
    return _Table(json.loads(head), body)


class _Table:
    """Weights by character and by contraction (characters that count as one)."""

    def __init__(self, facts: Mapping[str, Any], body: bytes) -> None:
        columns = _columns(body, facts["characters"], facts["weights"])
        self._weights: dict[str, Sequence[Weights]] = dict(_characters(columns))
        self._contractions: dict[str, Sequence[Weights]] = facts["contractions"]
        self._starts = {key[0] for key in self._contractions}
        self._follow = set("".join(key[1:] for key in self._contractions))
        self._longest = max(map(len, self._contractions))
        for place, letter in enumerate(_spread(facts["ideographs"])):
            self._weights[letter] = ((IDEOGRAPHS_FROM + place, *COMMON),)
        self._levels: dict[str, Levels] = {}

    def key_of(self, text: str) -> tuple[int, ...]:
        """The key of decomposed `text`: all its bases, then its accents, then its forms."""
        bases: list[int] = []
        accents: list[int] = []
        forms: list[int] = []
        for letter in text if self._follow.isdisjoint(text) else self._joined(text):
            base, accent, form = self._levels.get(letter) or self._learn(letter)
            bases += base
            accents += accent
            forms += form
        return (*bases, 0, *accents, 0, *forms)

    def _learn(self, name: str) -> Levels:
        """The weights of a letter or a contraction, by level, kept for the next time."""
        weights = self._contractions.get(name) or self._weights.get(name)
        if not weights:
            weights = ((THE_REST_FROM + ord(name), *COMMON),)
        base, accent, form = (tuple(w[level] for w in weights if w[level]) for level in range(3))
        self._levels[name] = base, accent, form
        return base, accent, form

    def _joined(self, text: str) -> Iterator[str]:
        """The letters of `text`, those that count as one together."""
        letters = list(text)
        for place, letter in enumerate(letters):
            if letter in self._starts:
                yield self._contraction(letters, place)
            elif letter:
                yield letter

    def _contraction(self, letters: list[str], place: int) -> str:
        """The longest contraction that begins at `place`; what it takes in becomes empty."""
        for length in range(min(self._longest, len(letters) - place), 1, -1):
            name = "".join(letters[place : place + length])
            if name in self._contractions:
                letters[place + 1 : place + length] = [""] * (length - 1)
                return self._with_marks(name, letters, place + length)
        return self._with_marks(letters[place], letters, place + 1)

    def _with_marks(self, name: str, letters: list[str], place: int) -> str:
        """`name` with the marks that follow it and belong to it; others may lie between."""
        blocked = 0
        for at in range(place, min(place + _MOST_MARKS, len(letters))):
            mark = letters[at]
            kind = unicodedata.combining(mark) if mark else 0
            if not kind:
                break
            if kind != blocked and name + mark in self._contractions:
                name, letters[at] = name + mark, ""
            else:
                blocked = kind
        return name


def _columns(body: bytes, characters: int, weights: int) -> list[Sequence[int]]:
    """The codes (as steps), how many weights each has, and the three kinds of weights."""
    columns: list[Sequence[int]] = []
    for kind, count in zip("IBIHB", (characters, characters, *[weights] * 3), strict=True):
        column = struct.Struct(f"<{count}{kind}")
        columns.append(column.unpack_from(body))
        body = body[column.size :]
    return columns


def _characters(columns: list[Sequence[int]]) -> Iterator[tuple[str, Sequence[Weights]]]:
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
