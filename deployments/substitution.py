"""``${VAR}`` and ``${VAR:-default}`` in the values of a file, out of the process environment.

Only values are read, never keys, and only after the YAML was parsed: a variable can give a
value but never another structure.
"""

import re
from collections.abc import Iterator, Mapping

_REFERENCE = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^{}]*))?\}")
_OPENING = re.compile(r"\$\{")


def substitute(value: object, environment: Mapping[str, str]) -> object:
    """``value`` with every reference in its strings replaced, at any depth.

    A variable that is empty counts as missing, as in ``${VAR:-default}`` of a shell. One
    that is missing and has no default stays as it stands: ask ``missing_variables`` first.
    """
    if isinstance(value, str):
        return _REFERENCE.sub(lambda found: _replaced(found, environment), value)
    if isinstance(value, dict):
        return {key: substitute(each, environment) for key, each in value.items()}
    if isinstance(value, list):
        return [substitute(each, environment) for each in value]
    return value


def missing_variables(value: object, environment: Mapping[str, str]) -> list[str]:
    """The variables that ``value`` needs and ``environment`` lacks, in order of appearance."""
    needed = (
        found["name"]
        for text in strings_in(value)
        for found in _REFERENCE.finditer(text)
        if found["default"] is None
    )
    return list(dict.fromkeys(name for name in needed if not environment.get(name)))


def variables_in(value: object) -> frozenset[str]:
    """Every variable that ``value`` refers to, with a default or without."""
    texts = strings_in(value)
    return frozenset(found["name"] for text in texts for found in _REFERENCE.finditer(text))


def broken_references(value: object) -> list[str]:
    """The strings in ``value`` that begin a reference and do not end it properly."""
    return [text for text in strings_in(value) if _OPENING.search(_REFERENCE.sub("", text))]


def strings_in(value: object) -> Iterator[str]:
    """Every string value in ``value``, at any depth; keys are not values."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from strings_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from strings_in(each)


def _replaced(found: re.Match[str], environment: Mapping[str, str]) -> str:
    return environment.get(found["name"]) or (
        found[0] if found["default"] is None else found["default"]
    )
