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
THE_REST: Final = 0x20000
"""Before the code of a character that is not in the table: after all that are."""
COMMON: Final = (0x200, 2)
"""The accent and the case of a letter that has neither."""

Weights = tuple[int, int, int]
"""By base letter, by accent, by case and form; 0 for "does not count"."""


def sort_key(text: str) -> SortKey:
    """A key by which texts sort as ICU sorts them; equal for texts that it finds equal."""
    return _read_table().bases_of(text), _Finer(text)


class _Finer:
    """Accents and forms of a text: asked for only where the letters are the same."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Finer) and self._weights() == other._weights()

    def __lt__(self, other: _Finer) -> bool:
        return self._weights() < other._weights()

    def __hash__(self) -> int:
        return hash(self._weights())

    def _weights(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        return _read_table().accents_and_forms_of(self._text)


SortKey = tuple[str, _Finer]


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


class _Bases(dict[int, str]):
    """For `str.translate`: a character's base weights, as characters; learnt when met."""

    def __init__(self, table: _Table) -> None:
        self._table = table

    def __missing__(self, code: int) -> str:
        self[code] = found = self._table.bases_of_any(chr(code))
        return found


class _Table:
    """Weights by character and by contraction (characters that count as one)."""

    def __init__(self, facts: Mapping[str, Any], body: bytes) -> None:
        columns = _columns(body, facts["characters"], facts["weights"])
        self._weights: dict[str, Sequence[Weights]] = dict(_characters(columns))
        self._contractions: dict[str, Sequence[Weights]] = facts["contractions"]
        self._starts = {key[0] for key in self._contractions}
        self._longest = max(map(len, self._contractions))
        self._joining = frozenset(facts["joining"])
        for place, letter in enumerate(_spread(facts["ideographs"])):
            self._weights[letter] = ((IDEOGRAPHS_FROM + place, *COMMON),)
        self._bases = _Bases(self)

    def bases_of(self, text: str) -> str:
        """The base weights of `text`, as characters: the first thing to compare by."""
        if self._joining.isdisjoint(text):
            return text.translate(self._bases)
        return self.bases_of_any(text)

    def bases_of_any(self, text: str) -> str:
        """The same for a text whose characters may depend on each other."""
        return "".join(chr(base) for base, _, _ in self._weights_of(text) if base)

    def accents_and_forms_of(self, text: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The other two levels."""
        weights = list(self._weights_of(text))
        accents = tuple(accent for _, accent, _ in weights if accent)
        return accents, tuple(form for _, _, form in weights if form)

    def _weights_of(self, text: str) -> Iterator[Weights]:
        for name in self._joined(_decomposed(text)):
            found = self._contractions.get(name) or self._weights.get(name)
            if found:
                yield from found
            else:
                yield (THE_REST, *COMMON)
                yield (ord(name), 0, 0)

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
