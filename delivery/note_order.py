"""The order of lines in the notes: by scope, then by subject, as ICU does in `en-US`.

A commit without a scope (or without a subject) has no place in that order: asked
which comes first, it or another, the reference says "the other" either way. What
comes of it is the work of its sort; see `delivery.timsort`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from delivery.collation import SortKey, sort_key
from delivery.javascript import sign_of_number
from delivery.timsort import timsort


class Placed(Protocol):
    """What has a place in the notes."""

    @property
    def scope(self) -> str | None:
        """The part that it is about."""

    @property
    def subject(self) -> str | None:
        """What it says."""


P = TypeVar("P", bound=Placed)


@dataclass(frozen=True, slots=True)
class _Part:
    """A scope or a subject, with its key for comparing."""

    text: str | None
    key: SortKey


_Row = tuple[_Part, _Part, P]


def in_note_order(entries: Sequence[P]) -> list[P]:
    """`entries` of one section in the order of the notes."""
    rows = [(_part(entry.scope), _part(entry.subject), entry) for entry in entries]
    scopes = {scope.text is None for scope, _, _ in rows}
    subjects = {subject.text is None for _, subject, _ in rows}
    if len(scopes) < 2 and len(subjects) < 2:
        rows.sort(key=lambda row: (row[0].key, row[1].key))
    else:
        rows = timsort(rows, _compare)
    return [entry for _, _, entry in rows]


def _part(text: str | None) -> _Part:
    return _Part(text, sort_key(text or ""))


def _compare(one: _Row[P], other: _Row[P]) -> int:
    return _compare_parts(one[0], other[0]) or _compare_parts(one[1], other[1])


def _compare_parts(one: _Part, other: _Part) -> int:
    """Negative if `one` comes first. Nothing and a text compare as numbers, 0 and its own."""
    if one.text == other.text:
        return 0
    if one.text is None or other.text is None:
        sign = sign_of_number(one.text or other.text or "")
        comes_first = sign == (1 if one.text is None else -1)
        return -1 if comes_first else 1
    return (one.key > other.key) - (one.key < other.key)
