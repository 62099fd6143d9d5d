"""Patterns for commit types in custom release rules: `feat`, `c*`, `!chore`, `(feat|fix)`.

The part of micromatch's language that makes sense for a word: `*`, `?`, classes
in brackets, alternatives in parentheses, and a leading `!` for "any but". No
regular expression is made of them, so that no pattern can make a long type slow.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import product
from typing import Final

from delivery.javascript import has_line_end

_Token = frozenset[str] | None
"""The characters that may stand in a place; None for any number of any."""

_ANY: Final = None
_WORD: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
_MOST_ALTERNATIVES: Final = 64


def matches(word: str, pattern: str) -> bool:
    """Whether `word`, a commit type, is one that `pattern` means. No type matches nothing.

    A type may be any text, if a field sets it (see `delivery.commits`): only itself means
    what has a slash or begins with a line end, and `!` no text of several lines.
    """
    bare = pattern.lstrip("!")
    if not (word and bare):
        return False
    if "/" in word or has_line_end(word[0]):
        return word == pattern
    negated = (len(pattern) - len(bare)) % 2 == 1
    if negated and has_line_end(word):
        return False
    return negated != any(_fits(word, tokens) for tokens in _alternatives(bare))


@lru_cache(maxsize=256)
def _alternatives(pattern: str) -> tuple[tuple[_Token, ...], ...]:
    """`pattern` without parentheses: each way to choose among its alternatives."""
    parts = list(_split(pattern))
    ways = 1
    for part in parts:
        ways *= len(part)
    if ways > _MOST_ALTERNATIVES:
        return ()
    return tuple(tuple(_tokens("".join(choice))) for choice in product(*parts))


def _split(pattern: str) -> Iterator[list[str]]:
    """Text and groups in turn, each as the list of what may stand there."""
    while pattern:
        before, opened, rest = pattern.partition("(")
        inside, closed, after = rest.partition(")")
        if not (opened and closed):
            yield [pattern]
            return
        optional = before.endswith("?")
        yield [before[:-1] if before.endswith(("?", "@")) else before]
        yield [*inside.split("|"), *([""] if optional else [])]
        pattern = after


def _tokens(text: str) -> Iterator[_Token]:
    place = 0
    while place < len(text):
        end = text.find("]", place + 2) if text[place] == "[" else -1
        if end > 0:
            yield _characters(text[place + 1 : end])
            place = end
        elif text[place] == "*":
            yield _ANY
        else:
            yield _WORD if text[place] == "?" else frozenset(text[place])
        place += 1


def _characters(inside: str) -> frozenset[str]:
    """What `[inside]` stands for: single characters, ranges, or with `^` all others."""
    listed = inside.removeprefix("^")
    found: set[str] = set()
    place = 0
    while place < len(listed):
        if listed[place + 1 : place + 2] == "-" and place + 2 < len(listed):
            first, last = listed[place], listed[place + 2]
            found |= {letter for letter in _WORD if first <= letter <= last}
            place += 3
        else:
            found.add(listed[place])
            place += 1
    return _WORD - found if inside != listed else frozenset(found)


def _fits(word: str, tokens: tuple[_Token, ...]) -> bool:
    """Whether `tokens` spell `word`; one way back, to the last `*`, is enough to try."""
    at = place = 0
    star, resume = -1, 0
    while at < len(word):
        token = tokens[place] if place < len(tokens) else frozenset[str]()
        if token is _ANY:
            star, resume = place, at
            place += 1
        elif word[at] in token:
            at, place = at + 1, place + 1
        elif star >= 0:
            resume += 1
            at, place = resume, star + 1
        else:
            return False
    return all(token is _ANY for token in tokens[place:])
