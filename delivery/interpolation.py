"""Compose's variables in a text: ``$NAME``, ``${NAME:-default}``, ``${NAME:?why}`` and the rest.

The grammar is that of the Compose specification, "Interpolation"; defaults may hold
further variables.
"""

import enum
import re
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATORS = (":-", ":?", ":+", "-", "?", "+")


class Kind(enum.StrEnum):
    """What a variable's absence means."""

    REQUIRED = "required"
    PLAIN = "plain"
    OPTIONAL = "optional"


@dataclass(frozen=True, slots=True)
class Reference:
    """One variable in a text.

    ``filled``: an empty value counts as none. ``default`` is the text that stands in for a
    missing value, with ``inner`` the variables in that text; ``when_set`` turns it round: the
    text stands in for a value that is there.
    """

    name: str
    kind: Kind
    filled: bool = False
    default: str = ""
    when_set: bool = False
    inner: tuple["Reference", ...] = ()


def references(text: str) -> list[Reference]:
    """Every variable of ``text`` in order; what is written ``$$`` is none."""
    return [part for part in _parts(text) if isinstance(part, Reference)]


def with_defaults(text: str) -> str:
    """``text`` as it reads when no variable is set."""
    return "".join(part if isinstance(part, str) else _standing_in(part) for part in _parts(text))


def unmet(found: Iterable[Reference], filled: Set[str], empty: Set[str]) -> Iterator[Reference]:
    """The variables that have no value and need one: required or plain ones.

    ``filled`` are the names that have a value, ``empty`` those whose value is empty.
    """
    for each in found:
        there = each.name in filled or (each.name in empty and not each.filled)
        if there == each.when_set:
            yield from unmet(each.inner, filled, empty)
        if not there and each.kind is not Kind.OPTIONAL:
            yield each


def _standing_in(reference: Reference) -> str:
    return "" if reference.when_set else with_defaults(reference.default)


def _parts(text: str) -> Iterator[str | Reference]:
    at = 0
    while (dollar := text.find("$", at)) >= 0:
        yield text[at:dollar]
        if text.startswith("${", dollar):
            end = _closing(text, dollar + 2)
            yield _braced(text[dollar + 2 : end])
            at = end + 1
        elif name := _NAME.match(text, dollar + 1):
            yield Reference(name[0], Kind.PLAIN)
            at = name.end()
        else:  # "$$", or a dollar on its own
            yield "$"
            at = dollar + (2 if text.startswith("$$", dollar) else 1)
    yield text[at:]


def _closing(text: str, start: int) -> int:
    """Where the brace that was opened before ``start`` closes; the end if it never does."""
    depth = 1
    for at in range(start, len(text)):
        if text[at] == "{" and text[at - 1] == "$":
            depth += 1
        elif text[at] == "}":
            depth -= 1
            if not depth:
                return at
    return len(text)


def _braced(inside: str) -> str | Reference:
    name = _NAME.match(inside)
    if name is None:
        return ""
    rest = inside[name.end() :]
    operator = next((each for each in _OPERATORS if rest.startswith(each)), "")
    if not operator:
        return Reference(name[0], Kind.PLAIN)
    default, filled = rest[len(operator) :], operator.startswith(":")
    if operator.endswith("?"):
        return Reference(name[0], Kind.REQUIRED, filled=filled)
    return Reference(
        name[0],
        Kind.OPTIONAL,
        filled=filled,
        default=default,
        when_set=operator.endswith("+"),
        inner=tuple(references(default)),
    )
