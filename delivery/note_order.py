"""The order of lines in the notes: by scope, then by subject, as ICU does in `en-US`.

A commit without a scope (or without a subject) has no place in that order: asked
which comes first, it or another, the reference says "the other" either way. What
comes of it is the work of its sort; see `delivery.timsort`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from delivery.collation import sort_key
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


def in_note_order(entries: Sequence[P]) -> list[P]:
    """`entries` of one section in the order of the notes."""
    scopes = {entry.scope is None for entry in entries}
    subjects = {entry.subject is None for entry in entries}
    if len(scopes) < 2 and len(subjects) < 2:
        return sorted(entries, key=lambda e: (sort_key(e.scope or ""), sort_key(e.subject or "")))
    return timsort(entries, _compare)


def _compare(one: Placed, other: Placed) -> int:
    return _compare_texts(one.scope, other.scope) or _compare_texts(one.subject, other.subject)


def _compare_texts(one: str | None, other: str | None) -> int:
    """Negative if `one` comes first. Nothing and a text compare as numbers, 0 and its own."""
    if one == other:
        return 0
    if one is None or other is None:
        sign = sign_of_number(one or other or "")
        comes_first = sign == (1 if one is None else -1)
        return -1 if comes_first else 1
    first, second = sort_key(one), sort_key(other)
    return (first > second) - (first < second)
