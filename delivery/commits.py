"""What a commit says: its type, its breaking notes, the commit it reverts."""

from __future__ import annotations

import re
from dataclasses import dataclass

_HEADER = re.compile(r"^([A-Za-z0-9_]*)(?:\((.*)\))?: (.*)$")
_BUMPS = {"feat": "minor", "FEAT": "minor", "fix": "patch", "FIX": "patch", "perf": "patch"}


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit as git has it: full object name and whole message."""

    sha: str
    message: str


def asked_bump(message: str) -> str | None:
    """The bump that one commit message asks for."""
    if re.search(r"^[\s|*]*BREAKING CHANGE[:\s]+", message, re.M | re.I):
        return "major"
    header = _HEADER.match(message.partition("\n")[0])
    return _BUMPS.get(header[1]) if header else None
