"""What git says of the difference between two trees, as GitHub shows it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

STATUS = {"A": "added", "D": "removed", "M": "modified", "T": "changed", "R": "renamed"}


@dataclass(frozen=True, slots=True)
class Change:
    """One file's part in a difference."""

    status: str
    path: str
    previous: str | None
    blob: str
    additions: int
    deletions: int
    patch: str | None


def parse(raw: str, numbers: str, patch: str) -> list[Change]:
    """The changed files from `git diff -z --raw`, `-z --numstat` and the patch itself."""
    counted = _numbers(numbers)
    found = list(_raw_changes(raw.split("\0")))
    return [
        Change(status, path, previous, blob, *counted.get(path, (0, 0)), hunks)
        for (status, path, previous, blob), hunks in zip(found, _patches(patch), strict=True)
    ]


def _raw_changes(words: Sequence[str]) -> Iterator[tuple[str, str, str | None, str]]:
    """Status, path, previous path and blob from `git diff --raw -z`."""
    rest = iter(words)
    for word in rest:
        if not word:
            return
        _, _, old, new, letter = word.split(" ")
        path = next(rest)
        previous = None
        if letter[0] in "RC":
            previous, path = path, next(rest)
        status = "copied" if letter[0] == "C" else STATUS[letter[0]]
        yield status, path, previous, old if status == "removed" else new


def _numbers(raw: str) -> dict[str, tuple[int, int]]:
    """Added and removed lines by path, from `git diff --numstat -z`."""
    found: dict[str, tuple[int, int]] = {}
    rest = iter(raw.split("\0"))
    for row in rest:
        if not row:
            break
        added, removed, path = row.split("\t", 2)
        if not path:
            next(rest)
            path = next(rest)
        found[path] = (
            int(added) if added.isdigit() else 0,
            int(removed) if removed.isdigit() else 0,
        )
    return found


def _patches(text: str) -> list[str | None]:
    """The hunks of each file, in the order of the diff; None where there are none."""
    parts = re.split(r"^diff --git .*\n", text, flags=re.MULTILINE)[1:]
    found = [re.search(r"^@@", part, flags=re.MULTILINE) for part in parts]
    return [p[m.start() :].rstrip("\n") if m else None for p, m in zip(parts, found, strict=True)]
