"""Semantic versions as the action's own library (node-semver) reads and bumps them.

Versions are `semver.Version` values; this module adds what that package leaves
to its caller: how tolerant to be with the text of a tag, and the pre-release
half of "increment", where the Python and the JavaScript package differ.

Source of the rules: semver.org 2.0.0 and the observed behaviour of node-semver 7.
"""

from __future__ import annotations

import re
from typing import Final

from semver import Version

ZERO: Final = Version(0, 0, 0)

RELEASE_TYPES: Final = (
    "major",
    "premajor",
    "minor",
    "preminor",
    "patch",
    "prepatch",
    "prerelease",
)
"""Every way to increment a version, strongest first."""

_LONGEST_TEXT: Final = 256
_LARGEST_NUMBER: Final = 2**53 - 1
_NOT_IN_AN_IDENTIFIER: Final = re.compile(r"[^a-zA-Z0-9-]")
_JAVASCRIPT_BLANKS: Final = (
    "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009"
    "\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
)


def parse_version(text: str) -> Version | None:
    """The version that `text` names, or None if it names none.

    Accepts one leading `v` and surrounding blanks. Refuses numbers that a double
    cannot hold exactly and texts beyond 256 characters, because the reference
    does: a tag it cannot see must not become our latest one.
    """
    if len(text) > _LONGEST_TEXT:
        return None
    bare = text.strip(_JAVASCRIPT_BLANKS).removeprefix("v")
    try:
        version = Version.parse(bare)
    except ValueError:
        return None
    if max(version.major, version.minor, version.patch) > _LARGEST_NUMBER:
        return None
    return version


def increment(version: Version, release_type: str, identifier: str) -> Version | None:
    """`version` after one release of `release_type`; None if that is no release type.

    Pre-releases are named `<identifier>.<n>`, counted from 0. None too for what would be
    no version: an identifier that semver forbids (`012`), a number grown too large.
    """
    if release_type not in RELEASE_TYPES:
        return None
    if release_type == "prerelease" and version.prerelease:
        name = _next_prerelease(version.prerelease.split("."), identifier)
        return parse_version(str(version.replace(prerelease=name, build=None)))
    if not release_type.startswith("pre"):
        return parse_version(str(_promote_or_bump(version, release_type)))
    base = _bump(version, release_type.removeprefix("pre"))
    return parse_version(f"{base}-{_first_prerelease(identifier)}")


def to_identifier(name: str) -> str:
    """`name` (a branch, say) as a pre-release identifier: semver's characters, else `-`."""
    return _NOT_IN_AN_IDENTIFIER.sub("-", name)


def _bump(version: Version, part: str) -> Version:
    match part:
        case "major":
            return version.bump_major()
        case "minor":
            return version.bump_minor()
        case _:
            return version.bump_patch()


def _promote_or_bump(version: Version, part: str) -> Version:
    """A release: the pre-release's own version if it already is of that size, else the next."""
    lower_parts = {"major": (version.minor, version.patch), "minor": (version.patch,), "patch": ()}
    if version.prerelease and not any(lower_parts[part]):
        return version.finalize_version()
    return _bump(version.finalize_version(), part)


def _first_prerelease(identifier: str) -> str:
    return f"{identifier}.0" if identifier else "0"


def _next_prerelease(parts: list[str], identifier: str) -> str:
    """The name after `parts`: its last number counted up, or the first of `identifier`."""
    counts = _same_identifier(parts[0], identifier) and parts[1:] and _is_digits(parts[1])
    if identifier and not counts:
        return _first_prerelease(identifier)
    for place in reversed(range(len(parts))):
        if _is_number(parts[place]):
            return ".".join([*parts[:place], str(int(parts[place]) + 1), *parts[place + 1 :]])
    return ".".join([*parts, "0"])


def _same_identifier(one: str, other: str) -> bool:
    if _is_digits(one) and _is_digits(other):
        return int(one) == int(other)
    return one == other


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _is_number(text: str) -> bool:
    """Digits that a double holds; longer ones stay text, to the reference and to us."""
    return _is_digits(text) and int(text) < _LARGEST_NUMBER
